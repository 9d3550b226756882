// Sizes and durations as people write them. All arithmetic is exact and in integers: a duration
// with a fraction is taken if it comes to whole nanoseconds and refused if not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace faultline {

enum class UnitError : std::uint8_t { malformed, unknown_unit, too_large, not_whole };

/// A parsed quantity or the reason why there is none.
struct Quantity {
  std::optional<std::uint64_t> value;
  UnitError error = UnitError::malformed;  ///< only without a value
};

/// Bytes: "4096", "0x1000", "4KiB" (B, KiB, MiB, GiB, TiB, PiB, EiB; no fractions, no sign).
Quantity parse_size(std::string_view text);

/// As parse_size, but a leading "-" negates (two's complement), down to -2^63.
Quantity parse_signed_size(std::string_view text);

/// Nanoseconds: "250", "2.5us", "4ms", "1s", "10ns"; decimal digits with at most one point.
Quantity parse_duration(std::string_view text);

/// What to tell the user: "is not a size: write ...". `kind` is "size" or "duration".
std::string explain(UnitError error, std::string_view kind);

/// "4KiB" when that is exact, otherwise the number of bytes.
std::string size_text(std::uint64_t bytes);

}  // namespace faultline
