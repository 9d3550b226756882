// The knobs of the mmap path, kept apart from the others because the history of one patch series
// needs many.
#pragma once

#include "kernel/profiles/profile.hpp"

namespace faultline {

std::span<const Knob> mmap_knobs();

}  // namespace faultline
