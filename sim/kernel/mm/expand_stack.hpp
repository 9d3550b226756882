// Mappings that grow downwards. Linux 6.12 mm/vma.c expand_downwards, acct_stack_growth.
#pragma once

#include "kernel/mm/vma.hpp"

namespace faultline {

/// Lowers the start of `vma`, the first VMA above `address`, so that it covers that. Needs
/// mmap_lock for writing. 0, or a negative errno: it does not grow, would come too near to the
/// mapping below, or beyond a limit.
Path<std::int64_t> expand_downwards(Kernel& k, vm_area_struct& vma, Vaddr address);

}  // namespace faultline
