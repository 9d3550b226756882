// Faults on file mappings: read, private write, shared write. Linux 6.12 mm/memory.c do_fault and
// its three cases, __do_fault, finish_fault. For DAX the file system's handler installs the entry
// itself and returns NOPAGE, so the stages after it do not run.
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"

namespace faultline {

// Whether ->fault may be called under the VMA lock: drivers without map_pages never were.
static vm_fault_t vmf_can_call_fault(const vm_fault& vmf) {
  if (vmf.vma->vm_ops->map_pages || !(vmf.flags & FAULT_FLAG_VMA_LOCK)) return {};
  vma_end_read(*vmf.vma);
  return VM_FAULT_RETRY;
}

static Path<vm_fault_t> __do_fault(Kernel& k, vm_fault& vmf) {
  if (pmd_none(*vmf.pmd) && !vmf.prealloc_pte) {
    // Before ->fault locks a page: an allocation under it could wait for its write-back.
    vmf.prealloc_pte = pte_alloc_one(k, *vmf.vma->vm_mm);
    if (!vmf.prealloc_pte) co_return VM_FAULT_OOM;
  }
  const vm_fault_t ret = co_await vmf.vma->vm_ops->fault(k, vmf);
  co_return ret;
}

static bool should_do_fault_around(const Kernel& k, const vm_fault& vmf) {
  return vmf.vma->vm_ops->map_pages && k.profile.fault_around_bytes >> PAGE_SHIFT > 1;
}

static Path<vm_fault_t> do_fault_around(Kernel& k, vm_fault& vmf) {
  if (pmd_none(*vmf.pmd)) {
    vmf.prealloc_pte = pte_alloc_one(k, *vmf.vma->vm_mm);
    if (!vmf.prealloc_pte) co_return VM_FAULT_OOM;
  }
  const vm_fault_t ret = co_await vmf.vma->vm_ops->map_pages(k, vmf);
  co_return ret;
}

static Path<vm_fault_t> do_read_fault(Kernel& k, vm_fault& vmf) {
  if (should_do_fault_around(k, vmf)) {
    const vm_fault_t around = co_await do_fault_around(k, vmf);
    if (around) co_return around;
  }
  const vm_fault_t callable = vmf_can_call_fault(vmf);
  if (callable) co_return callable;
  const vm_fault_t ret = co_await __do_fault(k, vmf);
  co_return ret;
}

static Path<vm_fault_t> do_cow_fault(Kernel& k, vm_fault& vmf) {
  vm_fault_t ret = vmf_can_call_fault(vmf);
  if (ret) co_return ret;
  ret = co_await vmf_anon_prepare(k, vmf);
  if (ret) co_return ret;
  k.might_alloc();
  const std::optional<Pfn> folio = k.frames.alloc();
  if (!folio) co_return VM_FAULT_OOM;
  vmf.has_cow_page = true;
  vmf.cow_page = *folio;
  ret = co_await __do_fault(k, vmf);
  const bool failed = bool(ret & (VM_FAULT_ERROR | VM_FAULT_NOPAGE | VM_FAULT_RETRY));
  if (failed) k.frames.put(*folio);
  co_return ret;
}

static Path<vm_fault_t> do_shared_fault(Kernel& k, vm_fault& vmf) {
  const vm_fault_t callable = vmf_can_call_fault(vmf);
  if (callable) co_return callable;
  const vm_fault_t ret = co_await __do_fault(k, vmf);
  co_return ret;
}

Path<vm_fault_t> do_fault(Kernel& k, vm_fault& vmf) {
  vm_area_struct& vma = *vmf.vma;
  vm_fault_t ret;
  if (!vma.vm_ops->fault) {
    co_return VM_FAULT_SIGBUS;
  } else if (!(vmf.flags & FAULT_FLAG_WRITE)) {
    ret = co_await do_read_fault(k, vmf);
  } else if (!(vma.vm_flags & VM_SHARED)) {
    ret = co_await do_cow_fault(k, vmf);
  } else {
    ret = co_await do_shared_fault(k, vmf);
  }
  if (vmf.prealloc_pte) {
    vma.vm_mm->pgtables->free_table(vmf.prealloc_pte);
    vmf.prealloc_pte = nullptr;
  }
  co_return ret;
}

Path<vm_fault_t> finish_fault(Kernel& k, vm_fault& vmf) {
  vm_area_struct& vma = *vmf.vma;
  mm_struct& mm = *vma.vm_mm;
  if (pmd_none(*vmf.pmd)) {
    if (vmf.prealloc_pte) {
      co_await pmd_install(k, mm, vmf.pmd, &vmf.prealloc_pte);
    } else {
      const vm_fault_t error = co_await __pte_alloc(k, mm, vmf.pmd);
      if (error) co_return error;
    }
  }
  vmf.ptl = &pte_lockptr(k, mm, vmf.pmd);
  vmf.pte = mm.pgtables->pte_offset(vmf.pmd, vmf.address);
  co_await spin_lock(*vmf.ptl);
  vm_fault_t ret;
  if (pte_none(*vmf.pte)) {
    pte_t entry = pte_mkdirty(mk_pte(vmf.cow_page, vma.vm_page_prot));
    if (vma.vm_flags & VM_WRITE) entry = pte_mkwrite(entry);
    k.engine.charge(k.costs.pte_install);
    set_pte(vmf.pte, entry);
    note_pte_set(k, vmf.address, entry.v, 0);
    ++mm.rss.anon;
    vmf.leaf_order = 0;
  } else {
    ret = VM_FAULT_NOPAGE;
  }
  spin_unlock(*vmf.ptl);
  co_return ret;
}

}  // namespace faultline
