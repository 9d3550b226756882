// Faults on anonymous memory. Linux 6.12 mm/memory.c do_anonymous_page, __vmf_anon_prepare. Large
// folios below 2 MiB are not modelled: each small fault maps one page.
#include "kernel/fs/userfaultfd.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/rmap.hpp"

namespace faultline {

static HelperPath<vm_fault_t> prepare(Kernel& k, vm_area_struct& vma) {
  if (k.inject.fails(FailPoint::anon_vma_prepare)) co_return VM_FAULT_OOM;
  co_await __anon_vma_prepare(k, vma);
  co_return vm_fault_t{};
}

Path<vm_fault_t> vmf_anon_prepare(Kernel& k, vm_fault& vmf) {
  vm_area_struct& vma = *vmf.vma;
  if (vma.anon_vma) co_return vm_fault_t{};
  vm_fault_t ret;
  if (!(vmf.flags & FAULT_FLAG_VMA_LOCK)) {
    ret = co_await prepare(k, vma);
    co_return ret;
  }
  // Looking for a neighbour's anon_vma needs a stable set of VMAs, which the VMA lock is not.
  const bool taken = co_await mmap_read_trylock(k, *vma.vm_mm);
  if (!taken) {
    vma_end_read(vma);
    co_return VM_FAULT_RETRY;
  }
  ret = co_await prepare(k, vma);
  mmap_read_unlock(k, *vma.vm_mm);
  co_return ret;
}

Path<vm_fault_t> do_anonymous_page(Kernel& k, vm_fault& vmf) {
  vm_area_struct& vma = *vmf.vma;
  mm_struct& mm = *vma.vm_mm;
  if (vma.vm_flags & VM_SHARED) co_return VM_FAULT_SIGBUS;
  if (pmd_none(*vmf.pmd)) {
    const vm_fault_t error = co_await __pte_alloc(k, mm, vmf.pmd);
    if (error) co_return error;
  }
  pte_t entry;
  const bool write = vmf.flags & FAULT_FLAG_WRITE;
  if (!write) {
    entry = pte_mkspecial(pfn_pte(k.zero_pfn, vma.vm_page_prot));
  } else {
    const vm_fault_t prepared = co_await vmf_anon_prepare(k, vmf);
    if (prepared) co_return prepared;
    k.might_alloc();
    const std::optional<Pfn> folio = k.alloc_anon_page();
    if (!folio) co_return VM_FAULT_OOM;
    k.engine.charge(k.costs.page_zero);
    k.dram.zero(folio->v << PAGE_SHIFT, PAGE_SIZE);
    entry = pte_mkdirty(mk_pte(*folio, vma.vm_page_prot));
    if (vma.vm_flags & VM_WRITE) entry = pte_mkwrite(entry);
  }
  vmf.ptl = &pte_lockptr(k, mm, vmf.pmd);
  vmf.pte = mm.pgtables->pte_offset(vmf.pmd, vmf.address);
  co_await spin_lock(*vmf.ptl);
  if (!pte_none(*vmf.pte)) {
    // Another thread has served the page meanwhile.
    if (write) k.frames.put(pte_pfn(entry));
  } else if (vma.vm_flags & VM_UFFD_MISSING) {
    spin_unlock(*vmf.ptl);
    if (write) k.frames.put(pte_pfn(entry));
    const vm_fault_t handed = co_await handle_userfault(k, vmf);
    co_return handed;
  } else {
    k.engine.charge(k.costs.pte_install);
    set_pte(vmf.pte, entry);
    note_pte_set(k, vmf.address, entry.v, 0);
    if (write) ++mm.rss.anon;
  }
  vmf.leaf_order = 0;
  spin_unlock(*vmf.ptl);
  co_return vm_fault_t{};
}

}  // namespace faultline
