// 2 MiB entries. Linux 6.12 mm/huge_memory.c.
#include "kernel/mm/huge_memory.hpp"

#include "kernel/fs/userfaultfd.hpp"
#include "kernel/mm/khugepaged.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/tlb.hpp"

namespace faultline {

// Memory that no folio of the page cache stands for may be mapped in the largest entries.
static bool vma_is_special_huge(const vm_area_struct& vma) {
  if (!vma.vm_file) return false;
  return vma.vm_file->f_inode->dax || (vma.vm_flags & (VM_PFNMAP | VM_MIXEDMAP));
}

bool anon_thp_enabled(const Kernel& k, vm_flags_t flags) {
  if (flags & (VM_NOHUGEPAGE | VM_SPECIAL)) return false;
  switch (k.profile.thp) {
    case ThpMode::always:
      return true;
    case ThpMode::madvise:
      return flags & VM_HUGEPAGE;
    case ThpMode::never:
      return false;
  }
  return false;
}

bool thp_vma_allowable_order(const Kernel& k, const vm_area_struct& vma, unsigned order) {
  if (vma.vm_flags & VM_NOHUGEPAGE) return false;
  // A handler of huge faults may always be asked, whatever the THP setting says: DAX, devices.
  if (!vma_is_anonymous(vma)) {
    if (!vma.vm_ops->huge_fault) return false;
    return order <= PMD_ORDER || vma_is_special_huge(vma);
  }
  return order <= PMD_ORDER && anon_thp_enabled(k, vma.vm_flags);
}

static bool range_fits(const vm_area_struct& vma, Vaddr haddr) {
  return vma.vm_start <= haddr && haddr + PMD_SIZE <= vma.vm_end;
}

std::optional<Pfn> mm_get_huge_zero_folio(Kernel& k, mm_struct& mm) {
  if (!mm.huge_zero_folio && !k.huge_zero_pfn) {
    k.might_alloc();
    k.huge_zero_pfn = k.frames.alloc_huge();
  }
  mm.huge_zero_folio = k.huge_zero_pfn.has_value();
  return k.huge_zero_pfn;
}

// Puts `entry` into the empty slot under the PMD lock, with a PTE table kept for a later split.
static Path<bool> install_pmd(Kernel& k, vm_fault& vmf, pmd_t entry) {
  spinlock_t& ptl = pmd_lockptr(k, vmf.pmd);
  co_await spin_lock(ptl);
  const bool empty = pmd_none(*vmf.pmd);
  if (empty) {
    k.engine.charge(k.costs.pmd_install);
    set_pmd(vmf.pmd, entry);
    if (!pmd_special(entry)) vmf.vma->vm_mm->rss.anon += PMD_SIZE / PAGE_SIZE;
    note_pte_set(k, Vaddr(vmf.address.v & PMD_MASK), entry.v, PMD_ORDER);
    vmf.leaf_order = PMD_ORDER;
  }
  spin_unlock(ptl);
  co_return empty;
}

static Path<vm_fault_t> huge_zero_page_fault(Kernel& k, vm_fault& vmf) {
  PageTable* const deposit = pte_alloc_one(k, *vmf.vma->vm_mm);
  if (!deposit) co_return VM_FAULT_OOM;
  vmf.vma->vm_mm->pgtables->free_table(deposit);
  const std::optional<Pfn> zero = mm_get_huge_zero_folio(k, *vmf.vma->vm_mm);
  if (!zero) co_return VM_FAULT_FALLBACK;
  const pmd_t entry = pmd_mkspecial(pmd_mkhuge(pfn_pmd(*zero, vmf.vma->vm_page_prot)));
  co_await install_pmd(k, vmf, entry);
  co_return vm_fault_t{};
}

// vma_alloc_anon_folio_pmd(): a page full of zeroes. Only where the program has asked for huge
// pages does the kernel reclaim for one.
static std::optional<Pfn> alloc_anon_folio_pmd(Kernel& k, const vm_area_struct& vma) {
  if (vma.vm_flags & VM_HUGEPAGE) k.might_alloc();
  const std::optional<Pfn> folio = k.frames.alloc_huge();
  if (!folio) return folio;
  k.engine.charge(k.costs.page_zero * (PMD_SIZE / PAGE_SIZE));
  k.dram.zero(folio->v << PAGE_SHIFT, PMD_SIZE);
  return folio;
}

static pmd_t writable_anon_pmd(const vm_area_struct& vma, Pfn folio) {
  return pmd_mkwrite(pmd_mkdirty(pmd_mkhuge(pfn_pmd(folio, vma.vm_page_prot))));
}

Path<vm_fault_t> do_huge_pmd_anonymous_page(Kernel& k, vm_fault& vmf) {
  vm_area_struct& vma = *vmf.vma;
  if (!range_fits(vma, Vaddr(vmf.address.v & PMD_MASK))) co_return VM_FAULT_FALLBACK;
  const vm_fault_t prepared = co_await vmf_anon_prepare(k, vmf);
  if (prepared) co_return prepared;
  khugepaged_enter_vma(k, vma, vma.vm_flags);
  if (vma.vm_flags & VM_UFFD_MISSING) {  // nothing comes of the page it would allocate
    const vm_fault_t handed = co_await handle_userfault(k, vmf);
    co_return handed;
  }
  if (!(vmf.flags & FAULT_FLAG_WRITE)) {
    const vm_fault_t zero = co_await huge_zero_page_fault(k, vmf);
    co_return zero;
  }
  const std::optional<Pfn> folio = alloc_anon_folio_pmd(k, vma);
  if (!folio) co_return VM_FAULT_FALLBACK;
  PageTable* const deposit = pte_alloc_one(k, *vma.vm_mm);
  if (!deposit) co_return VM_FAULT_OOM;
  vma.vm_mm->pgtables->free_table(deposit);
  const bool installed = co_await install_pmd(k, vmf, writable_anon_pmd(vma, *folio));
  if (!installed) k.frames.put(*folio);
  co_return vm_fault_t{};
}

static HelperPath<vm_fault_t> insert_pfn_pmd(Kernel& k, vm_fault& vmf, Pfn pfn, bool write,
                                             bool devmap) {
  vm_area_struct& vma = *vmf.vma;
  spinlock_t& ptl = pmd_lockptr(k, vmf.pmd);
  co_await spin_lock(ptl);
  if (!pmd_none(*vmf.pmd)) {
    const bool same = pmd_leaf(*vmf.pmd) && pmd_pfn(*vmf.pmd) == pfn;
    if (write && same) {
      const pmd_t entry = pmd_mkwrite(pmd_mkdirty(pmd_mkyoung(*vmf.pmd)));
      set_pmd(vmf.pmd, entry);
      note_pte_set(k, Vaddr(vmf.address.v & PMD_MASK), entry.v, PMD_ORDER);
    }
  } else {
    pmd_t entry = pmd_mkhuge(pfn_pmd(pfn, vma.vm_page_prot));
    entry = devmap ? pmd_mkdevmap(entry) : pmd_mkspecial(entry);
    if (write) {
      entry = pmd_mkdirty(pmd_mkyoung(entry));
      if (vma.vm_flags & VM_WRITE) entry = pmd_mkwrite(entry);
    }
    k.engine.charge(k.costs.pmd_install);
    set_pmd(vmf.pmd, entry);
    note_pte_set(k, Vaddr(vmf.address.v & PMD_MASK), entry.v, PMD_ORDER);
  }
  vmf.leaf_order = PMD_ORDER;
  spin_unlock(ptl);
  co_return VM_FAULT_NOPAGE;
}

Path<vm_fault_t> vmf_insert_pfn_pmd(Kernel& k, vm_fault& vmf, Pfn pfn, bool write) {
  const vm_fault_t ret = co_await insert_pfn_pmd(k, vmf, pfn, write, true);
  co_return ret;
}

Path<vm_fault_t> vmf_insert_special_pmd(Kernel& k, vm_fault& vmf, Pfn pfn, bool write) {
  const vm_fault_t ret = co_await insert_pfn_pmd(k, vmf, pfn, write, false);
  co_return ret;
}

// A page of its own takes the place of the huge zero page; its PTE table is set aside already.
static Path<vm_fault_t> do_huge_zero_wp_pmd(Kernel& k, vm_fault& vmf) {
  vm_area_struct& vma = *vmf.vma;
  const std::optional<Pfn> folio = alloc_anon_folio_pmd(k, vma);
  if (!folio) co_return VM_FAULT_FALLBACK;
  const Vaddr haddr(vmf.address.v & PMD_MASK);
  spinlock_t& ptl = pmd_lockptr(k, vmf.pmd);
  co_await spin_lock(ptl);
  const bool same = pmd_same(*vmf.pmd, vmf.orig_pmd);
  if (same) {
    pmdp_get_and_clear(vmf.pmd);
    k.trace<Event::sim_pte_clear>(haddr, PMD_ORDER);
    co_await flush_tlb_range(k, *vma.vm_mm, haddr, haddr + PMD_SIZE, PAGE_SHIFT, false);
    const pmd_t entry = writable_anon_pmd(vma, *folio);
    k.engine.charge(k.costs.pmd_install);
    set_pmd(vmf.pmd, entry);
    vma.vm_mm->rss.anon += PMD_SIZE / PAGE_SIZE;
    note_pte_set(k, haddr, entry.v, PMD_ORDER);
    vmf.leaf_order = PMD_ORDER;
  }
  spin_unlock(ptl);
  if (!same) k.frames.put(*folio);
  co_return vm_fault_t{};
}

// The page of its own is made writable in place; any other is split and copied page by page.
static Path<vm_fault_t> do_huge_pmd_wp_page(Kernel& k, vm_fault& vmf) {
  if (pmd_special(vmf.orig_pmd)) {  // the huge zero page
    if (!k.profile.huge_zero_replaced) co_return VM_FAULT_FALLBACK;
    const vm_fault_t ret = co_await do_huge_zero_wp_pmd(k, vmf);
    co_return ret;
  }
  spinlock_t& ptl = pmd_lockptr(k, vmf.pmd);
  co_await spin_lock(ptl);
  if (!pmd_same(*vmf.pmd, vmf.orig_pmd)) {
    spin_unlock(ptl);
    co_return vm_fault_t{};
  }
  const bool own = !pmd_shared_anon(vmf.orig_pmd) || k.frames.count(pmd_pfn(vmf.orig_pmd)) == 1;
  if (own) {
    pmd_t entry = pmd_mkexclusive(vmf.orig_pmd);
    const bool unshare = vmf.flags & FAULT_FLAG_UNSHARE;
    if (!unshare) entry = pmd_mkwrite(pmd_mkdirty(pmd_mkyoung(entry)));
    set_pmd(vmf.pmd, entry);
    if (!unshare) note_pte_set(k, Vaddr(vmf.address.v & PMD_MASK), entry.v, PMD_ORDER);
    vmf.leaf_order = PMD_ORDER;
  }
  spin_unlock(ptl);
  co_return own ? vm_fault_t{} : VM_FAULT_FALLBACK;
}

Path<vm_fault_t> wp_huge_pmd(Kernel& k, vm_fault& vmf) {
  vm_area_struct& vma = *vmf.vma;
  vm_fault_t ret = VM_FAULT_FALLBACK;
  if (vma_is_anonymous(vma)) {
    ret = co_await do_huge_pmd_wp_page(k, vmf);
  } else if ((vma.vm_flags & (VM_SHARED | VM_MAYSHARE)) && vma.vm_ops->huge_fault) {
    ret = co_await vma.vm_ops->huge_fault(k, vmf, PMD_ORDER);
  }
  if (!(ret & VM_FAULT_FALLBACK)) co_return ret;
  // Copy-on-write, and shared writes that need small entries, are done by the PTE path.
  co_await __split_huge_pmd(k, vma, vmf.pmd, vmf.address);
  co_return VM_FAULT_FALLBACK;
}

Path<void> huge_pmd_set_accessed(Kernel& k, vm_fault& vmf) {
  spinlock_t& ptl = pmd_lockptr(k, vmf.pmd);
  co_await spin_lock(ptl);
  if (pmd_same(*vmf.pmd, vmf.orig_pmd)) {
    pmd_t entry = pmd_mkyoung(vmf.orig_pmd);
    if (vmf.flags & FAULT_FLAG_WRITE) entry = pmd_mkdirty(entry);
    set_pmd(vmf.pmd, entry);
    vmf.leaf_order = PMD_ORDER;
  }
  spin_unlock(ptl);
}

Path<void> zap_huge_pmd(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, pmd_ptr pmd, Vaddr addr) {
  spinlock_t& ptl = pmd_lockptr(k, pmd);
  co_await spin_lock(ptl);
  bool has_page = false;
  Pfn page{};
  if (pmd_leaf(*pmd)) {
    const pmd_t old = pmdp_get_and_clear(pmd);
    k.trace<Event::sim_pte_clear>(addr, PMD_ORDER);
    k.engine.charge(k.costs.pte_clear);
    tlb.adjust(addr, addr + PMD_SIZE);
    tlb.cleared_pmds = true;
    has_page = !pmd_devmap(old) && !pmd_special(old);
    page = pmd_pfn(old);
  }
  if (has_page) vma.vm_mm->rss.anon -= PMD_SIZE / PAGE_SIZE;
  spin_unlock(ptl);
  if (has_page) co_await tlb_remove_page(k, *vma.vm_mm, tlb, page);
}

// The small entries that stand for a huge anonymous page; each holds a reference to the whole. The
// table was set aside when the huge entry was made.
static void split_anon_pmd(Kernel& k, vm_area_struct& vma, pmd_ptr pmd, pmd_t old, Vaddr haddr) {
  PageTables& tables = *vma.vm_mm->pgtables;
  PageTable* const table = pgtable_trans_huge_withdraw(k, *vma.vm_mm);
  if (!table) return k.engine.stop(Outcome::kernel_bug, "no page table to split a huge page with");
  const bool zero = pmd_special(old);
  const std::uint64_t kept = old.v & (PTE_RW | PTE_D | PTE_SOFT_DIRTY | PTE_SHARED_ANON);
  tables.pmd_populate(pmd, table);
  for (std::uint64_t i = 0; i < PMD_SIZE / PAGE_SIZE; ++i) {
    pte_t entry = zero ? pte_mkspecial(pfn_pte(k.zero_pfn, vma.vm_page_prot))
                       : pte_t{mk_pte(pmd_pfn(old) + i, vma.vm_page_prot).v | kept};
    if (!pmd_young(old)) entry = pte_mkold(entry);
    const Vaddr addr = haddr + (i << PAGE_SHIFT);
    set_pte(tables.pte_offset(pmd, addr), entry);
    note_pte_set(k, addr, entry.v, 0);
  }
  if (!zero) k.frames.get(pmd_pfn(old), PMD_SIZE / PAGE_SIZE - 1);
  k.engine.charge(k.costs.pte_install * (PMD_SIZE / PAGE_SIZE));
}

Path<void> __split_huge_pmd(Kernel& k, vm_area_struct& vma, pmd_ptr pmd, Vaddr addr) {
  const Vaddr haddr(addr.v & PMD_MASK);
  spinlock_t& ptl = pmd_lockptr(k, pmd);
  co_await spin_lock(ptl);
  if (pmd_leaf(*pmd)) {
    const pmd_t old = pmdp_get_and_clear(pmd);
    k.trace<Event::sim_pte_clear>(haddr, PMD_ORDER);
    co_await flush_tlb_range(k, *vma.vm_mm, haddr, haddr + PMD_SIZE, PAGE_SHIFT, false);
    if (vma_is_anonymous(vma)) split_anon_pmd(k, vma, pmd, old, haddr);
  }
  spin_unlock(ptl);
}

Path<void> vma_adjust_trans_huge(Kernel& k, vm_area_struct& vma, Vaddr addr) {
  if ((addr.v & ~PMD_MASK) == 0) co_return;
  if (!range_fits(vma, Vaddr(addr.v & PMD_MASK))) co_return;
  const EntryAt at = vma.vm_mm->pgtables->lookup(addr);
  if (at.level != PtLevel::pmd || !pmd_leaf(pmd_t{*at.entry})) co_return;
  co_await __split_huge_pmd(k, vma, pmd_ptr(at.entry), addr);
}

}  // namespace faultline
