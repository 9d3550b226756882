// A small recursive-descent matcher over a Format's steps; never looks behind the end of the body.
#include "trace/field_parser.hpp"

#include <optional>

#include "trace/names.hpp"

namespace faultline {
namespace {

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// What is left of the body.
struct Cursor {
  std::string_view rest;

  bool eat(std::string_view text) {
    if (!rest.starts_with(text)) return false;
    rest.remove_prefix(text.size());
    return true;
  }
  std::string_view take(std::size_t n) {
    const auto text = rest.substr(0, n);
    rest.remove_prefix(text.size());
    return text;
  }
};

// Digits of a base up to 64 bits; nothing when there are none or too many.
std::optional<std::uint64_t> number(Cursor& in, unsigned base) {
  std::uint64_t v = 0;
  std::size_t n = 0;
  for (; n < in.rest.size(); ++n) {
    const int digit = hex_digit(in.rest[n]);
    if (digit < 0 || static_cast<unsigned>(digit) >= base) break;
    if (v > (~0ULL - static_cast<unsigned>(digit)) / base) return std::nullopt;
    v = v * base + static_cast<unsigned>(digit);
  }
  if (n == 0) return std::nullopt;
  in.take(n);
  return v;
}

std::optional<std::uint64_t> signed_number(Cursor& in) {
  const bool minus = in.eat("-");
  const auto v = number(in, 10);
  if (!v) return std::nullopt;
  return minus ? 0 - *v : *v;
}

std::optional<std::uint64_t> hex_number(Cursor& in) {
  if (!in.eat("0x")) return std::nullopt;
  return number(in, 16);
}

std::optional<std::uint64_t> pointer(Cursor& in) {
  if (in.eat("(____ptrval____)") || in.eat("(null)") || in.eat("(nil)")) return 0;
  in.eat("0x");  // trace-cmd and perf print it, the kernel does not
  return number(in, 16);
}

std::optional<std::uint64_t> device(Cursor& in) {
  const auto major = number(in, 10);
  if (!major || *major > 0xffffffff || !in.eat(":")) return std::nullopt;
  const auto minor = number(in, 10);
  if (!minor || *minor > 0xfffff) return std::nullopt;
  return make_dev(static_cast<std::uint32_t>(*major), static_cast<std::uint32_t>(*minor));
}

std::optional<std::uint64_t> either(Cursor& in, std::string_view one, std::uint64_t value_one,
                                    std::string_view other) {
  if (in.eat(one)) return value_one;
  if (in.eat(other)) return 0;
  return std::nullopt;
}

// WORD|WORD|0x..., or nothing at all.
std::optional<std::uint64_t> flag_list(Cursor& in, FieldType type) {
  std::uint64_t bits = 0;
  for (;;) {
    std::size_t n = 0;
    while (n < in.rest.size() && is_word(in.rest[n])) ++n;
    if (n == 0) return bits == 0 ? std::optional<std::uint64_t>(0) : std::nullopt;
    if (in.rest.starts_with("0x")) {
      const auto more = hex_number(in);
      if (!more) return std::nullopt;
      bits |= *more;
    } else {
      const auto name = in.take(n);
      std::uint64_t bit = 0;
      for (const auto& word : flag_words(type)) {
        if (word.name == name) bit = word.value;
      }
      if (bit == 0) return std::nullopt;
      bits |= bit;
    }
    if (!in.eat("|")) return bits;
  }
}

std::optional<std::uint64_t> value_word(Cursor& in, FieldType type) {
  const NamedWord* best = nullptr;
  for (const auto& word : value_words(type)) {
    if (!in.rest.starts_with(word.name)) continue;
    if (best == nullptr || word.name.size() > best->name.size()) best = &word;
  }
  if (best == nullptr) return hex_number(in);
  in.take(best->name.size());
  return best->value;
}

std::optional<std::uint64_t> errno_field(Cursor& in) {
  std::size_t n = 0;
  while (n < in.rest.size() && is_word(in.rest[n])) ++n;
  const auto known = errno_number(in.rest.substr(0, n));
  if (known == 0) return number(in, 10);
  in.take(n);
  return known;
}

std::uint64_t lock_mode(Cursor& in) {
  std::uint64_t flags = 0;
  if (in.eat("try ")) flags |= 1;
  if (in.eat("read ")) flags |= 2;
  return flags;
}

std::optional<std::uint64_t> memcg(std::string_view path) {
  if (path.empty()) return 0;
  if (path == "/") return 1;
  Cursor digits{path.substr(1)};
  const auto id = number(digits, 10);
  return id && digits.rest.empty() ? *id : ~0ULL;  // a real kernel's path: the text is the value
}

struct Ret {
  RetKind kind;
  std::uint64_t value;
};

// 16 hex digits that no decimal number looks like.
bool looks_like_pointer(std::string_view text) {
  if (text.size() != 16 || text[1] == 'x') return false;
  bool letter = text[0] == '0';
  for (const char c : text) {
    if (hex_digit(c) < 0) return false;
    letter |= hex_digit(c) > 9;
  }
  return letter;
}

// The rest of a sim_ret. Its kind is seen from its looks.
std::optional<Ret> ret_value(Cursor& in) {
  if (in.rest.empty()) return Ret{RetKind::none, 0};
  if (!in.eat(" = ")) return std::nullopt;
  const auto text = in.rest;
  std::optional<std::uint64_t> value;
  RetKind kind = RetKind::integer;
  if (text == "true" || text == "false") {
    return Ret{RetKind::boolean, in.take(text.size()).size() == 4 ? 1ULL : 0ULL};
  }
  if (text.starts_with("-E")) {
    in.take(1);
    kind = RetKind::errno_;
    value = errno_number(in.take(in.rest.size()));
    if (*value == 0) return std::nullopt;
    value = 0 - *value;
  } else if (looks_like_pointer(text)) {
    kind = RetKind::pointer;
    value = number(in, 16);
  } else if (text[0] == '-' || hex_digit(text[0]) >= 0) {
    kind = text.starts_with("0x") ? RetKind::hex : RetKind::integer;
    value = kind == RetKind::hex ? hex_number(in) : signed_number(in);
  }
  if (!value || !in.rest.empty()) {
    in.rest = text;
    kind = RetKind::vm_fault;
    value = flag_list(in, FieldType::vm_fault);
  }
  if (!value || !in.rest.empty()) return std::nullopt;
  return Ret{kind, *value};
}

/// Matches one format against one body.
class Matcher {
 public:
  Matcher(const Format& format, std::size_t name_length, std::string_view body, FieldList& out)
      : format_(format), skip_(name_length + 2), in_{body}, out_(out) {}

  bool run() {
    for (at_ = 0; at_ < format_.n_ops; ++at_) {
      const FormatOp& op = format_.ops[at_];
      if (op.type == FieldType::literal ? !literal() : !field(op)) return false;
    }
    for (const char c : in_.rest) {
      if (c != ' ') return false;
    }
    return true;
  }

 private:
  // Text of the literal step `i`; the first one begins with the event's name, which is no body.
  std::string_view literal_text(std::size_t i) const {
    const FormatOp& op = format_.ops[i];
    std::string_view text(format_.text.data() + op.offset, op.length);
    if (i == 0) text.remove_prefix(skip_);
    return text;
  }

  bool literal() {
    auto text = literal_text(at_);
    if (in_.eat(text)) return true;
    // Editors and mail strip spaces at the end of a line; what follows can then only be empty.
    while (text.ends_with(' ')) text.remove_suffix(1);
    return in_.rest == text && in_.eat(text);
  }

  // How far a symbol goes: to the next literal, or to the end.
  std::string_view symbol() {
    if (at_ + 1u == format_.n_ops) return in_.take(in_.rest.size());
    const bool ret = format_.ops[at_ + 1].type == FieldType::ret_kind;
    const auto stop = ret ? std::string_view(" = ") : literal_text(at_ + 1);
    return in_.take(in_.rest.find(stop));
  }

  bool field(const FormatOp& op) {
    const auto before = in_.rest;
    std::optional<std::uint64_t> value;
    switch (op.type) {
      case FieldType::sym:
        return set(op, 0, symbol());
      case FieldType::ksym:
        return set(op, 0, bare_symbol(symbol()));
      case FieldType::ip:
        return ip(op);
      case FieldType::memcg: {
        const auto text = symbol();
        return set(op, *memcg(text), text);
      }
      case FieldType::ret_kind:
        return true;  // set together with the value
      case FieldType::ret_value: {
        const auto ret = ret_value(in_);
        if (!ret) return false;
        put(op.arg - 1u, FieldType::ret_kind, static_cast<std::uint64_t>(ret->kind), {});
        auto text = before;
        if (text.starts_with(" = ")) text.remove_prefix(3);
        return set(op, ret->value, text);
      }
      default:
        value = plain(op.type);
    }
    if (!value) return false;
    return set(op, *value, before.substr(0, before.size() - in_.rest.size()));
  }

  bool ip(const FormatOp& op) {
    const auto text = symbol();
    Cursor digits{text};
    const auto address = hex_number(digits);
    if (address && digits.rest.empty()) return set(op, *address, text);
    return set(op, ip_symbol_bit, bare_symbol(text));
  }

  std::optional<std::uint64_t> plain(FieldType type) {
    switch (type) {
      case FieldType::dec:
      case FieldType::dec3:
      case FieldType::sdec:
        return signed_number(in_);
      case FieldType::hex:
        return hex_number(in_);
      case FieldType::xhex:
        return number(in_, 16);
      case FieldType::ptr:
        return pointer(in_);
      case FieldType::dev:
        return device(in_);
      case FieldType::boolean:
        return either(in_, "true", 1, "false");
      case FieldType::vm_shared:
        return either(in_, "shared", 8, "private");
      case FieldType::rw_word:
        return either(in_, "write", 1, "read");
      case FieldType::xfs_queue:
        return either(in_, "active", 1, "empty");
      case FieldType::lock_mode:
        return lock_mode(in_);
      case FieldType::errno_name:
        return errno_field(in_);
      default:
        break;
    }
    return value_words(type).empty() ? flag_list(in_, type) : value_word(in_, type);
  }

  void put(std::size_t slot, FieldType type, std::uint64_t value, std::string_view text) {
    // Words this format does not print lie between: they get no name.
    while (out_.n <= slot) out_.values[out_.n++] = {};
    out_.values[slot] = {format_.fields[slot].name, type, value, text};
  }

  // A field printed twice must say the same twice; unnamed bits make words and hex differ in looks.
  bool set(const FormatOp& op, std::uint64_t value, std::string_view text) {
    const bool again = op.arg < out_.n && !out_.values[op.arg].name.empty();
    if (again) return out_.values[op.arg].value == value;
    put(op.arg, op.type, value, text);
    return true;
  }

  const Format& format_;
  std::size_t skip_;
  Cursor in_;
  FieldList& out_;
  std::size_t at_ = 0;
};

}  // namespace

std::string_view bare_symbol(std::string_view text) {
  text = text.substr(0, text.find(" ["));
  return text.substr(0, text.find("+0x"));
}

bool parse_fields(const Format& format, std::size_t name_length, std::string_view body,
                  FieldList& out) {
  out.n = 0;
  return Matcher(format, name_length, body, out).run();
}

}  // namespace faultline
