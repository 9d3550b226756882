// mprotect(2): the checks, the change of the VMAs, and that of the entries. Linux 6.12
// mm/mprotect.c. Left out: protection keys, NUMA hinting, security modules, sealed memory.
#pragma once

#include "kernel/mm/vma.hpp"

namespace faultline {

/// mprotect(2): 0 or a negative errno. Arguments as given, unjudged.
Path<std::int64_t> do_mprotect_pkey(Kernel& k, std::uint64_t start, std::uint64_t len,
                                    std::uint64_t prot);

/// Gives every present entry of [start, end) the protection of `vma`, and write permission where a
/// store would find nothing to do. Notes in `tlb` what has to be flushed.
Path<void> change_protection(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, Vaddr start,
                             Vaddr end);

}  // namespace faultline
