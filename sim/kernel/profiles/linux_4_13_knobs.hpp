// The knobs of Linux 4.13 and of MAP_DIRECT, kept apart from the others because no later kernel
// turns them.
#pragma once

#include "kernel/profiles/profile.hpp"

namespace faultline {

std::span<const Knob> linux_4_13_knobs();

}  // namespace faultline
