// Sizes and durations: examples, and random ones against arithmetic in 128 bits.
#include <string>

#include "base/rng.hpp"
#include "base/units.hpp"
#include "catch.hpp"

using namespace faultline;

namespace {

using Wide = unsigned __int128;
constexpr Wide limit = static_cast<Wide>(~0ULL);

std::optional<UnitError> error_of(const Quantity& quantity) {
  return quantity.value ? std::nullopt : std::optional(quantity.error);
}

struct Unit {
  const char* name;
  std::uint64_t factor;
};

}  // namespace

TEST_CASE("sizes") {
  CHECK(parse_size("0").value == 0U);
  CHECK(parse_size("4096").value == 4096U);
  CHECK(parse_size("4KiB").value == 4096U);
  CHECK(parse_size("7B").value == 7U);
  CHECK(parse_size("0x1000").value == 4096U);
  CHECK(parse_size("0XfF").value == 255U);
  CHECK(parse_size("18446744073709551615").value == ~0ULL);
  CHECK(parse_size("0xffffffffffffffff").value == ~0ULL);
  CHECK(parse_size("15EiB").value == 15ULL << 60);
  CHECK(error_of(parse_size("16EiB")) == UnitError::too_large);
  CHECK(error_of(parse_size("18446744073709551616")) == UnitError::too_large);
  CHECK(error_of(parse_size("0x10000000000000000")) == UnitError::too_large);
  CHECK(error_of(parse_size("4KB")) == UnitError::unknown_unit);
  CHECK(error_of(parse_size("4kib")) == UnitError::unknown_unit);
  CHECK(error_of(parse_size("18446744073709551616KB")) == UnitError::unknown_unit);
  for (const char* text :
       {"", "KiB", "-1", "+1", " 1", "1 ", "1.5KiB", "0x", "0xg", "4 KiB", "1_0"}) {
    CAPTURE(text);
    CHECK(error_of(parse_size(text)) == UnitError::malformed);
  }
}

TEST_CASE("signed sizes wrap to two's complement") {
  CHECK(parse_signed_size("-1").value == ~0ULL);
  CHECK(parse_signed_size("-4KiB").value == 0ULL - 4096);
  CHECK(parse_signed_size("-0x8000000000000000").value == 1ULL << 63);
  CHECK(parse_signed_size("12").value == 12U);
  CHECK(error_of(parse_signed_size("-0x8000000000000001")) == UnitError::too_large);
  CHECK(error_of(parse_signed_size("--1")) == UnitError::malformed);
  CHECK(error_of(parse_signed_size("-")) == UnitError::malformed);
}

TEST_CASE("durations are exact") {
  CHECK(parse_duration("250").value == 250U);
  CHECK(parse_duration("2.5us").value == 2500U);
  CHECK(parse_duration("4ms").value == 4'000'000U);
  CHECK(parse_duration("1.000000001s").value == 1'000'000'001U);
  CHECK(parse_duration("1.50000000000000000000s").value == 1'500'000'000U);
  CHECK(parse_duration("0.1us").value == 100U);
  CHECK(parse_duration("1.0ns").value == 1U);
  CHECK(error_of(parse_duration("1.5ns")) == UnitError::not_whole);
  CHECK(error_of(parse_duration("1.0000000001s")) == UnitError::not_whole);
  CHECK(error_of(parse_duration("18446744073.709551616s")) == UnitError::too_large);
  CHECK(parse_duration("18446744073.709551615s").value == ~0ULL);
  CHECK(error_of(parse_duration("5m")) == UnitError::unknown_unit);
  for (const char* text : {"", "s", ".5s", "1.s", "1..5s", "-1s", "1,5s", "1e3", "0x10"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_duration(text).value);
  }
}

TEST_CASE("random sizes agree with 128-bit arithmetic") {
  static constexpr Unit units[] = {{"", 1},
                                   {"B", 1},
                                   {"KiB", 1ULL << 10},
                                   {"MiB", 1ULL << 20},
                                   {"GiB", 1ULL << 30},
                                   {"TiB", 1ULL << 40},
                                   {"PiB", 1ULL << 50},
                                   {"EiB", 1ULL << 60}};
  Rng rng(1);
  for (int round = 0; round < 20'000; ++round) {
    const std::uint64_t number = rng.next() >> rng.below(64);
    const Unit& unit = units[rng.below(8)];
    const std::string text = std::to_string(number) + unit.name;
    const Wide wanted = static_cast<Wide>(number) * unit.factor;
    const Quantity got = parse_size(text);
    CAPTURE(text);
    if (wanted > limit) {
      REQUIRE(error_of(got) == UnitError::too_large);
    } else {
      REQUIRE(got.value == static_cast<std::uint64_t>(wanted));
      REQUIRE(parse_size(size_text(*got.value)).value == got.value);
    }
  }
}

TEST_CASE("random durations agree with 128-bit arithmetic") {
  static constexpr Unit units[] = {
      {"", 1}, {"ns", 1}, {"us", 1000}, {"ms", 1'000'000}, {"s", 1'000'000'000}};
  Rng rng(2);
  for (int round = 0; round < 20'000; ++round) {
    const std::uint64_t whole = rng.next() >> (20 + rng.below(44));
    const Unit& unit = units[rng.below(5)];
    const auto digits = 1 + rng.below(11);
    Wide ten_to = 1;
    std::string fraction;
    Wide part = 0;
    for (std::uint64_t i = 0; i < digits; ++i) {
      const std::uint64_t digit = rng.below(3) == 0 ? rng.below(10) : 0;
      fraction += static_cast<char>('0' + digit);
      part = part * 10 + digit;
      ten_to *= 10;
    }
    const std::string text = std::to_string(whole) + "." + fraction + unit.name;
    const Quantity got = parse_duration(text);
    CAPTURE(text);
    if (part * unit.factor % ten_to != 0) {
      REQUIRE_FALSE(got.value);
    } else {
      const Wide wanted = static_cast<Wide>(whole) * unit.factor + part * unit.factor / ten_to;
      if (wanted > limit)
        REQUIRE(error_of(got) == UnitError::too_large);
      else
        REQUIRE(got.value == static_cast<std::uint64_t>(wanted));
    }
  }
}
