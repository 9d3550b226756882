// Removing mappings: munmap, exit and unmap_mapping_range. Linux 6.12 mm/memory.c
// (unmap_page_range, zap_pte_range, free_pgtables) and mm/mmu_gather.c. Pages are gathered, and
// given back when no CPU can reach them any more. Left out: folios of the page cache, which the
// cache itself keeps until after the flush, and batches of one large folio.
#include <algorithm>

#include "kernel/mm/filemap.hpp"
#include "kernel/mm/huge_memory.hpp"
#include "kernel/mm/i_mmap.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/memory_map.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/tlb.hpp"

namespace faultline {

// should_zap_folio(): whether a private copy is among what is to go.
static bool should_zap(Kernel& k, const mmu_gather& tlb, const vm_area_struct& vma, pte_t pte) {
  if (!tlb.keep_cows || !vma.vm_file) return true;
  return pte_special(pte) || pte_devmap(pte) || k.folios.of(pte_pfn(pte));
}

// Whether an entry is of a page that is counted: of the page cache or anonymous.
static bool has_page(pte_t pte) { return !pte_special(pte) && !pte_devmap(pte); }

// The entry has a page. True if that was written through this entry and its file must not forget:
// the TLBs have to be flushed before the page-table lock is released.
static HelperPath<bool> zap_present_pte(Kernel& k, mmu_gather& tlb, vm_area_struct& vma,
                                        pte_t pte) {
  if (folio* const cached = k.folios.of(pte_pfn(pte))) {
    folio_remove_rmap(*vma.vm_mm, *cached);
    if (!pte_dirty(pte)) co_return false;
    co_await folio_mark_dirty(k, *cached);
    co_return true;
  }
  --vma.vm_mm->rss.anon;
  tlb.pages.push_back(pte_pfn(pte));
  co_return false;
}

// A dirty page of a shared file mapping: its reverse mapping may only go when no CPU can write
// through a stale translation any more, so the flush cannot wait for the end of the unmapping.
static bool must_flush_early(const Kernel& k, pte_t pte) {
  return k.profile.dax_folios && pte_devmap(pte) && pte_dirty(pte);
}

static HelperPath<void> tlb_flush_mmu_tlbonly(Kernel& k, mm_struct& mm, mmu_gather& tlb) {
  if (tlb.end <= tlb.start && !tlb.fullmm) co_return;
  // The smallest entry that was cleared decides how far apart the invalidations are.
  unsigned shift = PAGE_SHIFT;
  if (!tlb.cleared_ptes && tlb.cleared_pmds) {
    shift = PMD_SHIFT;
  } else if (!tlb.cleared_ptes && tlb.cleared_puds) {
    shift = PUD_SHIFT;
  } else if (!tlb.cleared_ptes && tlb.cleared_p4ds) {
    shift = P4D_SHIFT;
  }
  const Vaddr start = tlb.fullmm ? Vaddr(0) : tlb.start;
  const Vaddr end = tlb.fullmm ? Vaddr(~0ULL) : tlb.end;
  co_await flush_tlb_range(k, mm, start, end, shift, tlb.freed_tables);
}

static void tlb_batch_pages_flush(Kernel& k, mmu_gather& tlb) {
  for (const Pfn page : tlb.pages) k.frames.put(page);
  k.engine.charge(k.costs.page_free * tlb.pages.size());
  tlb.pages.clear();
}

static HelperPath<void> tlb_flush_mmu(Kernel& k, mm_struct& mm, mmu_gather& tlb) {
  co_await tlb_flush_mmu_tlbonly(k, mm, tlb);
  tlb.reset_range();
  tlb_batch_pages_flush(k, tlb);
}

HelperPath<void> tlb_remove_page(Kernel& k, mm_struct& mm, mmu_gather& tlb, Pfn page) {
  tlb.pages.push_back(page);
  if (tlb.full()) co_await tlb_flush_mmu(k, mm, tlb);
}

// Where it stopped: before `end` when no more pages can be gathered.
static Path<Vaddr> zap_pte_range(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, pmd_ptr pmd,
                                 Vaddr addr, Vaddr end) {
  mm_struct& mm = *vma.vm_mm;
  spinlock_t& ptl = pte_lockptr(k, mm, pmd);
  co_await spin_lock(ptl);
  bool force_flush = false;
  for (; addr < end && !tlb.full(); addr += PAGE_SIZE) {
    const pte_ptr slot = mm.pgtables->pte_offset(pmd, addr);
    if (pte_none(*slot) || !should_zap(k, tlb, vma, *slot)) continue;
    const pte_t pte = ptep_get_and_clear(slot);
    k.trace<Event::sim_pte_clear>(addr, 0);
    k.engine.charge(k.costs.pte_clear);
    tlb.adjust(addr, addr + PAGE_SIZE);
    tlb.cleared_ptes = true;
    bool dirty = false;
    if (has_page(pte)) dirty = co_await zap_present_pte(k, tlb, vma, pte);
    force_flush = force_flush || dirty || must_flush_early(k, pte) || tlb.full();
  }
  if (force_flush) {
    co_await tlb_flush_mmu_tlbonly(k, mm, tlb);
    tlb.reset_range();
  }
  spin_unlock(ptl);
  if (force_flush) tlb_batch_pages_flush(k, tlb);
  co_return addr;
}

static Vaddr next_boundary(Vaddr addr, Vaddr end, std::uint64_t size) {
  const Vaddr next((addr.v + size) & ~(size - 1));
  return next < end ? next : end;
}

PmdStep next_pmd(const PageTables& tables, Vaddr addr, Vaddr end) {
  const pgd_ptr pgd = tables.pgd_offset(addr);
  if (tables.pgd_none(*pgd)) return {pmd_ptr(), next_boundary(addr, end, tables.pgdir_size())};
  const p4d_ptr p4d = tables.p4d_offset(pgd, addr);
  if (p4d_none(*p4d)) return {pmd_ptr(), next_boundary(addr, end, P4D_SIZE)};
  const pud_ptr pud = tables.pud_offset(p4d, addr);
  if (pud_none(*pud) || pud_leaf(*pud)) {
    const Vaddr next = next_boundary(addr, end, PUD_SIZE);
    return {pmd_ptr(), next, PtLevel::pud, pud_none(*pud) ? pud_ptr() : pud};
  }
  const Vaddr next = next_boundary(addr, end, PMD_SIZE);
  const pmd_ptr pmd = tables.pmd_offset(pud, addr);
  return {pmd_none(*pmd) ? pmd_ptr() : pmd, next, PtLevel::pmd};
}

// A part of a 1 GiB entry cannot go: the entry does, and the rest comes back by faults.
static HelperPath<void> zap_pud(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, pud_ptr pud,
                                Vaddr addr, Vaddr next) {
  if (next - addr == PUD_SIZE) {
    co_await zap_huge_pud(k, tlb, vma, pud, addr);
  } else {
    co_await __split_huge_pud(k, vma, pud, addr);
  }
}

Path<void> unmap_page_range(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, Vaddr addr,
                            Vaddr end) {
  const PageTables& tables = *vma.vm_mm->pgtables;
  while (addr < end) {
    const PmdStep step = next_pmd(tables, addr, end);
    if (step.pud) {
      co_await zap_pud(k, tlb, vma, step.pud, addr, step.next);
    }
    if (step.pmd && pmd_leaf(*step.pmd)) {
      if (step.next - addr == PMD_SIZE) {
        co_await zap_huge_pmd(k, tlb, vma, step.pmd, addr);
      } else {
        co_await __split_huge_pmd(k, vma, step.pmd, addr);
      }
    }
    while (step.pmd && !pmd_none(*step.pmd) && !pmd_leaf(*step.pmd) && addr < step.next) {
      addr = co_await zap_pte_range(k, tlb, vma, step.pmd, addr, step.next);
    }
    addr = step.next;
  }
}

// One batch for all VMAs of one file: i_mmap_rwsem is taken once.
static Path<void> unlink_file_vma_batch_process(Kernel& k, address_space& mapping,
                                                std::span<vm_area_struct* const> vmas) {
  co_await down_write(mapping.i_mmap_rwsem);
  for (vm_area_struct* const vma : vmas) {
    if (mapping.i_mmap.contains(*vma)) __remove_shared_vm_struct(k, *vma, mapping);
    k.engine.charge(k.costs.rmap_op);
  }
  up_write(mapping.i_mmap_rwsem);
}

// Nobody counts who maps these frames: once rmap has forgotten the VMA, no CPU may have a
// translation of it any more.
static HelperPath<void> flush_vma_pfn(Kernel& k, mmu_gather& tlb, mm_struct& mm) {
  tlb.vma_pfn = false;
  if (tlb.fullmm) co_return;
  co_await tlb_flush_mmu_tlbonly(k, mm, tlb);
  tlb.reset_range();
}

Path<void> unmap_vmas(Kernel& k, mmu_gather& tlb, std::span<vm_area_struct* const> vmas) {
  for (vm_area_struct* const vma : vmas) {
    const bool looked_up = k.profile.pfnmap_tracking == PfnmapTracking::vma_flag;
    if (vma->pfnmap_tracked && looked_up) co_await untrack_pfn(k, *vma);
    co_await unmap_page_range(k, tlb, *vma, vma->vm_start, vma->vm_end);
    if (!(vma->vm_flags & (VM_PFNMAP | VM_MIXEDMAP))) continue;
    tlb.vma_pfn = true;
    if (k.profile.vma_pfn_flush == VmaPfnFlush::each_vma) {
      co_await flush_vma_pfn(k, tlb, *vma->vm_mm);
    }
  }
}

Path<void> zap_page_range_single(Kernel& k, vm_area_struct& vma, Vaddr start, Vaddr end) {
  mmu_gather tlb;
  co_await unmap_page_range(k, tlb, vma, start, end);
  co_await tlb_finish_mmu(k, *vma.vm_mm, tlb);
}

// Each freed table counts as one page at the start of what it covered. On four-level machines the
// folded level above counts too when nothing else is mapped below its entry, whether there was a
// table or not. `last` is the end of the range.
static void note_freed_tables(mmu_gather& tlb, const PageTables& tables, Vaddr first, Vaddr last,
                              const FreedTables& freed, Vaddr floor, Vaddr ceiling) {
  const auto note = [&](Vaddr at, std::uint64_t size) {
    const Vaddr start(at.v & ~(size - 1));
    tlb.freed_tables = true;
    tlb.adjust(start, start + PAGE_SIZE);
  };
  if (freed.pte != 0) note(first, PMD_SIZE);
  if (freed.pte > 1) note(last - 1, PMD_SIZE);
  if (freed.pmd != 0) note(first, PUD_SIZE);
  if (freed.pud != 0) note(first, P4D_SIZE);
  if (freed.pte != 0) tlb.cleared_pmds = true;
  if (freed.pmd != 0) tlb.cleared_puds = true;
  if (freed.pud != 0) tlb.cleared_p4ds = true;
  const std::uint64_t pgdir_size = tables.pgdir_size();
  const Vaddr start(first.v & ~(pgdir_size - 1));
  const std::uint64_t end = ceiling.v & ~(pgdir_size - 1);
  const bool reaches = ceiling.v == 0 || (end != 0 && last.v - 1 <= end - 1);
  const bool there = !tables.l5_enabled() || freed.p4d != 0;
  if (there && start >= floor && reaches) note(start, pgdir_size);
}

Path<void> free_pgtables(Kernel& k, mmu_gather& tlb, mm_struct& mm,
                         std::span<vm_area_struct* const> vmas, Vaddr floor, Vaddr ceiling,
                         bool mm_wr_locked) {
  if (tlb.vma_pfn) co_await flush_vma_pfn(k, tlb, mm);
  const std::size_t batch_size = std::max<std::size_t>(1, k.profile.unlink_vma_batch);
  std::vector<vm_area_struct*> batch;
  for (std::size_t i = 0; i < vmas.size();) {
    // VMAs that are near each other give their tables back together.
    const Vaddr start = vmas[i]->vm_start;
    Vaddr end = start;
    do {
      vm_area_struct& vma = *vmas[i];
      end = vma.vm_end;
      if (mm_wr_locked) co_await vma_start_write(k, vma);
      co_await unlink_anon_vmas(k, vma);
      if (vma.vm_file) {
        const bool other_file = !batch.empty() && batch.front()->vm_file != vma.vm_file;
        if (other_file || batch.size() == batch_size) {
          co_await unlink_file_vma_batch_process(k, batch.front()->vm_file->f_inode->i_data, batch);
          batch.clear();
        }
        batch.push_back(&vma);
      }
      ++i;
    } while (i < vmas.size() && vmas[i]->vm_start <= end + PMD_SIZE);
    if (!batch.empty()) {
      co_await unlink_file_vma_batch_process(k, batch.front()->vm_file->f_inode->i_data, batch);
      batch.clear();
    }
    const Vaddr limit = i < vmas.size() ? vmas[i]->vm_start : ceiling;
    const FreedTables freed = mm.pgtables->free_pgtables(start, end, floor, limit);
    k.engine.charge(k.costs.page_free * freed.total());
    note_freed_tables(tlb, *mm.pgtables, start, end, freed, floor, limit);
  }
}

Path<void> tlb_finish_mmu(Kernel& k, mm_struct& mm, mmu_gather& tlb) {
  co_await tlb_flush_mmu(k, mm, tlb);
}

Path<void> unmap_mapping_pages(Kernel& k, address_space& mapping, Pgoff start, std::uint64_t nr,
                               bool even_cows) {
  const Pgoff last = nr == 0 ? Pgoff(~0ULL) : start + (nr - 1);
  const bool writes = k.profile.rmap_walk_writes;
  if (writes) {
    co_await down_write(mapping.i_mmap_rwsem);
  } else {
    co_await down_read(mapping.i_mmap_rwsem);
  }
  // No mapping comes or goes while i_mmap_rwsem is held.
  for (vm_area_struct* mapped = mapping.i_mmap.iter_first(start, last); mapped;
       mapped = VmaIntervalTree::iter_next(*mapped, start, last)) {
    vm_area_struct& vma = *mapped;
    const Pgoff first_page = vma.vm_pgoff;
    const Pgoff last_page = vma.vm_pgoff + (vma_pages(vma) - 1);
    const Pgoff from = start < first_page ? first_page : start;
    const Pgoff to = last_page < last ? last_page : last;
    const Vaddr begin = vma.vm_start + ((from - first_page) << PAGE_SHIFT);
    const Vaddr end = vma.vm_start + ((to - first_page + 1) << PAGE_SHIFT);
    mmu_gather tlb;
    tlb.keep_cows = !even_cows;
    co_await unmap_page_range(k, tlb, vma, begin, end);
    co_await tlb_finish_mmu(k, *vma.vm_mm, tlb);
  }
  writes ? up_write(mapping.i_mmap_rwsem) : up_read(mapping.i_mmap_rwsem);
}

Path<void> unmap_mapping_range(Kernel& k, address_space& mapping, std::uint64_t start,
                               std::uint64_t len, bool even_cows) {
  const Pgoff first(start >> PAGE_SHIFT);
  const std::uint64_t nr = (len + PAGE_SIZE - 1) >> PAGE_SHIFT;
  co_await unmap_mapping_pages(k, mapping, first, nr, even_cows);
}

}  // namespace faultline
