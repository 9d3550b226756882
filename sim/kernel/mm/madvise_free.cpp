// MADV_FREE. Linux 6.12 mm/madvise.c madvise_free_single_vma, mm/huge_memory.c
// madvise_free_huge_pmd: pages become old and clean, so that reclaim may take them without writing;
// as there is no reclaim here, they keep their content. Left out: large folios below 2 MiB; the
// folio of a huge page of which only a part is advised stays whole, its entries are split.
#include <cerrno>

#include "kernel/mm/huge_memory.hpp"
#include "kernel/mm/madvise.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/tlb.hpp"

namespace faultline {

namespace {

Path<void> madvise_free_pte_range(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, pmd_ptr pmd,
                                  Vaddr addr, Vaddr end) {
  mm_struct& mm = *vma.vm_mm;
  spinlock_t& ptl = pte_lockptr(k, mm, pmd);
  co_await spin_lock(ptl);
  for (; addr < end; addr += PAGE_SIZE) {
    const pte_ptr slot = mm.pgtables->pte_offset(pmd, addr);
    const pte_t pte = *slot;
    if (!pte_present(pte) || pte_special(pte) || !(pte_young(pte) || pte_dirty(pte))) continue;
    set_pte(slot, pte_mkclean(pte_mkold(pte)));
    tlb.adjust(addr, addr + PAGE_SIZE);
    tlb.cleared_ptes = true;
    k.engine.charge(k.costs.pte_clear);
  }
  spin_unlock(ptl);
}

// A whole huge page. False: it was in part only, or has been split meanwhile; its pages are next.
Path<bool> madvise_free_huge_pmd(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, pmd_ptr pmd,
                                 Vaddr addr, Vaddr next) {
  mm_struct& mm = *vma.vm_mm;
  const Vaddr haddr(addr.v & PMD_MASK);
  spinlock_t& ptl = pmd_lockptr(k, pmd);
  co_await spin_lock(ptl);
  const pmd_t old = *pmd;
  const bool huge = pmd_leaf(old);
  const bool shared = huge && (pmd_special(old) || k.frames.count(pmd_pfn(old)) != 1);
  const bool whole = next - addr == PMD_SIZE;
  if (huge && !shared && whole && (pmd_young(old) || pmd_dirty(old))) {
    co_await flush_tlb_range(k, mm, haddr, haddr + PMD_SIZE, PAGE_SHIFT, false);
    set_pmd(pmd, pmd_mkclean(pmd_mkold(old)));
    k.engine.charge(k.costs.pmd_install);
    tlb.adjust(haddr, haddr + PMD_SIZE);
    tlb.cleared_pmds = true;
  }
  spin_unlock(ptl);
  if (huge && !shared && !whole) co_await __split_huge_pmd(k, vma, pmd, addr);
  co_return huge && (shared || whole);
}

}  // namespace

Path<std::int64_t> madvise_free_single_vma(Kernel& k, mmu_gather& tlb, vm_area_struct& vma,
                                           Vaddr start, Vaddr end) {
  if (!vma_is_anonymous(vma)) co_return -EINVAL;
  for (Vaddr addr = start; addr < end;) {
    const PmdStep step = next_pmd(*vma.vm_mm->pgtables, addr, end);
    bool done = !step.pmd;
    if (step.pmd && pmd_leaf(*step.pmd)) {
      done = co_await madvise_free_huge_pmd(k, tlb, vma, step.pmd, addr, step.next);
    }
    if (!done) co_await madvise_free_pte_range(k, tlb, vma, step.pmd, addr, step.next);
    addr = step.next;
  }
  // By VMA, or (where the lock of a VMA suffices) once at the end of the call.
  if (!k.profile.madvise_vma_lock) {
    co_await tlb_finish_mmu(k, *vma.vm_mm, tlb);
    tlb.reset_range();
  }
  co_return 0;
}

}  // namespace faultline
