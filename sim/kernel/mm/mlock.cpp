// mlock(2) and munlock(2). Linux 6.12 mm/mlock.c. Left out: the LRU list of unevictable pages, of
// which only the walk over the page tables is seen, and mlock2's MLOCK_ONFAULT.
#include <cerrno>

#include "kernel/mm/madvise.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/vm_account.hpp"
#include "kernel/mm/vma_merge.hpp"

namespace faultline {

static std::uint64_t pages_locked_in(const mm_struct& mm, Vaddr start, Vaddr end) {
  std::uint64_t pages = 0;
  for (const vm_area_struct* vma = find_vma_intersection(mm, start, end); vma;
       vma = find_vma_intersection(mm, vma->vm_end, end)) {
    if (!(vma->vm_flags & VM_LOCKED)) continue;
    const Vaddr from = start < vma->vm_start ? vma->vm_start : start;
    const Vaddr to = vma->vm_end < end ? vma->vm_end : end;
    pages += (to - from) >> PAGE_SHIFT;
  }
  return pages;
}

// The pages that are there move to, or from, the list of those that are never reclaimed.
static Path<void> mlock_vma_pages_range(Kernel& k, vm_area_struct& vma, Vaddr start, Vaddr end,
                                        vm_flags_t flags) {
  co_await vma_start_write(k, vma);
  vma.vm_flags = flags;
  for (Vaddr addr = start; addr < end;) {
    const PmdStep step = next_pmd(*vma.vm_mm->pgtables, addr, end);
    if (step.pmd) {
      spinlock_t& ptl =
          pmd_leaf(*step.pmd) ? pmd_lockptr(k, step.pmd) : pte_lockptr(k, *vma.vm_mm, step.pmd);
      co_await spin_lock(ptl);
      spin_unlock(ptl);
    }
    addr = step.next;
  }
}

static Path<std::int64_t> mlock_fixup(Kernel& k, vm_area_struct& old, Vaddr start, Vaddr end,
                                      vm_flags_t flags, Vaddr* next) {
  const vm_flags_t old_flags = old.vm_flags;
  *next = end;
  const bool dax = old.vm_file && old.vm_file->f_inode->dax;
  // A special mapping, a DAX file: skipped silently.
  if (flags == old_flags || dax || (old_flags & (VM_SPECIAL | VM_HUGETLB | VM_DROPPABLE))) {
    co_return 0;
  }
  vm_area_struct* vma = nullptr;
  const std::int64_t error = co_await vma_modify_flags(k, old, start, end, flags, &vma);
  if (error) co_return error;
  mm_struct& mm = *vma->vm_mm;
  const std::uint64_t pages = (end - start) >> PAGE_SHIFT;
  if (*next < vma->vm_end) *next = vma->vm_end;
  if (!(flags & VM_LOCKED)) {
    mm.locked_vm -= pages;
  } else if (!(old_flags & VM_LOCKED)) {
    mm.locked_vm += pages;
  } else {
    co_await vma_start_write(k, *vma);
    vma->vm_flags = flags;
    co_return 0;
  }
  co_await mlock_vma_pages_range(k, *vma, start, end, flags);
  co_return 0;
}

static Path<std::int64_t> apply_vma_lock_flags(Kernel& k, mm_struct& mm, Vaddr start, Vaddr end,
                                               vm_flags_t flags) {
  if (end < start) co_return -EINVAL;
  while (start < end) {
    vm_area_struct* const vma = vma_lookup(mm, start);
    if (!vma) co_return -ENOMEM;
    const vm_flags_t wanted = (vma->vm_flags & ~VM_LOCKED_MASK) | flags;
    const Vaddr stop = vma->vm_end < end ? vma->vm_end : end;
    const std::int64_t error = co_await mlock_fixup(k, *vma, start, stop, wanted, &start);
    if (error) co_return error;
  }
  co_return 0;
}

Path<std::int64_t> do_mlock(Kernel& k, std::uint64_t address, std::uint64_t length) {
  if (!can_do_mlock(k)) co_return -EPERM;
  const std::uint64_t len = (length + (address & ~PAGE_MASK) + PAGE_SIZE - 1) & PAGE_MASK;
  const Vaddr start(address & PAGE_MASK);
  const Vaddr end = start + len;
  const task_struct& current = k.current();
  const bool free_of_limits = capable(current, CAP_IPC_LOCK);
  const std::uint64_t bytes = current.rlim[RLIMIT_MEMLOCK_];
  const std::uint64_t limit = bytes == RLIM_INFINITY_ ? ~0ULL : bytes >> PAGE_SHIFT;
  mm_struct& mm = *current.mm;
  bool taken = false;
  co_await mmap_write_lock(k, mm, &taken);
  if (!taken) co_return -EINTR;
  std::uint64_t locked = (len >> PAGE_SHIFT) + mm.locked_vm;
  if (locked > limit && !free_of_limits) locked -= pages_locked_in(mm, start, end);
  std::int64_t error = -ENOMEM;
  if (locked <= limit || free_of_limits) {
    error = co_await apply_vma_lock_flags(k, mm, start, end, VM_LOCKED);
  }
  mmap_write_unlock(k, mm);
  if (error) co_return error;
  // What cannot be faulted in is an error here; the mapping stays locked.
  const std::int64_t populated = co_await mm_populate(k, start, len);
  co_return populated == -EFAULT ? -ENOMEM : populated == -ENOMEM ? -EAGAIN : populated;
}

Path<std::int64_t> do_munlock(Kernel& k, std::uint64_t address, std::uint64_t length) {
  const std::uint64_t len = (length + (address & ~PAGE_MASK) + PAGE_SIZE - 1) & PAGE_MASK;
  const Vaddr start(address & PAGE_MASK);
  mm_struct& mm = *k.current().mm;
  bool taken = false;
  co_await mmap_write_lock(k, mm, &taken);
  if (!taken) co_return -EINTR;
  const std::int64_t error = co_await apply_vma_lock_flags(k, mm, start, start + len, 0);
  mmap_write_unlock(k, mm);
  co_return error;
}

}  // namespace faultline
