// The end of a task. Linux 6.12 kernel/exit.c and exit_mmap of mm/mmap.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// Why a task ends, as its parent's SIGCHLD says it (si_code).
enum class ChildCode : std::uint8_t { exited = 1, killed = 2 };

/// Who ends: one thread by exit(2), or all of the process.
enum class ExitScope : std::uint8_t { thread, group };

/// do_exit(): leaves the mm, which goes with its last user, and tells the parent.
Path<void> do_exit(Kernel& k, ChildCode code, ExitScope scope);

}  // namespace faultline
