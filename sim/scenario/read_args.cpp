// The arguments of each verb. They are copied as they stand; the few checks here are of verbs that
// are not system calls.
#include <fmt/format.h>

#include "scenario/reader.hpp"
#include "scenario/rule.hpp"

namespace faultline {
namespace {

constexpr std::string_view flush_words[] = {"clwb", "clflush", "ntstore"};
constexpr std::string_view mode_words[] = {"write", "read"};
constexpr std::string_view gfp_words[] = {"KERNEL", "NOFS"};
constexpr std::uint64_t largest_access = 1ULL << 40;

}  // namespace

StepArgs Reader::read_args(NodeId step_node, Step& step) {
  const NodeId node = get(step_node, verb_name(step.verb));
  switch (step.verb) {
    case Verb::mmap:
    case Verb::mmap3:
    case Verb::munmap:
    case Verb::mremap:
    case Verb::mprotect:
    case Verb::madvise:
    case Verb::mlock:
    case Verb::munlock:
    case Verb::msync:
    case Verb::load:
    case Verb::store:
    case Verb::flush:
    case Verb::pin:
    case Verb::unpin:
    case Verb::remap_file_pages:
    case Verb::snapshot:
    case Verb::uffd_register:
    case Verb::uffd_copy: {
      StepArgs args = read_memory_args(node, step.verb);
      if (step.verb == Verb::load) expect_loaded(std::get<AccessArgs>(args), step);
      return args;
    }
    case Verb::open:
    case Verb::close:
    case Verb::pread:
    case Verb::pwrite:
    case Verb::read:
    case Verb::write:
    case Verb::aio_write:
    case Verb::aio_read:
    case Verb::ftruncate:
    case Verb::fsync:
    case Verb::fdatasync:
    case Verb::fallocate:
    case Verb::clone:
    case Verb::dedupe:
    case Verb::exchange:
    case Verb::fcntl:
    case Verb::fsxattr:
    case Verb::fiemap:
    case Verb::unlink:
    case Verb::exec:
    case Verb::freeze:
    case Verb::thaw:
    case Verb::unmap_mapping:
    case Verb::fadvise:
    case Verb::layoutget:
    case Verb::layoutreturn:
    case Verb::start_commit:
      return read_file_args(node, step.verb);
    default:
      return read_other_args(node, step);
  }
}

// The value that a load must read.
void Reader::expect_loaded(const AccessArgs& access, Step& step) {
  if (!access.has_value) return;
  StepExpectation expectation;
  expectation.value = AddressRef{access.value, {}};
  scenario_.step_expectations.push_back(expectation);
  step.expect = static_cast<std::uint32_t>(scenario_.step_expectations.size());
}

StepArgs Reader::read_memory_args(NodeId node, Verb verb) {
  const auto argument = [&](std::string_view key) { return values_.argument(get(node, key)); };
  const auto flags = [&](std::string_view key, const FlagTable& table) {
    return values_.flags(get(node, key), table);
  };
  const NodeId addr = get(node, "addr");
  switch (verb) {
    case Verb::mmap:
    case Verb::mmap3:
      return MmapArgs{address(addr),
                      argument("length"),
                      flags("prot", prot_flags),
                      flags("flags", map_flags),
                      fd(get(node, "fd")),
                      argument("offset")};
    case Verb::mremap:
      return MremapArgs{address(addr), argument("old_length"), argument("new_length"),
                        flags("flags", mremap_flags), address(get(node, "new_addr"))};
    case Verb::mprotect:
      return ProtectArgs{address(addr), argument("length"), flags("prot", prot_flags)};
    case Verb::madvise:
      return AdviseArgs{address(addr), argument("length"), flags("advice", madvise_words)};
    case Verb::msync:
      return MsyncArgs{address(addr), argument("length"), flags("flags", msync_flags)};
    case Verb::load:
    case Verb::store:
      return read_access(node);
    case Verb::flush:
      return FlushArgs{address(get(node, "at")), values_.argument(get(node, "length"), 64),
                       values_.word(get(node, "how"), flush_words, FlushHow::clwb)};
    case Verb::pin:
    case Verb::unpin:
      return PinArgs{address(addr), argument("length"), values_.truth(get(node, "write"), false),
                     values_.truth(get(node, "longterm"), false)};
    case Verb::remap_file_pages:
      return RemapArgs{address(addr), argument("length"), argument("offset")};
    case Verb::uffd_copy:
      return UffdCopyArgs{address(addr), values_.argument(get(node, "length"), 4096),
                          argument("value")};
    default:
      return RangeArgs{address(addr), argument("length")};
  }
}

StepArgs Reader::read_access(NodeId node) {
  AccessArgs access;
  access.at = address(get(node, "at"));
  const NodeId length = get(node, "length");
  access.length = values_.size(length, 8);
  if (access.length == 0 || access.length > largest_access) {
    wrong(length, [] { return std::string("one access is from 1 byte to 1TiB long"); });
  }
  access.count = values_.size(get(node, "count"), 1);
  access.stride = values_.argument(get(node, "stride"), access.length);
  const NodeId value = get(node, "value");
  access.has_value = value != no_node;
  access.value = values_.argument(value);
  return access;
}

StepArgs Reader::read_file_args(NodeId node, Verb verb) {
  const auto argument = [&](std::string_view key) { return values_.argument(get(node, key)); };
  const auto file = [&] { return FileRef(named(get(node, "file"), files_, "file").value_or(0)); };
  const NodeId fd_node = get(node, "fd");
  switch (verb) {
    case Verb::open:
      return OpenArgs{file(), values_.flags(get(node, "flags"), open_flags)};
    case Verb::pread:
    case Verb::pwrite:
    case Verb::read:
    case Verb::write:
    case Verb::aio_write:
    case Verb::aio_read:
    case Verb::fiemap: {
      const NodeId buffer = get(node, "buffer");
      return IoArgs{fd(fd_node), argument("at"), argument("length"), address(buffer),
                    buffer != no_node};
    }
    case Verb::ftruncate:
      return TruncateArgs{fd(fd_node), argument("length")};
    case Verb::fallocate:
      return FallocateArgs{fd(fd_node), values_.flags(get(node, "mode"), fallocate_modes),
                           argument("at"), argument("length")};
    case Verb::clone:
    case Verb::dedupe:
    case Verb::exchange:
      return CloneArgs{fd(fd_node),        argument("at"),
                       argument("length"), fd(get(node, "to_fd")),
                       argument("to_at"),  start_commit(get(node, "since"))};
    case Verb::fcntl:
      return FcntlArgs{fd(fd_node), values_.flags(get(node, "cmd"), fcntl_commands),
                       values_.flags(get(node, "arg"), fcntl_args)};
    case Verb::layoutreturn:
      return LayoutReturnArgs{fd(fd_node), values_.truth(get(node, "on_recall"), false)};
    case Verb::fsxattr:
      return FsxattrArgs{fd(fd_node),
                         values_.flags(get(node, "set"), fsxattr_flags),
                         values_.flags(get(node, "clear"), fsxattr_flags),
                         argument("extsize"),
                         argument("cowextsize"),
                         get(node, "extsize") != no_node,
                         get(node, "cowextsize") != no_node};
    case Verb::unlink:
    case Verb::exec:
      return FileArgs{file()};
    case Verb::freeze:
    case Verb::thaw:
      return FsArgs{FsRef(named(get(node, "fs"), filesystems_, "file system").value_or(0))};
    case Verb::unmap_mapping:
      return UnmapMappingArgs{file(), argument("at"), argument("length")};
    case Verb::fadvise:
      return FadviseArgs{fd(fd_node), argument("at"), argument("length"),
                         values_.flags(get(node, "advice"), fadvise_words)};
    default:
      return FdArgs{fd(fd_node)};
  }
}

StepArgs Reader::read_other_args(NodeId node, Step& step) {
  const auto task = [&](std::string_view key) {
    return TaskId(named(get(node, key), tasks_, "task").value_or(0));
  };
  const auto lock = [&](std::string_view key) {
    const NodeId name = get(node, key);
    if (name == no_node) return no_lock;
    return LockRef(named(name, locks_, "lock").value_or(0));
  };
  switch (step.verb) {
    case Verb::fork: {
      const NodeId name = get(node, "child");
      const auto child = named(name, tasks_, "task");
      if (child && scenario_.tasks[*child].parent != task_) {
        wrong(name, [&] {
          return fmt::format("{} does not name this task as its parent",
                             json_quote(scenario_.tasks[*child].name));
        });
      }
      return TaskArgs{TaskId(child.value_or(0)), 0};
    }
    case Verb::wait:
      return TaskArgs{task("task"), 0};
    case Verb::kill:
      return TaskArgs{task("task"), values_.flags(get(node, "signal"), signal_names)};
    case Verb::exit:
      return ExitArgs{values_.argument(get(node, "code")),
                      values_.truth(get(node, "thread"), false)};
    case Verb::sleep:
    case Verb::compute: {
      const NodeId length = get(node, "for");
      const Nanos duration(values_.duration(length));
      if (duration.v > longest_duration) {
        wrong(length, [] { return std::string("is longer than 31 years"); });
      }
      return DurationArgs{duration};
    }
    case Verb::repeat:
      return RepeatArgs{values_.size(get(node, "times"), 1), step_bodies_[task_.v][step_index_]};
    case Verb::lock:
      return LockArgs{
          lock("name"), lock("nest"), values_.word(get(node, "mode"), mode_words, LockMode::write),
          values_.truth(get(node, "try"), false), values_.truth(get(node, "recursive"), false)};
    case Verb::unlock:
    case Verb::downgrade:
    case Verb::init:
      return LockNameArgs{lock("name")};
    case Verb::might_alloc:
      return MightAllocArgs{values_.word(get(node, "gfp"), gfp_words, Gfp::kernel)};
    default:
      return NoArgs{};
  }
}

}  // namespace faultline
