// The syntax of references, shared by the check of shapes and the reading of steps.
#include "scenario/references.hpp"

#include "base/units.hpp"

namespace faultline {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool is_ident(std::string_view text) {
  if (text.empty() || !is_letter(text.front())) return false;
  for (const char c : text) {
    if (!is_letter(c) && !is_digit(c) && c != '-') return false;
  }
  return true;
}

std::optional<StepName> split_step_name(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) {
    if (!is_ident(text)) return std::nullopt;
    return StepName{{}, text};
  }
  const StepName name{text.substr(0, dot), text.substr(dot + 1)};
  if (!is_ident(name.task) || !is_ident(name.step)) return std::nullopt;
  return name;
}

std::optional<AddressText> parse_address(std::string_view text) {
  AddressText address;
  if (text.empty()) return std::nullopt;
  if (is_digit(text.front()) || text.front() == '-') {
    const Quantity number = parse_signed_size(text);
    address.too_large = !number.value && number.error == UnitError::too_large;
    if (!number.value && !address.too_large) return std::nullopt;
    address.number = number.value.value_or(0);
    return address;
  }
  address.whole = split_step_name(text);
  const std::size_t sign = text.find_last_of("+-");
  if (sign != std::string_view::npos) {
    const Quantity offset = parse_size(text.substr(sign + 1));
    const bool too_large = !offset.value && offset.error == UnitError::too_large;
    address.base = split_step_name(text.substr(0, sign));
    if (!offset.value && (!too_large || address.whole)) address.base.reset();
    if (address.base) {
      address.too_large = too_large;
      address.offset = offset.value.value_or(0);
      if (text[sign] == '-') address.offset = 0 - address.offset;
    }
  }
  if (!address.whole && !address.base) return std::nullopt;
  return address;
}

}  // namespace faultline
