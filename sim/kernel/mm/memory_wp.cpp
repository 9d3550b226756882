// Stores to pages that are present but write-protected. Linux 6.12 mm/memory.c do_wp_page and its
// cases. A device or zero-page entry has no struct page: shared, the file system is asked
// (pfn_mkwrite); private, the page is copied.
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/tlb.hpp"

namespace faultline {

static Path<vm_fault_t> wp_page_reuse(Kernel& k, vm_fault& vmf) {
  const pte_t entry = pte_mkexclusive(pte_mkwrite(pte_mkdirty(pte_mkyoung(*vmf.pte))));
  set_pte(vmf.pte, entry);
  note_pte_set(k, vmf.address, entry.v, 0);
  vmf.leaf_order = 0;
  spin_unlock(*vmf.ptl);
  co_return vm_fault_t{};
}

Path<vm_fault_t> finish_mkwrite_fault(Kernel& k, vm_fault& vmf) {
  mm_struct& mm = *vmf.vma->vm_mm;
  vmf.ptl = &pte_lockptr(k, mm, vmf.pmd);
  vmf.pte = mm.pgtables->pte_offset(vmf.pmd, vmf.address);
  co_await spin_lock(*vmf.ptl);
  if (!pte_same(*vmf.pte, vmf.orig_pte)) {
    spin_unlock(*vmf.ptl);
    co_return VM_FAULT_NOPAGE;
  }
  co_await wp_page_reuse(k, vmf);
  co_return vm_fault_t{};
}

static Path<vm_fault_t> wp_pfn_shared(Kernel& k, vm_fault& vmf) {
  vm_area_struct& vma = *vmf.vma;
  if (!vma.vm_ops || !vma.vm_ops->pfn_mkwrite) {
    const vm_fault_t reused = co_await wp_page_reuse(k, vmf);
    co_return reused;
  }
  spin_unlock(*vmf.ptl);
  const vm_fault_t callable = vmf_can_call_fault(vmf);
  if (callable) co_return callable;
  vmf.flags |= FAULT_FLAG_MKWRITE;
  const vm_fault_t ret = co_await vma.vm_ops->pfn_mkwrite(k, vmf);
  if (ret & (VM_FAULT_ERROR | VM_FAULT_NOPAGE)) co_return ret;
  const vm_fault_t finished = co_await finish_mkwrite_fault(k, vmf);
  co_return finished;
}

// A page of the page cache, mapped shared: read-only until its file system has agreed.
static Path<vm_fault_t> wp_page_shared(Kernel& k, vm_fault& vmf) {
  const vm_operations_struct* const ops = vmf.vma->vm_ops;
  if (ops && ops->page_mkwrite) {
    spin_unlock(*vmf.ptl);
    const vm_fault_t callable = vmf_can_call_fault(vmf);
    if (callable) co_return callable;
    const vm_fault_t allowed = co_await do_page_mkwrite(k, vmf);
    if (!allowed || (allowed & (VM_FAULT_ERROR | VM_FAULT_NOPAGE))) co_return allowed;
    const vm_fault_t finished = co_await finish_mkwrite_fault(k, vmf);
    if (finished & (VM_FAULT_ERROR | VM_FAULT_NOPAGE)) {
      folio_unlock(k, *vmf.folio);
      co_return finished;
    }
  } else {
    co_await wp_page_reuse(k, vmf);
    co_await folio_lock(k, *vmf.folio);
  }
  const vm_fault_t ret = co_await fault_dirty_shared_page(k, vmf);
  co_return ret;
}

// Copies the page into a private one and puts that into the slot.
static Path<vm_fault_t> wp_page_copy(Kernel& k, vm_fault& vmf) {
  vm_area_struct& vma = *vmf.vma;
  mm_struct& mm = *vma.vm_mm;
  const pte_t old = vmf.orig_pte;
  spin_unlock(*vmf.ptl);
  const vm_fault_t prepared = co_await vmf_anon_prepare(k, vmf);
  if (prepared) co_return prepared;
  k.might_alloc();
  const std::optional<Pfn> folio = k.alloc_anon_page();
  if (!folio) co_return VM_FAULT_OOM;
  copy_page(k, *folio, pte_pfn(old));
  k.engine.charge(k.costs.page_copy);
  vmf.pte = mm.pgtables->pte_offset(vmf.pmd, vmf.address);
  co_await spin_lock(*vmf.ptl);
  if (!pte_same(*vmf.pte, old)) {
    spin_unlock(*vmf.ptl);
    k.frames.put(*folio);
    co_return vm_fault_t{};
  }
  // Flushed before the new entry is visible: no CPU may see old and new content at once.
  pte_clear(vmf.pte);
  co_await flush_tlb_range(k, mm, vmf.address, vmf.address + PAGE_SIZE, PAGE_SHIFT, false);
  pte_t entry = pte_mkyoung(mk_pte(*folio, vma.vm_page_prot));
  if (!(vmf.flags & FAULT_FLAG_UNSHARE)) entry = pte_mkwrite(pte_mkdirty(entry));
  k.engine.charge(k.costs.pte_install);
  set_pte(vmf.pte, entry);
  note_pte_set(k, vmf.address, entry.v, 0);
  struct folio* const cached = k.folios.of(pte_pfn(old));
  const bool was_anon = !pte_special(old) && !k.pmem_of(pte_pfn(old)) && !cached;
  if (!was_anon) ++mm.rss.anon;
  if (cached) folio_remove_rmap(mm, *cached);
  vmf.leaf_order = 0;
  spin_unlock(*vmf.ptl);
  if (was_anon) k.frames.put(pte_pfn(old));
  co_return vm_fault_t{};
}

// Whether nobody else has this anonymous page: it was never shared by a fork, or those who shared
// it are gone (wp_can_reuse_anon_folio(), which does not try for a part of a large folio).
static bool is_own_page(const Kernel& k, pte_t pte) {
  if (!pte_shared_anon(pte)) return true;
  return !k.frames.in_huge(pte_pfn(pte)) && k.frames.count(pte_pfn(pte)) == 1;
}

Path<vm_fault_t> do_wp_page(Kernel& k, vm_fault& vmf) {
  const pte_t pte = vmf.orig_pte;
  const bool has_page = !pte_special(pte) && !pte_devmap(pte);
  if (vmf.vma->vm_flags & (VM_SHARED | VM_MAYSHARE)) {
    if (!has_page) {
      const vm_fault_t ret = co_await wp_pfn_shared(k, vmf);
      co_return ret;
    }
    vmf.folio = k.folios.of(pte_pfn(pte));
    if (vmf.folio) {
      folio_get(*vmf.folio);
      const vm_fault_t shared = co_await wp_page_shared(k, vmf);
      folio_put(k, *vmf.folio);
      co_return shared;
    }
    const vm_fault_t ret = co_await wp_page_reuse(k, vmf);
    co_return ret;
  }
  const bool own = has_page && !k.folios.of(pte_pfn(pte)) && is_own_page(k, pte);
  if (own && (vmf.flags & FAULT_FLAG_UNSHARE)) {
    // Nobody else's: from now on no fork's trace, so that it may be pinned.
    set_pte(vmf.pte, pte_mkexclusive(*vmf.pte));
    vmf.leaf_order = 0;
    spin_unlock(*vmf.ptl);
    co_return vm_fault_t{};
  }
  if (own) {
    const vm_fault_t ret = co_await wp_page_reuse(k, vmf);
    co_return ret;
  }
  const vm_fault_t ret = co_await wp_page_copy(k, vmf);
  co_return ret;
}

}  // namespace faultline
