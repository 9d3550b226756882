// Reading /proc/self/maps. Linux 6.12 and 7.1 fs/proc/task_mmu.c. Left out: what is printed.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// Looks at each VMA of the current task's mm; how many there were. With VMA locks (7.1) mmap_lock
/// is wanted only while somebody changes the mm.
Path<std::int64_t> read_proc_maps(Kernel& k);

}  // namespace faultline
