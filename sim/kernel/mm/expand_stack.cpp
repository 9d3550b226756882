// Stack growth: see the header. Since 6.5 under mmap_lock held for writing; before, for reading.
#include "kernel/mm/expand_stack.hpp"

#include <cerrno>

#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/vm_account.hpp"

namespace faultline {

// Whether the VMA may be `grow` pages larger, `size` bytes in all.
static int acct_stack_growth(Kernel& k, const vm_area_struct& vma, std::uint64_t size,
                             std::uint64_t grow) {
  mm_struct& mm = *vma.vm_mm;
  if (!may_expand_vm(k, mm, vma.vm_flags, static_cast<std::int64_t>(grow))) return -ENOMEM;
  if (size > k.current().rlim[RLIMIT_STACK_]) return -ENOMEM;
  if (!mlock_future_ok(k, mm, vma.vm_flags, grow << PAGE_SHIFT)) return -ENOMEM;
  return vm_enough_memory(k, mm, grow);
}

static HelperPath<std::int64_t> grow_under_locks(Kernel& k, vm_area_struct& vma, Vaddr address) {
  mm_struct& mm = *vma.vm_mm;
  if (address >= vma.vm_start) co_return 0;  // another thread was faster
  const std::uint64_t grow = (vma.vm_start - address) >> PAGE_SHIFT;
  if (grow > vma.vm_pgoff.v) co_return -ENOMEM;
  const int error = acct_stack_growth(k, vma, vma.vm_end - address, grow);
  if (error) co_return error;
  co_await spin_lock(mm.page_table_lock);
  if (vma.vm_flags & VM_LOCKED) mm.locked_vm += grow;
  vm_stat_account(mm, vma.vm_flags, static_cast<std::int64_t>(grow));
  vma.vm_start = address;
  vma.vm_pgoff = Pgoff(vma.vm_pgoff.v - grow);
  mm.mm_mt.refresh(vma);
  k.engine.charge(k.costs.vma_change);
  spin_unlock(mm.page_table_lock);
  co_return 0;
}

Path<std::int64_t> expand_downwards(Kernel& k, vm_area_struct& vma, Vaddr at) {
  const Vaddr address(at.v & PAGE_MASK);
  if (!(vma.vm_flags & VM_GROWSDOWN)) co_return -EFAULT;
  if (address.v < k.profile.mmap_min_addr) co_return -EPERM;
  const vm_area_struct* const prev = find_vma_prev(*vma.vm_mm, address);
  const std::uint64_t gap = k.profile.stack_guard_gap << PAGE_SHIFT;
  if (prev && !(prev->vm_flags & VM_GROWSDOWN) && vma_is_accessible(*prev) &&
      address - prev->vm_end < gap) {
    co_return -ENOMEM;
  }
  // A gap that vanishes takes a node of the tree.
  if (prev && prev->vm_end == address) k.might_alloc();
  const bool prepares = !vma.anon_vma;
  if (prepares && k.inject.fails(FailPoint::anon_vma_prepare)) co_return -ENOMEM;
  if (prepares) co_await __anon_vma_prepare(k, vma);
  co_await vma_start_write(k, vma);
  rw_semaphore& rmap = vma.anon_vma->root->rwsem;
  co_await down_write(rmap);
  const std::int64_t error = co_await grow_under_locks(k, vma, address);
  up_write(rmap);
  co_return error;
}

}  // namespace faultline
