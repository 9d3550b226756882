// Faulting a range in ahead of use: MAP_POPULATE and mlock. Linux 6.12 mm/gup.c __mm_populate,
// populate_vma_page_range. Each page is one handle_mm_fault under mmap_lock; errors end it
// silently.
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"

namespace faultline {

// One page of `vma`. RETRY: the fault has dropped mmap_lock.
static Path<vm_fault_t> faultin_page(Kernel& k, vm_area_struct& vma, Vaddr address) {
  std::uint32_t flags = FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE;
  // A private writable page is broken out at once; a shared one is only read in.
  if ((vma.vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE) flags |= FAULT_FLAG_WRITE;
  const vm_fault_t ret = co_await handle_mm_fault(k, vma, address, flags);
  co_return ret;
}

static bool is_present(const mm_struct& mm, Vaddr address) {
  const EntryAt at = mm.pgtables->lookup(address);
  return (*at.entry & PTE_P) != 0 && at.level <= PtLevel::pmd;
}

static bool is_populated(const mm_struct& mm, Vaddr address, bool write) {
  return is_present(mm, address) && (!write || (*mm.pgtables->lookup(address).entry & PTE_RW));
}

Path<void> populate_vma_page_range(Kernel& k, vm_area_struct& vma, Vaddr start, Vaddr end) {
  std::uint32_t flags = 0;  // nobody may drop the caller's lock
  if ((vma.vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE) flags |= FAULT_FLAG_WRITE;
  for (Vaddr address = start; address < end; address += PAGE_SIZE) {
    if (is_populated(*vma.vm_mm, address, flags & FAULT_FLAG_WRITE)) continue;
    const vm_fault_t ret = co_await handle_mm_fault(k, vma, address, flags);
    if (ret & VM_FAULT_ERROR) co_return;
  }
}

Path<void> mm_populate(Kernel& k, Vaddr start, std::uint64_t len) {
  mm_struct& mm = *k.current().mm;
  const Vaddr end = start + len;
  bool locked = false;
  for (Vaddr address = start; address < end;) {
    if (!locked) co_await mmap_read_lock(k, mm);
    locked = true;
    vm_area_struct* const vma = find_vma_intersection(mm, address, end);
    if (!vma) break;
    if (address < vma->vm_start) address = vma->vm_start;
    if (vma->vm_flags & (VM_IO | VM_PFNMAP)) {
      address = vma->vm_end;
      continue;
    }
    if (!is_present(mm, address)) {
      const vm_fault_t ret = co_await faultin_page(k, *vma, address);
      if (ret & VM_FAULT_ERROR) break;
      if (ret & (VM_FAULT_RETRY | VM_FAULT_COMPLETED)) {
        locked = false;
        continue;
      }
    }
    address += PAGE_SIZE;
  }
  if (locked) mmap_read_unlock(k, mm);
}

}  // namespace faultline
