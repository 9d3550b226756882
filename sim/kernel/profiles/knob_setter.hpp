// What the tables of knobs share: the function by which a row sets its member of the profile.
#pragma once

#include <type_traits>

#include "kernel/profiles/profile.hpp"

namespace faultline {

// How a knob's value gets into the profile: a number as it is, a word by its place among the
// knob's words, which is the order of the enumerators.
template <auto member>
constexpr void set_member(Profile& profile, std::uint64_t value) {
  using Value = std::remove_reference_t<decltype(profile.*member)>;
  if constexpr (std::is_same_v<Value, bool>) {
    profile.*member = value != 0;
  } else {
    profile.*member = static_cast<Value>(value);
  }
}

}  // namespace faultline
