// What a process has mapped before its first step.
#pragma once

#include <faultline/scenario.hpp>

#include "kernel/kernel.hpp"

namespace faultline {

/// Maps what the task declares: the image of a static program (text, data, heap, vdso, stack) or a
/// stack alone, with the pages written that exec and a C library have written by then. False if
/// another task of the process has its stack there.
bool build_image(const TaskSpec& spec, Kernel& k, mm_struct& mm);

}  // namespace faultline
