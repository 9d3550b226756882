// Making the mappings of frames clean, so that the next store faults. Linux 6.12 mm/rmap.c
// pfn_mkclean_range, page_vma_mkclean_one and mm/page_vma_mapped.c; the walk over i_mmap is that of
// fs/dax.c dax_writeback_one. An entry that is neither dirty nor writable is left alone.
#include <algorithm>

#include "kernel/mm/memory.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/rmap_walk.hpp"
#include "kernel/mm/tlb.hpp"

namespace faultline {

namespace {

HelperPath<void> mkclean_pmd(Kernel& k, vm_area_struct& vma, pmd_ptr pmd, Vaddr haddr,
                             PfnRange pfns) {
  spinlock_t& ptl = pmd_lockptr(k, pmd);
  co_await spin_lock(ptl);
  const bool mapped = pmd_leaf(*pmd) && pfns.has(pmd_pfn(*pmd));
  if (mapped && (pmd_dirty(*pmd) || pmd_write(*pmd))) {
    const pmd_t old = pmdp_get_and_clear(pmd);
    co_await flush_tlb_range(k, *vma.vm_mm, haddr, haddr + PMD_SIZE, PAGE_SHIFT, false);
    const pmd_t entry = pmd_mkclean(pmd_wrprotect(old));
    set_pmd(pmd, entry);
    note_pte_set(k, haddr, entry.v, PMD_ORDER);
  }
  spin_unlock(ptl);
}

HelperPath<void> mkclean_ptes(Kernel& k, vm_area_struct& vma, pmd_ptr pmd, Vaddr addr, Vaddr end,
                              PfnRange pfns) {
  mm_struct& mm = *vma.vm_mm;
  spinlock_t* ptl = nullptr;  // taken at the first present entry
  for (; addr < end; addr += PAGE_SIZE) {
    const pte_ptr slot = mm.pgtables->pte_offset(pmd, addr);
    if (pte_none(*slot)) continue;
    if (!ptl) {
      ptl = &pte_lockptr(k, mm, pmd);
      co_await spin_lock(*ptl);
    }
    const pte_t pte = *slot;
    if (pte_none(pte) || !pfns.has(pte_pfn(pte))) continue;
    if (!pte_dirty(pte) && !pte_write(pte)) continue;
    pte_clear(slot);
    co_await flush_tlb_range(k, mm, addr, addr + PAGE_SIZE, PAGE_SHIFT, false);
    const pte_t entry = pte_mkclean(pte_wrprotect(pte));
    set_pte(slot, entry);
    note_pte_set(k, addr, entry.v, 0);
  }
  if (ptl) spin_unlock(*ptl);
}

}  // namespace

HelperPath<void> mkclean_vma(Kernel& k, vm_area_struct& vma, Vaddr addr, Vaddr end, PfnRange pfns) {
  PageTables& tables = *vma.vm_mm->pgtables;
  while (addr < end) {
    const Vaddr next = std::min(end, Vaddr((addr.v + PMD_SIZE) & PMD_MASK));
    const PmdStep step = next_pmd(tables, addr, next);
    if (step.pmd && pmd_leaf(*step.pmd)) {
      co_await mkclean_pmd(k, vma, step.pmd, Vaddr(addr.v & PMD_MASK), pfns);
    } else if (step.pmd) {
      co_await mkclean_ptes(k, vma, step.pmd, addr, next, pfns);
    }
    addr = next;
  }
}

Path<void> pfn_mkclean(Kernel& k, address_space& mapping, Pfn pfn, Pgoff index, std::uint64_t nr) {
  const PfnRange pfns{pfn, nr};
  const Pgoff last = index + (nr - 1);
  co_await down_read(mapping.i_mmap_rwsem);
  for (vm_area_struct* mapped = mapping.i_mmap.iter_first(index, last); mapped;
       mapped = VmaIntervalTree::iter_next(*mapped, index, last)) {
    vm_area_struct& vma = *mapped;
    if (!(vma.vm_flags & VM_SHARED)) continue;
    const Pgoff vma_last = vma.vm_pgoff + (vma_pages(vma) - 1);
    const Pgoff from = std::max(index, vma.vm_pgoff);
    const Pgoff to = std::min(last, vma_last);
    k.engine.charge(k.costs.rmap_op);
    co_await mkclean_vma(k, vma, vma.vm_start + ((from - vma.vm_pgoff) << PAGE_SHIFT),
                         vma.vm_start + ((to - vma.vm_pgoff + 1) << PAGE_SHIFT), pfns);
  }
  up_read(mapping.i_mmap_rwsem);
}

}  // namespace faultline
