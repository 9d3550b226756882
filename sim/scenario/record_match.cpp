// Compiling and testing matches. What text a field takes follows how it prints (trace/field_text).
#include "scenario/record_match.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/suggest.hpp"
#include "scenario/json_tree.hpp"
#include "trace/field_text.hpp"
#include "trace/names.hpp"

namespace faultline {
namespace {

using Kind = FieldTest::Kind;

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

std::optional<std::uint64_t> digits(std::string_view text, unsigned base) {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    const auto digit = static_cast<unsigned>(digit_of(c));
    if (digit >= base || value > (~0ULL - digit) / base) return std::nullopt;
    value = value * base + digit;
  }
  return value;
}

// "12", "-12", "0x1f".
std::optional<std::uint64_t> number(std::string_view text) {
  const bool minus = text.starts_with('-');
  if (minus) text.remove_prefix(1);
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const auto value = hex ? digits(text.substr(2), 16) : digits(text, 10);
  if (!value) return std::nullopt;
  return minus ? 0 - *value : *value;
}

// What the kernel's own names of such words begin with, and the print leaves out.
std::string_view kernel_prefix(FieldType type) {
  switch (type) {
    case FieldType::xfs_lock:
      return "XFS_";
    case FieldType::xfs_buf:
      return "XBF_";
    case FieldType::fault_flags:
      return "FAULT_FLAG_";
    case FieldType::vm_fault:
      return "VM_FAULT_";
    case FieldType::contention:
      return "LCB_F_";
    case FieldType::pfn_words:
      return "PFN_";
    case FieldType::iomap_map_612:
    case FieldType::iomap_map_71:
      return "IOMAP_F_";
    case FieldType::iomap_type:
    case FieldType::iomap_op_612:
    case FieldType::iomap_op_71:
      return "IOMAP_";
    default:
      return {};
  }
}

const NamedWord* named(std::span<const NamedWord> words, FieldType type, std::string_view text) {
  std::string_view bare = text;
  const auto prefix = kernel_prefix(type);
  if (bare.starts_with(prefix)) bare.remove_prefix(prefix.size());
  for (const NamedWord& word : words) {
    if (word.name == text || word.name == bare) return &word;
  }
  return nullptr;
}

std::string unknown(std::span<const NamedWord> words, std::string_view text) {
  std::vector<std::string_view> names;
  for (const NamedWord& word : words) names.push_back(word.name);
  return fmt::format("{} is no word of this field{}", json_quote(text), did_you_mean(text, names));
}

/// Turns the text of one field into a test; `error` says why not.
class FieldCompiler {
 public:
  FieldCompiler(FieldType type, std::string_view text) : text_(text) { test_.type = type; }

  bool compile();
  FieldTest take() { return std::move(test_); }
  std::string error;

 private:
  bool is_word(std::optional<std::uint64_t> value, std::string_view what);
  bool bare_hex(std::size_t full_length);
  bool device();
  bool truth(std::string_view yes, std::string_view no, std::uint64_t mask);
  bool flags(std::span<const NamedWord> words);
  bool value(std::span<const NamedWord> words);
  bool lock_mode();
  bool errno_word();
  bool as_text(Kind kind) {
    test_.kind = kind;
    test_.text = text_;
    return true;
  }

  std::string_view text_;
  FieldTest test_;
};

bool FieldCompiler::is_word(std::optional<std::uint64_t> value, std::string_view what) {
  if (!value) {
    error = fmt::format("{} is not {}", json_quote(text_), what);
    return false;
  }
  test_.kind = Kind::word;
  test_.a = *value;
  return true;
}

// A field of bare hex digits: as it prints or as a number. Digits alone may be either, unless there
// are as many as a full-length print has.
bool FieldCompiler::bare_hex(std::size_t full_length) {
  const auto as_number = number(text_);
  const auto as_printed = digits(text_, 16);
  if (!as_number || !as_printed || text_.size() == full_length) {
    return is_word(as_printed ? as_printed : as_number, "a number");
  }
  test_.kind = Kind::either;
  test_.a = *as_number;
  test_.b = *as_printed;
  return true;
}

bool FieldCompiler::device() {
  const auto colon = text_.find(':');
  if (colon == std::string_view::npos) return is_word(number(text_), "a device (\"259:0\")");
  const auto major = digits(text_.substr(0, colon), 10);
  const auto minor = digits(text_.substr(colon + 1), 10);
  const bool good = major && minor && *major <= 0xffffffff && *minor <= 0xfffff;
  return is_word(good ? std::optional((*major << 20) | *minor) : std::nullopt,
                 "a device (\"259:0\")");
}

bool FieldCompiler::truth(std::string_view yes, std::string_view no, std::uint64_t mask) {
  const auto as_number = number(text_);
  if (text_ != yes && text_ != no && (!as_number || *as_number > 1)) {
    error = fmt::format("{} is neither \"{}\" nor \"{}\"", json_quote(text_), yes, no);
    return false;
  }
  test_.kind = Kind::truth;
  test_.a = text_ == yes || as_number == 1;
  test_.b = mask;
  return true;
}

bool FieldCompiler::flags(std::span<const NamedWord> words) {
  std::uint64_t bits = 0;
  for (std::string_view rest = text_; !rest.empty();) {
    const auto word = rest.substr(0, rest.find('|'));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    if (const NamedWord* known = named(words, test_.type, word)) {
      bits |= known->value;
    } else if (const auto plain = number(word)) {
      bits |= *plain;
    } else {
      error = unknown(words, word);
      return false;
    }
  }
  return is_word(bits, "");
}

bool FieldCompiler::value(std::span<const NamedWord> words) {
  if (const NamedWord* known = named(words, test_.type, text_)) return is_word(known->value, "");
  if (const auto plain = number(text_)) return is_word(plain, "");
  error = unknown(words, text_);
  return false;
}

bool FieldCompiler::lock_mode() {
  std::uint64_t mode = 0;
  for (std::string_view rest = text_; !rest.empty();) {
    const auto word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    if (word == "try") mode |= 1;
    if (word == "read") mode |= 2;
    if (word != "try" && word != "read") return is_word(number(text_), "\"try\", \"read\" or both");
  }
  return is_word(mode, "");
}

bool FieldCompiler::errno_word() {
  const auto known = errno_number(text_);
  return is_word(known != 0 ? std::optional(known) : number(text_), "an errno");
}

bool FieldCompiler::compile() {
  switch (test_.type) {
    case FieldType::sym:
    case FieldType::ksym:
      return as_text(Kind::symbol);
    case FieldType::ip:
      return number(text_) ? is_word(number(text_), "") : as_text(Kind::ip_symbol);
    case FieldType::memcg:
      return number(text_) ? is_word(number(text_), "") : as_text(Kind::printed);
    case FieldType::ret_value:
      if (!number(text_)) return as_text(Kind::printed);
      is_word(number(text_), "");
      test_.kind = Kind::ret_number;
      return true;
    case FieldType::xhex:
      return bare_hex(~std::size_t{0});
    case FieldType::ptr:
      return bare_hex(16);
    case FieldType::dev:
      return device();
    case FieldType::boolean:
      return truth("true", "false", ~0ULL);
    case FieldType::vm_shared:
      return truth("shared", "private", 8);
    case FieldType::rw_word:
      return truth("write", "read", ~0ULL);
    case FieldType::xfs_queue:
      return truth("active", "empty", ~0ULL);
    case FieldType::lock_mode:
      return lock_mode();
    case FieldType::errno_name:
      return errno_word();
    default:
      break;
  }
  if (const auto words = flag_words(test_.type); !words.empty()) return flags(words);
  if (const auto words = value_words(test_.type); !words.empty()) return value(words);
  return is_word(number(text_), "a number");
}

// The word that `name` names in this family's print, or, if that leaves the field out, in the
// default one: the record holds it all the same.
const Field* find_field(const Format& format, const EventInfo& info, std::string_view name,
                        std::uint8_t& arg) {
  for (arg = 0; arg < info.n_fields; ++arg) {
    if (format.fields[arg].name == name) return &format.fields[arg];
  }
  for (arg = 0; arg < info.n_fields; ++arg) {
    if (info.fields[arg].name == name) return &info.fields[arg];
  }
  return nullptr;
}

MatchError unknown_field(const EventInfo& info, const std::string& name) {
  std::vector<std::string_view> names;
  for (const Field& field : info.fields) {
    if (field.type != FieldType::ret_kind) names.push_back(field.name);
  }
  return {name, fmt::format("{} has no field {}{}", info.name, json_quote(name),
                            did_you_mean(name, names))};
}

bool prints_as(const FieldTest& test, const Record& record) {
  std::array<char, max_field_text + 16> text;
  const std::uint64_t previous = test.arg > 0 ? record.arg[test.arg - 1u] : 0;
  char* end = put_field(text.data(), test.type, record.arg[test.arg], previous);
  std::string_view printed(text.data(), static_cast<std::size_t>(end - text.data()));
  if (printed.starts_with(" = ")) printed.remove_prefix(3);
  return printed == test.text;
}

bool passes(const FieldTest& test, const Record& record, const SymbolTable& symbols) {
  const std::uint64_t word = record.arg[test.arg];
  switch (test.kind) {
    case Kind::word:
      return word == test.a;
    case Kind::either:
      return word == test.a || word == test.b;
    case Kind::truth:
      return ((word & test.b) != 0) == (test.a != 0);
    case Kind::ip_symbol:
      if ((word & ip_symbol_bit) == 0) return false;
      [[fallthrough]];
    case Kind::symbol:
      return symbols.text(SymbolId(static_cast<std::uint32_t>(word))) == test.text;
    case Kind::ret_number:
      return word == test.a &&
             record.arg[test.arg - 1u] != static_cast<std::uint64_t>(RetKind::none);
    case Kind::printed:
      return prints_as(test, record);
  }
  return false;
}

}  // namespace

bool CompiledMatch::matches(const Record& record, const SymbolTable& symbols) const {
  if (record.event != event_ || (task_ && record.task != *task_)) return false;
  for (const FieldTest& test : fields_) {
    if (!passes(test, record, symbols)) return false;
  }
  return true;
}

std::variant<CompiledMatch, MatchError> compile_match(const RecordMatch& match, Family family) {
  const auto event = catalogue::find(match.event);
  if (!event) {
    std::vector<std::string_view> names;
    for (const auto& row : catalogue::rows) names.emplace_back(row.name);
    return MatchError{"", fmt::format("unknown event {}{}", json_quote(match.event),
                                      did_you_mean(match.event, names))};
  }
  const EventInfo& info = catalogue::info(*event);
  const Format& format = catalogue::format(*event, family);
  CompiledMatch compiled;
  compiled.event_ = *event;
  compiled.task_ = match.task;
  for (const auto& [name, text] : match.where) {
    std::uint8_t arg = 0;
    const Field* field = find_field(format, info, name, arg);
    if (field == nullptr || field->type == FieldType::ret_kind) return unknown_field(info, name);
    FieldCompiler compiler(field->type, text);
    if (!compiler.compile()) return MatchError{name, compiler.error};
    FieldTest test = compiler.take();
    test.arg = arg;
    compiled.fields_.push_back(std::move(test));
  }
  return compiled;
}

}  // namespace faultline
