// Taking VMAs out: munmap(2) and the overlap of mmap(2). Linux 6.12 mm/vma.c
// (vms_gather_munmap_vmas, vms_clear_ptes, vms_complete_munmap_vmas, do_vmi_munmap).
#include <cerrno>

#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_4_13.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/vm_account.hpp"
#include "kernel/mm/vma.hpp"
#include "kernel/mm/vma_merge.hpp"

namespace faultline {

Path<std::int64_t> vms_gather_munmap_vmas(Kernel& k, mm_struct& mm, vma_munmap_struct& vms) {
  vm_area_struct* const first = find_vma_intersection(mm, vms.start, vms.end);
  if (!first) co_return 0;
  // Which piece of a mapping is the old VMA, and which a copy: until 6.5 what stays is the old one.
  const bool keeps_outer = k.profile.mmap_region == MmapRegion::unmaps_first;
  if (vms.start > first->vm_start) {
    // Splitting in the middle makes one VMA more than there was room for.
    const bool middle = vms.end < first->vm_end;
    if (middle && mm.map_count >= k.profile.max_map_count) co_return -ENOMEM;
    const NewPart part = keeps_outer ? NewPart::above : NewPart::below;
    const std::int64_t error = co_await __split_vma(k, *first, vms.start, part);
    if (error) co_return error;
  }
  for (vm_area_struct* vma = find_vma_intersection(mm, vms.start, vms.end); vma;
       vma = find_vma_intersection(mm, vma->vm_end, vms.end)) {
    if (vma->vm_end > vms.end) {
      const NewPart part = keeps_outer ? NewPart::below : NewPart::above;
      const std::int64_t error = co_await __split_vma(k, *vma, vms.end, part);
      if (error) co_return error;
      if (keeps_outer) vma = find_vma_prev(mm, vms.end);
    }
    co_await vma_start_write(k, *vma);
    vma->detached = true;
    vms.vmas.push_back(vma);
    vms.nr_pages += vma_pages(*vma);
    if (vma->vm_flags & VM_ACCOUNT) vms.nr_accounted += vma_pages(*vma);
  }
  for (vm_area_struct* const vma : vms.vmas) mm.mm_mt.erase(*vma);
  mm.map_count -= vms.vmas.size();
  co_return 0;
}

Path<void> vms_clear_ptes(Kernel& k, mm_struct& mm, vma_munmap_struct& vms) {
  mmu_gather tlb;
  const vm_area_struct* const prev = find_vma_prev(mm, vms.start);
  const vm_area_struct* const next = find_vma(mm, vms.end);
  co_await unmap_vmas(k, tlb, vms.vmas);
  const Vaddr floor = prev ? prev->vm_end : Vaddr(0);
  const Vaddr ceiling = next ? next->vm_start : Vaddr(0);
  co_await free_pgtables(k, tlb, mm, vms.vmas, floor, ceiling);
  co_await tlb_finish_mmu(k, mm, tlb);
}

Path<void> unmap_region(Kernel& k, mm_struct& mm, vm_area_struct& vma) {
  mmu_gather tlb;
  vm_area_struct* const only[] = {&vma};
  const vm_area_struct* const prev = find_vma_prev(mm, vma.vm_start);
  const vm_area_struct* const next = find_vma(mm, vma.vm_end);
  co_await unmap_vmas(k, tlb, only);
  const Vaddr floor = prev ? prev->vm_end : Vaddr(0);
  const Vaddr ceiling = next ? next->vm_start : Vaddr(0);
  co_await free_pgtables(k, tlb, mm, only, floor, ceiling);
  co_await tlb_finish_mmu(k, mm, tlb);
}

Path<void> vms_complete_munmap_vmas(Kernel& k, mm_struct& mm, vma_munmap_struct& vms, bool unlock,
                                    bool cleared) {
  if (unlock) mmap_write_downgrade(k, mm);
  if (vms.vmas.empty()) co_return;
  if (!cleared) co_await vms_clear_ptes(k, mm, vms);
  for (vm_area_struct* const vma : vms.vmas) {
    vm_stat_account(mm, vma->vm_flags, -static_cast<std::int64_t>(vma_pages(*vma)));
    if (vma->vm_flags & VM_LOCKED) mm.locked_vm -= vma_pages(*vma);
    if (vma->vm_ops && vma->vm_ops->close) co_await vma_close(k, *vma);
    remove_vma(k, *vma);
  }
  vm_unacct_memory(k, vms.nr_accounted);
  if (unlock) mmap_read_unlock(k, mm);
}

Path<std::int64_t> do_vmi_munmap(Kernel& k, mm_struct& mm, Vaddr start, std::uint64_t len,
                                 bool unlock) {
  const Vaddr task_size(task_size_max(mm));
  if ((start.v & ~PAGE_MASK) || start > task_size || len > task_size - start) co_return -EINVAL;
  const std::uint64_t aligned = (len + PAGE_SIZE - 1) & PAGE_MASK;
  if (aligned == 0) co_return -EINVAL;
  vma_munmap_struct vms;
  vms.start = start;
  vms.end = start + aligned;
  if (!find_vma_intersection(mm, vms.start, vms.end)) {
    if (unlock) mmap_write_unlock(k, mm);
    co_return 0;
  }
  const std::int64_t error = co_await vms_gather_munmap_vmas(k, mm, vms);
  if (error) {
    for (vm_area_struct* const vma : vms.vmas) vma->detached = false;
    co_return error;
  }
  co_await vms_complete_munmap_vmas(k, mm, vms, unlock, false);
  co_return 0;
}

Path<std::int64_t> unmap_range(Kernel& k, mm_struct& mm, Vaddr start, std::uint64_t len,
                               bool unlock) {
  if (k.profile.mmap_region == MmapRegion::unmaps_first) {
    return v4_13::do_munmap(k, mm, start, len);
  }
  return do_vmi_munmap(k, mm, start, len, unlock);
}

}  // namespace faultline
