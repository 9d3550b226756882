// Parsing and printing of sizes and durations, by hand because strtoull takes signs, spaces and
// locales, and because overflow must be told from a typing mistake.
#include "base/units.hpp"

#include <array>

#include <fmt/format.h>

namespace faultline {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array<Unit, 8> size_units = {{
    {"", 1},
    {"B", 1},
    {"KiB", 1ULL << 10},
    {"MiB", 1ULL << 20},
    {"GiB", 1ULL << 30},
    {"TiB", 1ULL << 40},
    {"PiB", 1ULL << 50},
    {"EiB", 1ULL << 60},
}};
constexpr std::array<Unit, 5> time_units = {{
    {"", 1},
    {"ns", 1},
    {"us", 1'000},
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
}};

Quantity good(std::uint64_t value) { return {value, {}}; }
Quantity bad(UnitError error) { return {std::nullopt, error}; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Quantity parse_hex(std::string_view digits) {
  if (digits.empty()) return bad(UnitError::malformed);
  std::uint64_t value = 0;
  for (const char c : digits) {
    const int digit = hex_digit(c);
    if (digit < 0) return bad(UnitError::malformed);
    if (value >> 60 != 0) return bad(UnitError::too_large);
    value = value << 4 | static_cast<std::uint64_t>(digit);
  }
  return good(value);
}

/// Takes the digits off the front of `text`. Stops with too_large beyond 2^64 - 1.
Quantity take_digits(std::string_view& text) {
  if (text.empty() || !is_digit(text.front())) return bad(UnitError::malformed);
  std::uint64_t value = 0;
  bool overflow = false;
  while (!text.empty() && is_digit(text.front())) {
    const auto digit = static_cast<std::uint64_t>(text.front() - '0');
    overflow = overflow || __builtin_mul_overflow(value, 10, &value) ||
               __builtin_add_overflow(value, digit, &value);
    text.remove_prefix(1);
  }
  return overflow ? bad(UnitError::too_large) : good(value);
}

template <std::size_t N>
std::optional<std::uint64_t> factor_of(const std::array<Unit, N>& units, std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return unit.factor;
  }
  return std::nullopt;
}

/// Only letters may stand where a unit stands; anything else is a malformed number.
UnitError unit_error(std::string_view unit) {
  for (const char c : unit) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter) return UnitError::malformed;
  }
  return UnitError::unknown_unit;
}

Quantity scaled(std::uint64_t value, std::uint64_t factor) {
  std::uint64_t result = 0;
  if (__builtin_mul_overflow(value, factor, &result)) return bad(UnitError::too_large);
  return good(result);
}

/// The fraction's part of a duration: `digits` after the point, in units of `factor` ns.
Quantity fraction(std::string_view digits, std::uint64_t factor) {
  while (!digits.empty() && digits.back() == '0') digits.remove_suffix(1);
  std::uint64_t result = 0;
  for (const char c : digits) {
    if (factor % 10 != 0) return bad(UnitError::not_whole);
    factor /= 10;
    result += factor * static_cast<std::uint64_t>(c - '0');
  }
  return good(result);
}

}  // namespace

Quantity parse_size(std::string_view text) {
  if (text.substr(0, 2) == "0x" || text.substr(0, 2) == "0X") return parse_hex(text.substr(2));
  const Quantity number = take_digits(text);
  if (!number.value && number.error == UnitError::malformed) return number;
  const std::optional<std::uint64_t> factor = factor_of(size_units, text);
  if (!factor) return bad(unit_error(text));
  if (!number.value) return number;
  return scaled(*number.value, *factor);
}

Quantity parse_signed_size(std::string_view text) {
  if (text.empty() || text.front() != '-') return parse_size(text);
  const Quantity size = parse_size(text.substr(1));
  if (!size.value) return size;
  if (*size.value > 1ULL << 63) return bad(UnitError::too_large);
  return good(0 - *size.value);
}

Quantity parse_duration(std::string_view text) {
  const Quantity number = take_digits(text);
  if (!number.value && number.error == UnitError::malformed) return number;
  std::string_view digits;
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    digits = text;
    while (!text.empty() && is_digit(text.front())) text.remove_prefix(1);
    digits.remove_suffix(text.size());
    if (digits.empty()) return bad(UnitError::malformed);
  }
  const std::optional<std::uint64_t> factor = factor_of(time_units, text);
  if (!factor) return bad(unit_error(text));
  if (!number.value) return number;
  const Quantity whole = scaled(*number.value, *factor);
  if (!whole.value) return whole;
  const Quantity part = fraction(digits, *factor);
  if (!part.value) return part;
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(*whole.value, *part.value, &sum)) return bad(UnitError::too_large);
  return good(sum);
}

std::string explain(UnitError error, std::string_view kind) {
  const bool size = kind == "size";
  const std::string_view units = size ? "B, KiB, MiB, GiB, TiB, PiB or EiB" : "ns, us, ms or s";
  switch (error) {
    case UnitError::malformed:
      return fmt::format("is not a {}: write {}", kind,
                         size ? "bytes, \"4KiB\" or \"0x1000\"" : "ns or \"2.5us\"");
    case UnitError::unknown_unit:
      return fmt::format("has an unknown unit: write {}", units);
    case UnitError::too_large:
      return "does not fit in 64 bits";
    case UnitError::not_whole:
      return "is not a whole number of nanoseconds";
  }
  return {};
}

std::string size_text(std::uint64_t bytes) {
  for (std::size_t i = size_units.size() - 1; i >= 2; --i) {
    const Unit& unit = size_units[i];
    if (bytes >= unit.factor && bytes % unit.factor == 0) {
      return fmt::format("{}{}", bytes / unit.factor, unit.name);
    }
  }
  return fmt::format("{}", bytes);
}

}  // namespace faultline
