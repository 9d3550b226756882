// Steps: the keys all of them have, and the arguments of each verb.
#include <cstdint>

#include "scenario/rule.hpp"

namespace faultline {
namespace {

using enum RuleKind;
using enum Need;

template <std::size_t N>
constexpr Rule arguments(const RuleField (&fields)[N]) {
  return {.kind = object, .what = "an object of arguments", .fields = fields};
}

constexpr RuleField fd_fields[] = {{"fd", &fd_rule, required}};
constexpr RuleField open_fields[] = {{"file", &text_rule, required}, {"flags", &open_flags_rule}};
constexpr RuleField mmap_fields[] = {
    {"addr", &address_rule},    {"length", &argument_rule, required},
    {"prot", &prot_flags_rule}, {"flags", &map_flags_rule},
    {"fd", &fd_rule},           {"offset", &argument_rule},
};
constexpr RuleField range_fields[] = {{"addr", &address_rule, required},
                                      {"length", &argument_rule, required}};
constexpr RuleField mremap_fields[] = {
    {"addr", &address_rule, required},
    {"old_length", &argument_rule, required},
    {"new_length", &argument_rule, required},
    {"flags", &mremap_flags_rule},
    {"new_addr", &address_rule},
};
constexpr RuleField mprotect_fields[] = {{"addr", &address_rule, required},
                                         {"length", &argument_rule, required},
                                         {"prot", &prot_flags_rule, required}};
constexpr RuleField madvise_fields[] = {{"addr", &address_rule, required},
                                        {"length", &argument_rule, required},
                                        {"advice", &advice_rule, required}};
constexpr RuleField msync_fields[] = {{"addr", &address_rule, required},
                                      {"length", &argument_rule, required},
                                      {"flags", &msync_flags_rule}};

constexpr Rule access_length{
    .kind = size, .what = "a size (bytes, \"4KiB\" or \"0x1000\")", .name = "size"};
constexpr Rule positive_count{.kind = integer, .what = "a number of 1 or more", .min = 1};
constexpr RuleField access_fields[] = {
    {"at", &address_rule, required},
    {"length", &access_length, optional, "", "bytes of one access, 8 if absent"},
    {"count", &positive_count, optional, "", "accesses, 1 if absent"},
    {"stride", &argument_rule, optional, "", "bytes from one access to the next, length if absent"},
    {"value", &argument_rule, optional, "", "what is stored, or what a load must read"},
};
constexpr std::string_view flush_words[] = {"clwb", "clflush", "ntstore"};
constexpr Rule flush_how{.kind = word, .what = "a way to flush", .words = flush_words};
constexpr RuleField flush_fields[] = {
    {"at", &address_rule, required}, {"length", &argument_rule}, {"how", &flush_how}};
constexpr RuleField io_fields[] = {{"fd", &fd_rule, required},
                                   {"at", &argument_rule},
                                   {"length", &argument_rule, required},
                                   {"buffer", &address_rule}};
constexpr RuleField aio_fields[] = {
    {"fd", &fd_rule, required}, {"at", &argument_rule}, {"length", &argument_rule, required}};
constexpr RuleField fiemap_fields[] = {
    {"fd", &fd_rule, required},
    {"at", &argument_rule},
    {"length", &argument_rule, optional, "", "0 or absent: to the end of the file"},
    {"buffer", &address_rule, optional, "", "an array with room for all extents"},
};
constexpr RuleField ftruncate_fields[] = {{"fd", &fd_rule, required},
                                          {"length", &argument_rule, required}};
constexpr RuleField fallocate_fields[] = {{"fd", &fd_rule, required},
                                          {"mode", &fallocate_mode_rule},
                                          {"at", &argument_rule},
                                          {"length", &argument_rule, required}};
constexpr RuleField clone_fields[] = {
    {"fd", &fd_rule, required, "", "the source"},
    {"at", &argument_rule},
    {"length", &argument_rule, optional, "", "0 or absent: to the end of the file"},
    {"to_fd", &fd_rule, required},
    {"to_at", &argument_rule},
};
constexpr Rule start_commit_step{.kind = step_name, .what = "a step that is start_commit"};
constexpr RuleField exchange_fields[] = {
    {"fd", &fd_rule, required},
    {"at", &argument_rule},
    {"length", &argument_rule},
    {"to_fd", &fd_rule, required},
    {"to_at", &argument_rule},
    {"since", &start_commit_step, optional, "",
     "a start_commit step: only if the file of to_fd has not changed since"}};
constexpr RuleField fcntl_fields[] = {
    {"fd", &fd_rule, required},
    {"cmd", &fcntl_command_rule, required},
    {"arg", &fcntl_arg_rule, optional, "", "RDLCK, WRLCK or UNLCK of F_SETLEASE"}};
constexpr RuleField layoutreturn_fields[] = {
    {"fd", &fd_rule, required},
    {"on_recall", &boolean_rule, optional, "", "waits until somebody wants the layout back"}};
constexpr RuleField uffd_copy_fields[] = {
    {"addr", &address_rule, required},
    {"length", &argument_rule, optional, "", "4KiB if absent"},
    {"value", &argument_rule, optional, "", "the first eight bytes of each page"}};
constexpr RuleField fsxattr_fields[] = {
    {"fd", &fd_rule, required},
    {"set", &fsxattr_flags_rule},
    {"clear", &fsxattr_flags_rule},
    {"extsize", &argument_rule, optional, "", "extent-size hint, bytes; sets FS_XFLAG_EXTSIZE"},
    {"cowextsize", &argument_rule, optional, "", "the hint for copies; sets FS_XFLAG_COWEXTSIZE"}};
constexpr RuleField file_fields[] = {{"file", &text_rule, required}};
constexpr RuleField fs_fields[] = {{"fs", &text_rule, required}};
constexpr RuleField fork_fields[] = {{"child", &ident_rule, required}};
constexpr RuleField exit_fields[] = {
    {"code", &argument_rule},
    {"thread", &boolean_rule, optional, "", "only this task ends, not its whole process"}};
constexpr RuleField wait_fields[] = {{"task", &ident_rule, required}};
constexpr RuleField kill_fields[] = {{"task", &ident_rule, required},
                                     {"signal", &kill_signal_rule, required}};
constexpr RuleField pin_fields[] = {{"addr", &address_rule, required},
                                    {"length", &argument_rule, required},
                                    {"write", &boolean_rule},
                                    {"longterm", &boolean_rule}};
constexpr RuleField remap_fields[] = {{"addr", &address_rule, required},
                                      {"length", &argument_rule, required},
                                      {"offset", &argument_rule, required}};
constexpr RuleField duration_fields[] = {{"for", &duration_rule, required}};
constexpr RuleField repeat_fields[] = {{"times", &count_rule, required},
                                       {"steps", &steps_rule, required}};
constexpr std::string_view mode_words[] = {"write", "read"};
constexpr Rule lock_mode{.kind = word, .what = "\"write\" or \"read\"", .words = mode_words};
constexpr RuleField lock_fields[] = {
    {"name", &text_rule, required},
    {"mode", &lock_mode},
    {"try", &boolean_rule},
    {"recursive", &boolean_rule},
    {"nest", &text_rule, optional, "", "the lock under which this one is nested"},
};
constexpr RuleField lock_name_fields[] = {{"name", &text_rule, required}};
constexpr std::string_view gfp_words[] = {"KERNEL", "NOFS"};
constexpr Rule gfp_rule{.kind = word, .what = "\"KERNEL\" or \"NOFS\"", .words = gfp_words};
constexpr RuleField might_alloc_fields[] = {{"gfp", &gfp_rule}};
constexpr RuleField unmap_mapping_fields[] = {
    {"file", &text_rule, required}, {"at", &argument_rule}, {"length", &argument_rule}};
constexpr RuleField fadvise_fields[] = {{"fd", &fd_rule, required},
                                        {"at", &argument_rule},
                                        {"length", &argument_rule},
                                        {"advice", &fadvise_advice_rule, required}};

constexpr Rule fd_args = arguments(fd_fields), open_args = arguments(open_fields),
               mmap_args = arguments(mmap_fields), range_args = arguments(range_fields),
               mremap_args = arguments(mremap_fields), mprotect_args = arguments(mprotect_fields),
               madvise_args = arguments(madvise_fields), msync_args = arguments(msync_fields),
               access_args = arguments(access_fields), flush_args = arguments(flush_fields),
               io_args = arguments(io_fields), aio_args = arguments(aio_fields),
               fiemap_args = arguments(fiemap_fields), ftruncate_args = arguments(ftruncate_fields),
               fallocate_args = arguments(fallocate_fields), clone_args = arguments(clone_fields),
               exchange_args = arguments(exchange_fields), fcntl_args = arguments(fcntl_fields),
               fsxattr_args = arguments(fsxattr_fields), file_args = arguments(file_fields),
               fs_args = arguments(fs_fields), fork_args = arguments(fork_fields),
               exit_args = arguments(exit_fields), wait_args = arguments(wait_fields),
               kill_args = arguments(kill_fields), pin_args = arguments(pin_fields),
               remap_args = arguments(remap_fields), duration_args = arguments(duration_fields),
               repeat_args = arguments(repeat_fields), lock_args = arguments(lock_fields),
               lock_name_args = arguments(lock_name_fields),
               might_alloc_args = arguments(might_alloc_fields),
               unmap_mapping_args = arguments(unmap_mapping_fields),
               fadvise_args = arguments(fadvise_fields),
               layoutreturn_args = arguments(layoutreturn_fields),
               uffd_copy_args = arguments(uffd_copy_fields);

constexpr Rule after_rule{.kind = list, .what = "a list of steps", .item = &step_ref_rule};

constexpr RuleField verb(std::string_view name, const Rule& rule) {
  return {name, &rule, choice, "verb"};
}

// The verbs stand in the order of enum Verb; a test compares the two.
constexpr RuleField step_fields[] = {
    verb("open", open_args),
    verb("close", fd_args),
    verb("mmap", mmap_args),
    verb("mmap3", mmap_args),
    verb("munmap", range_args),
    verb("mremap", mremap_args),
    verb("mprotect", mprotect_args),
    verb("madvise", madvise_args),
    verb("mlock", range_args),
    verb("munlock", range_args),
    verb("msync", msync_args),
    verb("load", access_args),
    verb("store", access_args),
    verb("flush", flush_args),
    verb("fence", empty_object_rule),
    verb("pread", io_args),
    verb("pwrite", io_args),
    verb("read", io_args),
    verb("write", io_args),
    verb("aio_write", aio_args),
    verb("aio_read", aio_args),
    verb("ftruncate", ftruncate_args),
    verb("fsync", fd_args),
    verb("fdatasync", fd_args),
    verb("fallocate", fallocate_args),
    verb("clone", clone_args),
    verb("dedupe", clone_args),
    verb("exchange", exchange_args),
    verb("fcntl", fcntl_args),
    verb("fsxattr", fsxattr_args),
    verb("fiemap", fiemap_args),
    verb("unlink", file_args),
    verb("freeze", fs_args),
    verb("thaw", fs_args),
    verb("fork", fork_args),
    verb("exec", file_args),
    verb("exit", exit_args),
    verb("wait", wait_args),
    verb("kill", kill_args),
    verb("pin", pin_args),
    verb("unpin", pin_args),
    verb("remap_file_pages", remap_args),
    verb("sleep", duration_args),
    verb("compute", duration_args),
    verb("crash", empty_object_rule),
    verb("repeat", repeat_args),
    verb("lock", lock_args),
    verb("unlock", lock_name_args),
    verb("downgrade", lock_name_args),
    verb("init", lock_name_args),
    verb("might_alloc", might_alloc_args),
    verb("snapshot", range_args),
    verb("read_maps", empty_object_rule),
    verb("unmap_mapping", unmap_mapping_args),
    verb("fadvise", fadvise_args),
    verb("layoutget", fd_args),
    verb("layoutreturn", layoutreturn_args),
    verb("uffd_register", range_args),
    verb("uffd_read", empty_object_rule),
    verb("uffd_copy", uffd_copy_args),
    verb("start_commit", fd_args),
    {"id", &ident_rule},
    {"after", &after_rule, optional, "", "steps that must have ended before, in any way"},
    {"expect", &step_expectation_rule},
    {"xfail", &text_rule, optional, "", "why this step is known not to do what is expected"},
};

}  // namespace

constexpr Rule step_rule{.kind = object, .what = "a step", .name = "step", .fields = step_fields};
constexpr Rule steps_rule{
    .kind = list, .what = "a list of steps", .name = "steps", .item = &step_rule};

}  // namespace faultline
