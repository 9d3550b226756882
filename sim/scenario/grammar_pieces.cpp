// The rules that several parts of the grammar share: quantities, names, words, flag lists.
#include <cstdint>

#include "scenario/rule.hpp"

namespace faultline {
namespace {

using enum RuleKind;

constexpr Rule list_of(std::string_view what, const Rule& item) {
  return {.kind = list, .what = what, .item = &item};
}

constexpr Rule one_of(std::string_view what, std::string_view name,
                      std::span<const Rule* const> options) {
  return {.kind = either, .what = what, .name = name, .options = options};
}

constexpr Rule flag_of(std::string_view what, std::string_view name, const FlagTable& table) {
  return {.kind = flag, .what = what, .name = name, .table = &table};
}

constexpr Rule any_integer{.kind = integer, .what = "an integer", .min = INT64_MIN};
constexpr Rule none_word_signal{.kind = null, .what = "null"};

/// The rules of one flag argument: a list of words and integers, OR-ed; one alone needs no list.
template <const FlagTable& Table>
struct Flags {
  static constexpr Rule word{.kind = flag, .what = "a flag", .table = &Table};
  static constexpr const Rule* item_options[] = {&word, &argument_rule};
  static constexpr Rule item{
      .kind = either, .what = "a flag or an integer", .options = item_options};
  static constexpr Rule flags{.kind = list, .what = "a list of flags", .item = &item};
  static constexpr const Rule* options[] = {&flags, &word, &argument_rule};
};

template <const FlagTable& Table>
constexpr Rule flags_of(std::string_view name) {
  return one_of("a list of flags (words and integers)", name, Flags<Table>::options);
}

/// One word of a table, or a number in its place.
template <const FlagTable& Table>
constexpr Rule word_of(std::string_view what, std::string_view name) {
  return one_of(what, name, Flags<Table>::item_options);
}

constexpr std::string_view preset_words[] = {"x86-dram", "x86-optane", "x86-cxl"};
constexpr std::string_view extent_states[] = {"written", "unwritten", "delalloc"};

constexpr Rule errno_name_rule{.kind = errno_word, .what = "the name of an error"};
constexpr Rule errno_number_rule{.kind = integer, .what = "0", .min = 0, .max = 4095};
constexpr const Rule* errno_options[] = {&errno_name_rule, &errno_number_rule};
constexpr Rule signal_word = flag_of("the name of a signal", "", signal_names);
constexpr const Rule* signal_options[] = {&signal_word, &none_word_signal};
constexpr Rule fd_number = any_integer;
constexpr Rule fd_step{.kind = step_name, .what = "a step", .name = "step_name"};
constexpr const Rule* fd_options[] = {&fd_step, &fd_number};
constexpr Rule capability_word = flag_of("a capability", "", capability_names);
constexpr Rule vm_fault_word = flag_of("a VM_FAULT_ word", "", vm_fault_bits);

}  // namespace

constexpr Rule text_rule{.kind = text, .what = "a string that is not empty", .min = 1};
constexpr Rule ident_rule{.kind = ident,
                          .what = "a name of letters, digits, _ and - (not first a digit)",
                          .name = "ident"};
constexpr Rule step_ref_rule{.kind = step, .what = "a step, as \"TASK.STEP\"", .name = "step_ref"};
constexpr Rule boolean_rule{.kind = boolean, .what = "true or false"};
constexpr Rule null_rule{.kind = null, .what = "null"};
constexpr Rule count_rule{.kind = integer, .what = "a number of 0 or more"};
constexpr Rule size_rule{
    .kind = size, .what = "a size (bytes, \"4KiB\" or \"0x1000\")", .name = "size"};
constexpr Rule argument_rule{
    .kind = argument, .what = "a number (an integer, \"4KiB\" or \"0x1000\")", .name = "argument"};
constexpr Rule duration_rule{
    .kind = duration, .what = "a duration (ns or \"2.5us\")", .name = "duration"};
constexpr Rule mode_rule{.kind = mode, .what = "an octal mode (\"0644\")"};
constexpr Rule address_rule{.kind = address,
                            .what = "an address (STEP, STEP+4KiB, TASK.STEP or \"0x...\")",
                            .name = "address"};
constexpr Rule fd_rule =
    one_of("a file descriptor (a step that opens, or an integer)", "fd", fd_options);
constexpr Rule errno_rule = one_of("an error name or 0", "errno", errno_options);
constexpr Rule code_rule{.kind = code_word, .what = "a si_code (\"BUS_ADRERR\")"};
constexpr Rule uid_rule{.kind = integer, .what = "the number of a user", .min = 0, .max = 65535};
constexpr Rule empty_object_rule{.kind = object, .what = "an empty object"};
constexpr Rule text_list_rule = list_of("a list of strings", text_rule);
constexpr Rule ident_list_rule = list_of("a list of names", ident_rule);

constexpr Rule open_flags_rule = flags_of<open_flags>("open_flags");
constexpr Rule prot_flags_rule = flags_of<prot_flags>("prot_flags");
constexpr Rule map_flags_rule = flags_of<map_flags>("map_flags");
constexpr Rule mremap_flags_rule = flags_of<mremap_flags>("mremap_flags");
constexpr Rule msync_flags_rule = flags_of<msync_flags>("msync_flags");
constexpr Rule fallocate_mode_rule = flags_of<fallocate_modes>("fallocate_mode");
constexpr Rule fsxattr_flags_rule = flags_of<fsxattr_flags>("fsxattr_flags");
constexpr Rule vma_flags_rule = flags_of<vma_flags>("vma_flags");
constexpr Rule vm_fault_rule = list_of("a list of VM_FAULT_ words", vm_fault_word);
constexpr Rule advice_rule = word_of<madvise_words>("an advice or a number", "advice");
constexpr Rule kill_signal_rule = word_of<signal_names>("a signal or a number", "kill_signal");
constexpr Rule fadvise_advice_rule =
    word_of<fadvise_words>("an advice or a number", "fadvise_advice");
constexpr Rule fcntl_command_rule =
    word_of<fcntl_commands>("a command of fcntl or a number", "fcntl_command");
constexpr Rule fcntl_arg_rule = word_of<fcntl_args>("the kind of a lease or a number", "fcntl_arg");
constexpr Rule signal_rule = one_of("the name of a signal, or null", "signal", signal_options);
constexpr Rule signal_key_rule = signal_word;
constexpr Rule capability_rule = capability_word;
constexpr Rule rlimit_key_rule = flag_of("an RLIMIT_ name", "", rlimit_names);
constexpr Rule preset_rule{.kind = word, .what = "a cost preset", .words = preset_words};
constexpr Rule extent_state_rule{.kind = word,
                                 .what = "the state of an extent",
                                 .words = extent_states,
                                 .support = "extent state"};

const RuleField* find_field(const Rule& rule, std::string_view key) {
  for (const RuleField& field : rule.fields) {
    if (field.key == key) return &field;
  }
  return nullptr;
}

}  // namespace faultline
