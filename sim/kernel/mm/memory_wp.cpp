// Stores to pages that are present but write-protected. Linux 6.12 mm/memory.c do_wp_page and its
// cases. A device or zero-page entry has no struct page: shared, the file system is asked
// (pfn_mkwrite); private, the page is copied.
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/tlb.hpp"

namespace faultline {

static Path<vm_fault_t> wp_page_reuse(Kernel& k, vm_fault& vmf) {
  const pte_t entry = pte_mkwrite(pte_mkdirty(pte_mkyoung(*vmf.pte)));
  set_pte(vmf.pte, entry);
  note_pte_set(k, vmf.address, entry.v, 0);
  vmf.leaf_order = 0;
  spin_unlock(*vmf.ptl);
  co_return vm_fault_t{};
}

// finish_mkwrite_fault(): the entry becomes writable unless it has changed meanwhile.
static Path<vm_fault_t> finish_mkwrite_fault(Kernel& k, vm_fault& vmf) {
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
  if (!vma.vm_ops->map_pages && (vmf.flags & FAULT_FLAG_VMA_LOCK)) {
    vma_end_read(vma);
    co_return VM_FAULT_RETRY;
  }
  vmf.flags |= FAULT_FLAG_MKWRITE;
  const vm_fault_t ret = co_await vma.vm_ops->pfn_mkwrite(k, vmf);
  if (ret & (VM_FAULT_ERROR | VM_FAULT_NOPAGE)) co_return ret;
  const vm_fault_t finished = co_await finish_mkwrite_fault(k, vmf);
  co_return finished;
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
  const std::optional<Pfn> folio = k.frames.alloc();
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
  const pte_t entry = pte_mkwrite(pte_mkdirty(pte_mkyoung(mk_pte(*folio, vma.vm_page_prot))));
  k.engine.charge(k.costs.pte_install);
  set_pte(vmf.pte, entry);
  note_pte_set(k, vmf.address, entry.v, 0);
  const bool was_anon = !pte_special(old) && !k.pmem_of(pte_pfn(old));
  if (!was_anon) ++mm.rss.anon;
  vmf.leaf_order = 0;
  spin_unlock(*vmf.ptl);
  if (was_anon) k.frames.put(pte_pfn(old));
  co_return vm_fault_t{};
}

Path<vm_fault_t> do_wp_page(Kernel& k, vm_fault& vmf) {
  const pte_t pte = vmf.orig_pte;
  const bool has_page = !pte_special(pte) && !pte_devmap(pte);
  if (vmf.vma->vm_flags & (VM_SHARED | VM_MAYSHARE)) {
    if (!has_page) {
      const vm_fault_t ret = co_await wp_pfn_shared(k, vmf);
      co_return ret;
    }
    const vm_fault_t ret = co_await wp_page_reuse(k, vmf);
    co_return ret;
  }
  if (has_page && k.frames.count(pte_pfn(pte)) == 1) {  // nobody else maps it
    const vm_fault_t ret = co_await wp_page_reuse(k, vmf);
    co_return ret;
  }
  const vm_fault_t ret = co_await wp_page_copy(k, vmf);
  co_return ret;
}

}  // namespace faultline
