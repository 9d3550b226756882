// Registration with khugepaged and ksmd. See the header.
#include "kernel/mm/khugepaged.hpp"

#include "kernel/mm/huge_memory.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

namespace {

// Whether a whole aligned 2 MiB lies in the VMA.
bool holds_a_huge_page(const vm_area_struct& vma) {
  const std::uint64_t first = (vma.vm_start.v + PMD_SIZE - 1) & PMD_MASK;
  return first + PMD_SIZE <= vma.vm_end.v;
}

void enter(Kernel& k, bool& entered) {
  k.might_alloc();  // mm_slot_alloc()
  entered = true;
}

}  // namespace

void khugepaged_enter_vma(Kernel& k, const vm_area_struct& vma, vm_flags_t flags) {
  mm_struct& mm = *vma.vm_mm;
  if (mm.vm_hugepage || !vma_is_anonymous(vma) || !vma.anon_vma) return;
  if (anon_thp_enabled(k, flags) && holds_a_huge_page(vma)) enter(k, mm.vm_hugepage);
}

void khugepaged_fork(Kernel& k, mm_struct& mm, const mm_struct& old) {
  if (old.vm_hugepage) enter(k, mm.vm_hugepage);
}

void ksm_enter(Kernel& k, mm_struct& mm) {
  if (!mm.vm_mergeable) enter(k, mm.vm_mergeable);
}

void ksm_fork(Kernel& k, mm_struct& mm, const mm_struct& old) {
  if (old.vm_mergeable) enter(k, mm.vm_mergeable);
}

}  // namespace faultline
