// Faults on file mappings: read, private write, shared write. Linux 6.12 mm/memory.c do_fault and
// its three cases, __do_fault, finish_fault. For DAX the file system's handler installs the entry
// itself and returns NOPAGE, so the stages after it do not run.
#include <algorithm>

#include "kernel/mm/filemap.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/tlb.hpp"

namespace faultline {

// The frame of a page of the file; a driver's page may stand at any offset of a mapping.
static Pfn page_of(const folio& f, std::uint64_t index) {
  return f.order == 0 ? f.pfn : f.page(index);
}

vm_fault_t vmf_can_call_fault(const vm_fault& vmf) {
  if (vmf.vma->vm_ops->map_pages || !(vmf.flags & FAULT_FLAG_VMA_LOCK)) return {};
  vma_end_read(*vmf.vma);
  return VM_FAULT_RETRY;
}

// Whether ->fault has left a locked page in vmf.folio that is still to be mapped.
static bool has_page(vm_fault_t ret) {
  return !(ret & (VM_FAULT_ERROR | VM_FAULT_NOPAGE | VM_FAULT_RETRY | VM_FAULT_DONE_COW));
}

// In the second case with a reference to the page, for the caller to drop.
static Path<vm_fault_t> __do_fault(Kernel& k, vm_fault& vmf) {
  if (k.profile.fault_preallocates && pmd_none(*vmf.pmd) && !vmf.prealloc_pte) {
    // Before ->fault locks a page: an allocation under it could wait for its write-back.
    vmf.prealloc_pte = pte_alloc_one(k, *vmf.vma->vm_mm);
    if (!vmf.prealloc_pte) co_return VM_FAULT_OOM;
  }
  const vm_fault_t ret = co_await vmf.vma->vm_ops->fault(k, vmf);
  const bool page = !(ret & (VM_FAULT_ERROR | VM_FAULT_NOPAGE | VM_FAULT_RETRY | VM_FAULT_DONE_COW |
                             VM_FAULT_LOCKED));
  if (has_page(ret)) folio_get(*vmf.folio);
  if (page) co_await folio_lock(k, *vmf.folio);  // the handler has left that to us
  co_return ret;
}

static bool should_do_fault_around(const Kernel& k, const vm_fault& vmf) {
  return vmf.vma->vm_ops->map_pages && k.profile.fault_around_bytes >> PAGE_SHIFT > 1;
}

// The window is aligned down to its size, then clipped to the VMA and the PTE table.
static Path<vm_fault_t> do_fault_around(Kernel& k, vm_fault& vmf) {
  if (pmd_none(*vmf.pmd)) {
    vmf.prealloc_pte = pte_alloc_one(k, *vmf.vma->vm_mm);
    if (!vmf.prealloc_pte) co_return VM_FAULT_OOM;
  }
  const std::uint64_t nr_pages = k.profile.fault_around_bytes >> PAGE_SHIFT;
  const std::uint64_t pte_off = (vmf.address.v >> PAGE_SHIFT) & 511;
  const std::uint64_t vma_off = vmf.pgoff - vmf.vma->vm_pgoff;
  const std::uint64_t from =
      std::max(pte_off & ~(nr_pages - 1), pte_off - std::min(pte_off, vma_off));
  const std::uint64_t to =
      std::min({from + nr_pages, std::uint64_t{512}, pte_off + vma_pages(*vmf.vma) - vma_off}) - 1;
  const vm_fault_t ret = co_await vmf.vma->vm_ops->map_pages(
      k, vmf, Pgoff(vmf.pgoff.v + from - pte_off), Pgoff(vmf.pgoff.v + to - pte_off));
  co_return ret;
}

static Path<vm_fault_t> do_read_fault(Kernel& k, vm_fault& vmf) {
  if (should_do_fault_around(k, vmf)) {
    const vm_fault_t around = co_await do_fault_around(k, vmf);
    if (around) co_return around;
  }
  const vm_fault_t callable = vmf_can_call_fault(vmf);
  if (callable) co_return callable;
  vm_fault_t ret = co_await __do_fault(k, vmf);
  if (!has_page(ret)) co_return ret;
  ret |= co_await finish_fault(k, vmf);
  folio_unlock(k, *vmf.folio);
  folio_put(k, *vmf.folio);
  co_return ret;
}

static Path<vm_fault_t> do_cow_fault(Kernel& k, vm_fault& vmf) {
  vm_fault_t ret = vmf_can_call_fault(vmf);
  if (ret) co_return ret;
  ret = co_await vmf_anon_prepare(k, vmf);
  if (ret) co_return ret;
  k.might_alloc();
  const std::optional<Pfn> folio = k.alloc_anon_page();
  if (!folio) co_return VM_FAULT_OOM;
  vmf.has_cow_page = true;
  vmf.cow_page = *folio;
  ret = co_await __do_fault(k, vmf);
  const bool failed = bool(ret & (VM_FAULT_ERROR | VM_FAULT_NOPAGE | VM_FAULT_RETRY));
  if (failed) k.frames.put(*folio);
  if (failed || !has_page(ret)) co_return ret;
  copy_page(k, *folio, page_of(*vmf.folio, vmf.pgoff.v));
  k.engine.charge(k.costs.page_copy);
  const vm_fault_t finished = co_await finish_fault(k, vmf);
  if (finished) k.frames.put(*folio);
  folio_unlock(k, *vmf.folio);
  folio_put(k, *vmf.folio);
  co_return ret | finished;
}

// The part of do_shared_fault() that has the page, locked.
static HelperPath<vm_fault_t> map_shared_page(Kernel& k, vm_fault& vmf, vm_fault_t ret) {
  if (vmf.vma->vm_ops->page_mkwrite) {
    folio_unlock(k, *vmf.folio);
    const vm_fault_t allowed = co_await do_page_mkwrite(k, vmf);
    if (!allowed || (allowed & (VM_FAULT_ERROR | VM_FAULT_NOPAGE))) co_return allowed;
  }
  ret |= co_await finish_fault(k, vmf);
  if (ret & (VM_FAULT_ERROR | VM_FAULT_NOPAGE | VM_FAULT_RETRY)) {
    folio_unlock(k, *vmf.folio);
    co_return ret;
  }
  ret |= co_await fault_dirty_shared_page(k, vmf);
  co_return ret;
}

static Path<vm_fault_t> do_shared_fault(Kernel& k, vm_fault& vmf) {
  const vm_fault_t callable = vmf_can_call_fault(vmf);
  if (callable) co_return callable;
  vm_fault_t ret = co_await __do_fault(k, vmf);
  if (!has_page(ret)) co_return ret;
  ret = co_await map_shared_page(k, vmf, ret);
  folio_put(k, *vmf.folio);
  co_return ret;
}

// A mapping that cannot be filled by faults: its entry may only have been gone for a moment.
static HelperPath<vm_fault_t> no_fault_handler(Kernel& k, vm_fault& vmf) {
  if (pmd_none(*vmf.pmd)) co_return VM_FAULT_SIGBUS;
  mm_struct& mm = *vmf.vma->vm_mm;
  spinlock_t& ptl = pte_lockptr(k, mm, vmf.pmd);
  co_await spin_lock(ptl);
  const bool none = pte_none(*mm.pgtables->pte_offset(vmf.pmd, vmf.address));
  spin_unlock(ptl);
  co_return none ? VM_FAULT_SIGBUS : VM_FAULT_NOPAGE;
}

// do_fault() where a table may be allocated beforehand and left over; in call paths under its name.
static Path<vm_fault_t> do_fault(Kernel& k, vm_fault& vmf, vm_area_struct& vma) {
  vm_fault_t ret;
  if (!vma.vm_ops->fault) {
    ret = co_await no_fault_handler(k, vmf);
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

Path<vm_fault_t> do_fault(Kernel& k, vm_fault& vmf) {
  vm_area_struct& vma = *vmf.vma;
  const bool shared_write = (vmf.flags & FAULT_FLAG_WRITE) && (vma.vm_flags & VM_SHARED);
  if (!shared_write || !vma.vm_ops->fault || pmd_none(*vmf.pmd) || vmf.prealloc_pte) {
    return do_fault(k, vmf, vma);
  }
  const TailCall call(k);
  return call.to(do_shared_fault(k, vmf));
}

void set_pte_range(Kernel& k, vm_fault& vmf, folio& folio, pte_ptr slot, Vaddr address) {
  vm_area_struct& vma = *vmf.vma;
  const std::uint64_t index = linear_page_index(vma, address).v;
  const bool write = vmf.flags & FAULT_FLAG_WRITE;
  const bool cow = write && !(vma.vm_flags & VM_SHARED);
  pte_t entry = mk_pte(cow ? vmf.cow_page : page_of(folio, index), vma.vm_page_prot);
  if (write) entry = pte_mkdirty(entry);
  if (write && (vma.vm_flags & VM_WRITE)) entry = pte_mkwrite(entry);
  // The first store will not be noticed then, which for a dirty page nobody needs to know.
  if (!write && pte_write(entry) && folio.dirty) entry = pte_mkdirty(entry);
  if (cow) {
    ++vma.vm_mm->rss.anon;
  } else {
    ++mm_counter_file(*vma.vm_mm, folio);
    ++folio.mapcount;
    ++folio.refs;
  }
  k.engine.charge(k.costs.pte_install);
  set_pte(slot, entry);
  note_pte_set(k, address, entry.v, 0);
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
  const bool unchanged =
      vmf.flags & FAULT_FLAG_ORIG_PTE_VALID ? pte_same(*vmf.pte, vmf.orig_pte) : pte_none(*vmf.pte);
  if (unchanged && vmf.folio) {
    set_pte_range(k, vmf, *vmf.folio, vmf.pte, vmf.address);
    vmf.leaf_order = 0;
  } else if (unchanged) {  // a private copy that the file system has filled (DAX)
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
