// The end of a task. Linux 6.12 kernel/exit.c and exit_mmap of mm/mmap.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// do_exit() of the current task: leaves its mm; the last user tears it down.
Path<void> do_exit(Kernel& k);

}  // namespace faultline
