// Faulting a range in ahead of use: MAP_POPULATE, mlock and MADV_POPULATE. Linux 6.12 mm/gup.c
// __mm_populate, populate_vma_page_range, faultin_page_range, __get_user_pages. Each page is looked
// for in the tables, faulted in under mmap_lock and looked for again. Left out: references to the
// pages.
#include <cerrno>

#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"

namespace faultline {

// One page of `vma`. RETRY: the fault has dropped mmap_lock.
static Path<vm_fault_t> faultin_page(Kernel& k, vm_area_struct& vma, Vaddr address, bool write,
                                     bool unlockable) {
  std::uint32_t flags = write ? FAULT_FLAG_WRITE : 0;
  if (unlockable) flags |= FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE;
  const vm_fault_t ret = co_await handle_mm_fault(k, vma, address, flags);
  co_return ret;
}

// Whether there is an entry that a load, or a store, needs no fault for.
static bool is_populated(const mm_struct& mm, Vaddr address, bool write) {
  const EntryAt at = mm.pgtables->lookup(address);
  const bool present = (*at.entry & PTE_P) != 0 && at.level <= PtLevel::pud;
  return present && (!write || (*at.entry & PTE_RW));
}

static std::int64_t vm_fault_to_errno(vm_fault_t ret) {
  return ret & VM_FAULT_OOM ? -ENOMEM : -EFAULT;
}

// follow_page_mask(): looks for the page, under the lock of the table that its entry is in. The
// address behind the page; `address` itself if it has to be faulted in. A huge page is passed as a
// whole, but the entry of a device stands for no page: those are passed one by one.
static Path<Vaddr> follow_page_mask(Kernel& k, const vm_area_struct& vma, Vaddr address,
                                    bool write) {
  const mm_struct& mm = *vma.vm_mm;
  const EntryAt at = mm.pgtables->lookup(address);
  const bool huge = at.level == PtLevel::pmd && (*at.entry & PTE_P) != 0;
  spinlock_t* ptl = nullptr;
  if (at.level == PtLevel::pte) ptl = &ptlock_of(k, *TablePool::table_of(at.entry));
  if (huge) ptl = &pmd_lockptr(k, pmd_ptr(at.entry));
  const bool gigantic = at.level == PtLevel::pud && (*at.entry & PTE_P) != 0;
  if (gigantic) ptl = &pud_lockptr(*vma.vm_mm);
  if (ptl) co_await spin_lock(*ptl);
  const bool found = is_populated(mm, address, write);
  const bool devmap = huge && !k.profile.dax_folios && k.pmem_of(pmd_pfn(pmd_t{*at.entry}));
  if (ptl) spin_unlock(*ptl);
  if (!found) co_return address;
  if (gigantic) co_return Vaddr((address.v | (PUD_SIZE - 1)) + 1);
  co_return huge && !devmap ? Vaddr((address.v | ~PMD_MASK) + 1) : address + PAGE_SIZE;
}

// Moves `address` on over what is there. Once `locked` is false mmap_lock is not held any more.
static Path<std::int64_t> __get_user_pages(Kernel& k, vm_area_struct& vma, Vaddr* address,
                                           Vaddr end, bool write, bool* locked) {
  while (*address < end) {
    if (fatal_signal_pending(k.current())) co_return -EINTR;
    const Vaddr next = co_await follow_page_mask(k, vma, *address, write);
    if (next == *address) {
      const vm_fault_t ret = co_await faultin_page(k, vma, *address, write, locked != nullptr);
      if (ret & VM_FAULT_ERROR) co_return vm_fault_to_errno(ret);
      if (ret & (VM_FAULT_RETRY | VM_FAULT_COMPLETED)) {
        *locked = false;
        co_return 0;  // the VMA may be gone: the caller looks it up again
      }
    } else {
      *address = next < end ? next : end;
    }
  }
  co_return 0;
}

Path<std::int64_t> faultin_page_range(Kernel& k, vm_area_struct& vma, Vaddr* address, Vaddr end,
                                      bool write, bool* locked) {
  const std::int64_t result = co_await __get_user_pages(k, vma, address, end, write, locked);
  co_return result;
}

// A private writable page is broken out at once; a shared one is only read in.
static bool populates_by_writing(const vm_area_struct& vma) {
  return (vma.vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;
}

Path<std::int64_t> populate_vma_page_range(Kernel& k, vm_area_struct& vma, Vaddr* start, Vaddr end,
                                           bool* locked) {
  if (!vma_is_accessible(vma)) co_return -EFAULT;  // nothing may be forced in
  const bool write = populates_by_writing(vma);
  const std::int64_t result = co_await __get_user_pages(k, vma, start, end, write, locked);
  co_return result;
}

Path<std::int64_t> mm_populate(Kernel& k, Vaddr start, std::uint64_t len) {
  mm_struct& mm = *k.current().mm;
  const Vaddr end = start + len;
  bool locked = false;
  std::int64_t result = 0;
  for (Vaddr address = start; address < end && result == 0;) {
    if (!locked) co_await mmap_read_lock(k, mm);
    locked = true;
    vm_area_struct* const vma = find_vma_intersection(mm, address, end);
    if (!vma) break;
    if (address < vma->vm_start) address = vma->vm_start;
    if (vma->vm_flags & (VM_IO | VM_PFNMAP)) {
      address = vma->vm_end;
      continue;
    }
    const Vaddr stop = vma->vm_end < end ? vma->vm_end : end;
    if (vma->vm_flags & VM_LOCKONFAULT) {
      address = stop;
      continue;
    }
    result = co_await populate_vma_page_range(k, *vma, &address, stop, &locked);
  }
  if (locked) mmap_read_unlock(k, mm);
  co_return result;
}

}  // namespace faultline
