// Reverse mapping of a page-cache folio: taking it out of page tables, and write-protecting it.
// Linux 6.12 mm/rmap.c (rmap_walk_file, try_to_unmap, folio_mkclean) and mm/page_vma_mapped.c.
// Left out: folios mapped by a PMD, mlocked pages.
#include <algorithm>

#include "kernel/mm/filemap.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/rmap_walk.hpp"
#include "kernel/mm/tlb.hpp"

namespace faultline {

namespace {

// The addresses at which a VMA would map pages of the folio; empty if begin is end.
struct FolioSpan {
  Vaddr begin{}, end{};
};

FolioSpan range_in(const vm_area_struct& vma, const folio& f) {
  const std::uint64_t vma_end = vma.vm_pgoff.v + vma_pages(vma);
  const std::uint64_t first = std::max(f.index, vma.vm_pgoff.v);
  const std::uint64_t end = std::min(f.index + f.pages(), vma_end);
  if (first >= end) return {};
  return {vma.vm_start + ((first - vma.vm_pgoff.v) << PAGE_SHIFT),
          vma.vm_start + ((end - vma.vm_pgoff.v) << PAGE_SHIFT)};
}

// Entries of one table. Each is flushed before the next: while it is gone from the table alone, a
// CPU could go on storing to the page.
HelperPath<void> unmap_ptes(Kernel& k, vm_area_struct& vma, folio& f, pmd_ptr pmd, Vaddr addr,
                            Vaddr end) {
  mm_struct& mm = *vma.vm_mm;
  spinlock_t& ptl = pte_lockptr(k, mm, pmd);
  co_await spin_lock(ptl);
  for (; addr < end; addr += PAGE_SIZE) {
    const pte_ptr slot = mm.pgtables->pte_offset(pmd, addr);
    if (pte_none(*slot) || k.folios.of(pte_pfn(*slot)) != &f) continue;
    const pte_t pte = ptep_get_and_clear(slot);
    k.trace<Event::sim_pte_clear>(addr, 0);
    co_await flush_tlb_range(k, mm, addr, addr + PAGE_SIZE, PAGE_SHIFT, false);
    folio_remove_rmap(mm, f);
    if (pte_dirty(pte)) co_await folio_mark_dirty(k, f);
  }
  spin_unlock(ptl);
}

HelperPath<void> unmap_in(Kernel& k, vm_area_struct& vma, folio& f, FolioSpan range) {
  for (Vaddr addr = range.begin; addr < range.end;) {
    const PmdStep step = next_pmd(*vma.vm_mm->pgtables, addr, range.end);
    if (step.pmd && !pmd_leaf(*step.pmd)) {
      co_await unmap_ptes(k, vma, f, step.pmd, addr, step.next);
    }
    addr = step.next;
  }
}

// Walks of a file's mappings try for the lock before they wait for it.
HelperPath<void> lock_for_walk(Kernel&, address_space& mapping) {
  const bool taken = co_await down_read_trylock(mapping.i_mmap_rwsem);
  if (!taken) co_await down_read(mapping.i_mmap_rwsem);
}

}  // namespace

Path<void> try_to_unmap(Kernel& k, folio& f, RmapLock lock) {
  address_space& mapping = *f.mapping;
  if (lock == RmapLock::takes) co_await lock_for_walk(k, mapping);
  const Pgoff first(f.index);
  const Pgoff last = first + (f.pages() - 1);
  for (vm_area_struct* mapped = mapping.i_mmap.iter_first(first, last); mapped && f.mapcount != 0;
       mapped = VmaIntervalTree::iter_next(*mapped, first, last)) {
    vm_area_struct& vma = *mapped;
    const FolioSpan range = range_in(vma, f);
    if (range.begin == range.end) continue;
    k.engine.charge(k.costs.rmap_op);
    co_await unmap_in(k, vma, f, range);
  }
  if (lock == RmapLock::takes) up_read(mapping.i_mmap_rwsem);
}

Path<void> folio_mkclean(Kernel& k, folio& f) {
  if (f.mapcount == 0) co_return;
  address_space& mapping = *f.mapping;
  const PfnRange pfns{f.pfn, f.pages()};
  co_await lock_for_walk(k, mapping);
  const Pgoff first(f.index);
  const Pgoff last = first + (f.pages() - 1);
  for (vm_area_struct* mapped = mapping.i_mmap.iter_first(first, last); mapped;
       mapped = VmaIntervalTree::iter_next(*mapped, first, last)) {
    vm_area_struct& vma = *mapped;
    const FolioSpan range = range_in(vma, f);
    if (range.begin == range.end || !(vma.vm_flags & VM_SHARED)) continue;
    k.engine.charge(k.costs.rmap_op);
    co_await mkclean_vma(k, vma, range.begin, range.end, pfns);
  }
  up_read(mapping.i_mmap_rwsem);
}

}  // namespace faultline
