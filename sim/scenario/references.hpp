// How steps and addresses are written: "map", "map+4KiB", "writer.map-0x1000", "0x7f0000000000".
// Splitting only; which step a name means is found when the document is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace faultline {

/// Letters, digits, _ and -, not first a digit or a -.
bool is_ident(std::string_view text);

/// TASK.STEP, or STEP with an empty task.
struct StepName {
  std::string_view task;
  std::string_view step;
};
std::optional<StepName> split_step_name(std::string_view text);

/// A written address. A name may contain a "-", so "a-4KiB" can be two things: `whole` is the
/// reading as a name alone (if it is one), `base` and `offset` that with an offset (if it has one).
/// The reader prefers `whole` when there is such a step.
struct AddressText {
  std::optional<std::uint64_t> number;  ///< a plain number; then nothing else
  std::optional<StepName> whole;
  std::optional<StepName> base;
  std::uint64_t offset = 0;  ///< wraps when negative
  bool too_large = false;    ///< the number or the offset is beyond 64 bits
};
std::optional<AddressText> parse_address(std::string_view text);

}  // namespace faultline
