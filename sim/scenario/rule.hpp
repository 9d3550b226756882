// The grammar of scenarios as data. A Rule says what a JSON value may be; the loader checks
// documents against the rules (check_shape) and the published JSON Schema is printed from the same
// rules (schema_text), so the two cannot disagree about a key. What a schema cannot say (names that
// must exist, ranges that must not overlap) is checked where the data is read.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/flags.hpp"

namespace faultline {

enum class RuleKind : std::uint8_t {
  text,       // any string; not an empty one if `min` is 1
  ident,      // [A-Za-z_][A-Za-z0-9_-]*: tasks and steps
  step,       // TASK.STEP
  step_name,  // STEP or TASK.STEP
  boolean,
  null,
  integer,     // min..max
  size,        // declared size: an integer from 0 or "4KiB"
  argument,    // any 64-bit value: an integer, "0x1000", "-4KiB"
  duration,    // an integer of ns from 0 or "2.5us"
  mode,        // an octal string "0644"
  word,        // one of `words`
  flag,        // a word of `table`, either spelling
  errno_word,  // the name of an error
  code_word,   // the name of a si_code
  address,     // STEP, TASK.STEP, with an offset; or as argument
  object,      // `fields`
  map,         // an object with free keys (`key` is their rule), values of `item`
  list,        // of `item`, at least `min` of them
  either       // one of `options`
};

struct Rule;

/// `choice`: exactly one of an object's choice fields must be there.
enum class Need : std::uint8_t { optional, required, choice };

struct RuleField {
  std::string_view key;
  const Rule* rule;
  Need need = Need::optional;
  std::string_view support{};  ///< "" or the sort under which support.hpp lists it
  std::string_view doc{};
};

struct Rule {
  RuleKind kind;
  std::string_view what;    ///< "a size", for messages
  std::string_view name{};  ///< its name among the schema's definitions; "" inline
  std::span<const RuleField> fields{};
  std::span<const std::string_view> words{};
  std::string_view support{};  ///< of words: the sort in support.hpp
  const FlagTable* table = nullptr;
  const Rule* item = nullptr;
  const Rule* key = nullptr;
  std::span<const Rule* const> options{};
  std::int64_t min = 0;
  std::uint64_t max = ~0ULL;
};

// ---- the pieces the grammar files share -------------------------------------------------------

extern const Rule text_rule, ident_rule, step_ref_rule, boolean_rule, null_rule, count_rule;
extern const Rule size_rule, argument_rule, duration_rule, mode_rule, address_rule, fd_rule;
extern const Rule errno_rule, code_rule, empty_object_rule, text_list_rule, ident_list_rule;
extern const Rule open_flags_rule, prot_flags_rule, map_flags_rule, mremap_flags_rule;
extern const Rule vma_flags_rule;
extern const Rule msync_flags_rule, fallocate_mode_rule, fsxattr_flags_rule, vm_fault_rule;
extern const Rule advice_rule, fadvise_advice_rule, fcntl_command_rule, fcntl_arg_rule, uid_rule,
    signal_rule, signal_key_rule;
extern const Rule kill_signal_rule;
extern const Rule capability_rule, rlimit_key_rule, preset_rule, extent_state_rule;

extern const Rule devices_rule;      // grammar_files.cpp
extern const Rule char_device_rule;  // grammar_drivers.cpp
extern const Rule filesystems_rule;
extern const Rule files_rule;
extern const Rule steps_rule;  // grammar_steps.cpp
extern const Rule step_rule;
extern const Rule expectations_rule;  // grammar_expectations.cpp
extern const Rule step_expectation_rule;
extern const Rule scenario_rule;  // grammar.cpp: the whole document

/// The field of an object rule with this key, or nullptr.
const RuleField* find_field(const Rule& rule, std::string_view key);

}  // namespace faultline
