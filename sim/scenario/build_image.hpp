// What a process has mapped before its first step.
#pragma once

#include <faultline/scenario.hpp>

#include "kernel/kernel.hpp"

namespace faultline {

/// Maps the stack of a task that declares one, with its uppermost page written, as exec leaves it.
/// False if another task of the process has its stack there.
bool build_image(const TaskSpec& spec, Kernel& k, mm_struct& mm);

}  // namespace faultline
