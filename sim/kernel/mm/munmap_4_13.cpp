// Unmapping as Linux 4.13 mm/mmap.c does it (do_munmap, unmap_region, remove_vma_list): VMAs leave
// the tree together, then their pages go, then each is closed and freed. All of it is under
// mmap_sem for writing; no later step is done with less. Left out: userfaultfd's list of what goes.
#include <cerrno>

#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_4_13.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/vm_account.hpp"
#include "kernel/mm/vma.hpp"
#include "kernel/mm/vma_merge.hpp"

namespace faultline::v4_13 {

namespace {

constexpr Vaddr TASK_SIZE{0x7ffffffff000};

std::vector<vm_area_struct*> detach_vmas_to_be_unmapped(mm_struct& mm, Vaddr start, Vaddr end) {
  std::vector<vm_area_struct*> vmas;
  for (vm_area_struct* vma = find_vma_intersection(mm, start, end); vma;
       vma = find_vma_intersection(mm, vma->vm_end, end)) {
    vma->detached = true;
    vmas.push_back(vma);
  }
  for (vm_area_struct* const vma : vmas) mm.mm_mt.erase(*vma);
  mm.map_count -= vmas.size();
  return vmas;
}

Path<void> unmap_region(Kernel& k, mm_struct& mm, std::span<vm_area_struct* const> vmas,
                        Vaddr start, Vaddr end) {
  mmu_gather tlb;
  const vm_area_struct* const prev = find_vma_prev(mm, start);
  const vm_area_struct* const next = find_vma(mm, end);
  co_await unmap_vmas(k, tlb, vmas);
  const Vaddr floor = prev ? prev->vm_end : Vaddr(0);
  const Vaddr ceiling = next ? next->vm_start : Vaddr(0);
  co_await free_pgtables(k, tlb, mm, vmas, floor, ceiling);
  co_await tlb_finish_mmu(k, mm, tlb);
}

Path<void> remove_vma_list(Kernel& k, mm_struct& mm, std::span<vm_area_struct* const> vmas) {
  std::uint64_t nr_accounted = 0;
  for (vm_area_struct* const vma : vmas) {
    const std::uint64_t pages = vma_pages(*vma);
    if (vma->vm_flags & VM_ACCOUNT) nr_accounted += pages;
    vm_stat_account(mm, vma->vm_flags, -static_cast<std::int64_t>(pages));
    co_await v4_13::remove_vma(k, *vma);
  }
  vm_unacct_memory(k, nr_accounted);
}

}  // namespace

Path<void> remove_vma(Kernel& k, vm_area_struct& vma) {
  if (vma.vm_ops && vma.vm_ops->close) {
    co_await vma.vm_ops->close(k, vma);
    vma.vm_ops = &vma_dummy_vm_ops;  // later kernels' mark that it was called, which checks look at
  }
  faultline::remove_vma(k, vma);
}

Path<std::int64_t> do_munmap(Kernel& k, mm_struct& mm, Vaddr start, std::uint64_t len) {
  if ((start.v & ~PAGE_MASK) || start > TASK_SIZE || len > TASK_SIZE - start) co_return -EINVAL;
  len = (len + PAGE_SIZE - 1) & PAGE_MASK;
  if (len == 0) co_return -EINVAL;
  const Vaddr end = start + len;
  vm_area_struct* const vma = find_vma_intersection(mm, start, end);
  if (!vma) co_return 0;
  if (start > vma->vm_start) {
    // Splitting in the middle makes one VMA more than there was room for.
    if (end < vma->vm_end && mm.map_count >= k.profile.max_map_count) co_return -ENOMEM;
    const std::int64_t error = co_await __split_vma(k, *vma, start, NewPart::above);
    if (error) co_return error;
  }
  vm_area_struct* const last = find_vma(mm, end);
  if (last && end > last->vm_start) {
    const std::int64_t error = co_await __split_vma(k, *last, end, NewPart::below);
    if (error) co_return error;
  }
  const std::vector<vm_area_struct*> vmas = detach_vmas_to_be_unmapped(mm, start, end);
  for (const vm_area_struct* const each : vmas) {
    if (each->vm_flags & VM_LOCKED) mm.locked_vm -= vma_pages(*each);
  }
  co_await unmap_region(k, mm, vmas, start, end);
  co_await remove_vma_list(k, mm, vmas);
  co_return 0;
}

}  // namespace faultline::v4_13
