// Who has to be looked at by the kernel's two memory threads: khugepaged, which makes huge pages of
// small ones, and ksmd, which merges equal pages. Linux 6.12 mm/khugepaged.c khugepaged_enter_vma,
// __khugepaged_enter; mm/ksm.c __ksm_enter. A process is entered once, which takes an allocation
// that may reclaim, and its children with it. Left out: the threads themselves, their lists and
// locks; the entry by a growing stack before 6.9.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// Enters the process of `vma` if that VMA, with `flags`, may hold huge pages and has had pages.
void khugepaged_enter_vma(Kernel& k, const vm_area_struct& vma, vm_flags_t flags);
/// fork(2): who was entered enters the child.
void khugepaged_fork(Kernel& k, mm_struct& mm, const mm_struct& old);

/// MADV_MERGEABLE on pages that can be merged.
void ksm_enter(Kernel& k, mm_struct& mm);
void ksm_fork(Kernel& k, mm_struct& mm, const mm_struct& old);

}  // namespace faultline
