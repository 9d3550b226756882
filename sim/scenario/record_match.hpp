// "A record of this event, with these fields, of this task", compiled against the catalogue so that
// a record costs a few integer comparisons. Words and numbers of the scenario become the words of
// the record once; only symbols, and the few fields whose print depends on others, compare as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <faultline/scenario.hpp>

#include "trace/record.hpp"
#include "trace/symbols.hpp"

namespace faultline {

/// Why a RecordMatch cannot be compiled: a sentence without its full stop, hint included.
struct MatchError {
  std::string field;  ///< key of `where` that is wrong; "" when it is the event
  std::string what;
};

/// One field that a record must have.
struct FieldTest {
  enum class Kind : std::uint8_t {
    word,        ///< the word is `a`
    either,      ///< the word is `a` or `b`
    truth,       ///< the word has bits of `b` if `a`, and none if not
    symbol,      ///< the symbol reads `text`
    ip_symbol,   ///< the word is code whose symbol reads `text`
    ret_number,  ///< something was returned, and it is `a`
    printed,     ///< the field prints as `text`
  };
  Kind kind = Kind::word;
  FieldType type = FieldType::dec;
  std::uint8_t arg = 0;  ///< index of the record's word
  std::uint64_t a = 0, b = 0;
  std::string text{};
};

/// A compiled RecordMatch.
class CompiledMatch {
 public:
  Event event() const { return event_; }
  bool matches(const Record& record, const SymbolTable& symbols) const;

 private:
  friend std::variant<CompiledMatch, MatchError> compile_match(const RecordMatch&, Family);
  Event event_{};
  std::optional<TaskId> task_;
  std::vector<FieldTest> fields_;
};

/// Compiles `match` for the formats of `family`. Numbers are decimal or 0x, whatever base the field
/// prints in; a field that prints bare hex digits also takes them so; flags are the words it prints
/// joined by `|`, in any order, with or without the kernel's prefix, and must be all of them.
std::variant<CompiledMatch, MatchError> compile_match(const RecordMatch& match, Family family);

}  // namespace faultline
