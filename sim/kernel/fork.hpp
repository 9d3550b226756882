// fork(2). Linux 6.12 kernel/fork.c (kernel_clone, copy_process, dup_mm, dup_mmap). Left out:
// threads, namespaces, cgroups, and everything of the child that is neither memory nor files.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// Gives `child`, who has no mm yet, a copy of the current task's memory and files. The child's
/// pid, or a negative errno and nothing changed. The caller lets it run.
Path<std::int64_t> kernel_clone(Kernel& k, task_struct& child);
/// What the child does before it returns to its program.
Path<void> schedule_tail(Kernel& k);

/// wait4(2) for one child: sleeps until it has ended. Its pid, or -ECHILD.
Path<std::int64_t> kernel_wait4(Kernel& k, task_struct& child);

}  // namespace faultline
