// madvise(2). Linux 6.12 and 7.1 mm/madvise.c. Left out: merging of equal pages (the VMA is only
// marked), hardware poison, guard pages, collapsing, freeing of emptied page tables (7.1), and
// what only reclaim would heed: COLD and PAGEOUT are checked, no more.
#pragma once

#include "kernel/mm/vma.hpp"

namespace faultline {

/// madvise(2): 0 or a negative errno. Arguments as given, unjudged.
Path<std::int64_t> do_madvise(Kernel& k, std::uint64_t start, std::uint64_t len,
                              std::uint64_t advice);

struct mmu_gather;
/// MADV_FREE of [start, end) of one VMA: 0, or EINVAL if it is not anonymous memory.
Path<std::int64_t> madvise_free_single_vma(Kernel& k, mmu_gather& tlb, vm_area_struct& vma,
                                           Vaddr start, Vaddr end);

/// mlock(2) and munlock(2): 0 or a negative errno. mm/mlock.c.
Path<std::int64_t> do_mlock(Kernel& k, std::uint64_t start, std::uint64_t len);
Path<std::int64_t> do_munlock(Kernel& k, std::uint64_t start, std::uint64_t len);

}  // namespace faultline
