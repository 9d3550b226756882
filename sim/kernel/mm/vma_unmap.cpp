// Splitting VMAs and taking them out: munmap(2) and the overlap of mmap(2). Linux 6.12 mm/vma.c
// (__split_vma, vms_gather_munmap_vmas, vms_clear_ptes, vms_complete_munmap_vmas, do_vmi_munmap).
#include <cerrno>

#include "kernel/mm/huge_memory.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/vm_account.hpp"
#include "kernel/mm/vma.hpp"
#include "kernel/mm/vma_merge.hpp"

namespace faultline {

namespace {
enum class NewPart { below, above };
constexpr Vaddr TASK_SIZE{0x7ffffffff000};
}  // namespace

// Cuts `vma` at `addr`; the new VMA is the part below or above it.
static Path<std::int64_t> __split_vma(Kernel& k, vm_area_struct& vma, Vaddr addr, NewPart part) {
  mm_struct& mm = *vma.vm_mm;
  vm_area_struct& fresh = vm_area_dup(k, vma);
  if (part == NewPart::below) {
    fresh.vm_end = addr;
  } else {
    fresh.vm_start = addr;
    fresh.vm_pgoff += (addr - vma.vm_start) >> PAGE_SHIFT;
  }
  co_await vma_start_write(k, vma);
  co_await vma_start_write(k, fresh);

  // vma_prepare(): the reverse map must not see a half-changed pair.
  address_space* const mapping = vma.vm_file ? &vma.vm_file->f_inode->i_data : nullptr;
  if (mapping) co_await down_write(mapping->i_mmap_rwsem);
  if (vma.anon_vma) co_await down_write(vma.anon_vma->rwsem);
  co_await vma_adjust_trans_huge(k, vma, addr);
  mm.mm_mt.erase(vma.vm_end.v);
  if (part == NewPart::below) {
    vma.vm_pgoff += (addr - vma.vm_start) >> PAGE_SHIFT;
    vma.vm_start = addr;
  } else {
    vma.vm_end = addr;
  }
  mm.mm_mt.emplace(vma.vm_end.v, &vma);
  mm.mm_mt.emplace(fresh.vm_end.v, &fresh);
  fresh.unlinked = false;
  ++mm.map_count;
  k.engine.charge(k.costs.vma_change);
  // vma_complete()
  if (mapping) mapping->i_mmap.push_back(&fresh);
  if (vma.anon_vma) up_write(vma.anon_vma->rwsem);
  if (mapping) up_write(mapping->i_mmap_rwsem);
  co_return 0;
}

Path<std::int64_t> vms_gather_munmap_vmas(Kernel& k, mm_struct& mm, vma_munmap_struct& vms) {
  vm_area_struct* const first = find_vma_intersection(mm, vms.start, vms.end);
  if (!first) co_return 0;
  if (vms.start > first->vm_start) {
    // Splitting in the middle makes one VMA more than there was room for.
    const bool middle = vms.end < first->vm_end;
    if (middle && mm.map_count >= k.profile.max_map_count) co_return -ENOMEM;
    const std::int64_t error = co_await __split_vma(k, *first, vms.start, NewPart::below);
    if (error) co_return error;
  }
  for (vm_area_struct* vma = find_vma_intersection(mm, vms.start, vms.end); vma;
       vma = find_vma_intersection(mm, vma->vm_end, vms.end)) {
    if (vma->vm_end > vms.end) {
      const std::int64_t error = co_await __split_vma(k, *vma, vms.end, NewPart::above);
      if (error) co_return error;
    }
    co_await vma_start_write(k, *vma);
    vma->detached = true;
    vms.vmas.push_back(vma);
    vms.nr_pages += vma_pages(*vma);
    if (vma->vm_flags & VM_ACCOUNT) vms.nr_accounted += vma_pages(*vma);
  }
  for (vm_area_struct* const vma : vms.vmas) mm.mm_mt.erase(vma->vm_end.v);
  mm.map_count -= vms.vmas.size();
  co_return 0;
}

Path<void> vms_clear_ptes(Kernel& k, mm_struct& mm, vma_munmap_struct& vms) {
  mmu_gather tlb;
  const vm_area_struct* const prev = find_vma_prev(mm, vms.start);
  const vm_area_struct* const next = find_vma(mm, vms.end);
  for (vm_area_struct* const vma : vms.vmas) {
    co_await unmap_page_range(k, tlb, *vma, vma->vm_start, vma->vm_end);
  }
  const Vaddr floor = prev ? prev->vm_end : Vaddr(0);
  const Vaddr ceiling = next ? next->vm_start : Vaddr(0);
  co_await free_pgtables(k, tlb, mm, vms.vmas, floor, ceiling);
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
    remove_vma(k, *vma);
  }
  vm_unacct_memory(k, vms.nr_accounted);
  if (unlock) mmap_read_unlock(k, mm);
}

Path<std::int64_t> do_vmi_munmap(Kernel& k, mm_struct& mm, Vaddr start, std::uint64_t len,
                                 bool unlock) {
  if ((start.v & ~PAGE_MASK) || start > TASK_SIZE || len > TASK_SIZE - start) co_return -EINVAL;
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
    for (vm_area_struct* const vma : vms.vmas) {
      if (!mm.mm_mt.count(vma->vm_end.v)) reattach_vma(*vma);
      vma->detached = false;
    }
    co_return error;
  }
  co_await vms_complete_munmap_vmas(k, mm, vms, unlock, false);
  co_return 0;
}

}  // namespace faultline
