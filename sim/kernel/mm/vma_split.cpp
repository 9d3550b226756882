// Splitting VMAs, and setting the range of one apart so that its flags can change. Linux 6.12
// mm/vma.c (__split_vma, split_vma, vma_modify) and kernel/fork.c (vm_area_dup).
#include <cerrno>

#include "kernel/mm/huge_memory.hpp"
#include "kernel/mm/i_mmap.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/vma_merge.hpp"

namespace faultline {

Path<vm_area_struct*> vm_area_dup(Kernel& k, const vm_area_struct& original, mm_struct& mm) {
  if (k.inject.fails(FailPoint::vm_area_dup)) co_return nullptr;
  vm_area_struct& copy = vm_area_alloc(k, mm);
  copy.vm_mm = original.vm_mm;
  copy.vm_start = original.vm_start;
  copy.vm_end = original.vm_end;
  copy.vm_pgoff = original.vm_pgoff;
  copy.vm_flags = original.vm_flags;
  copy.vm_page_prot = original.vm_page_prot;
  copy.vm_file = original.vm_file;
  copy.vm_ops = original.vm_ops;
  copy.anon_vma = original.anon_vma;
  copy.vm_private_data = original.vm_private_data;
  // A flag belongs to one VMA; a context is counted.
  const bool counted = k.profile.pfnmap_tracking == PfnmapTracking::context;
  copy.pfnmap_tracked = counted && original.pfnmap_tracked;
  if (copy.vm_file) ++copy.vm_file->f_count;
  // untrack_pfn_clear(): a change of its flags, made under the lock of the mm it was copied from.
  const bool untracks = k.profile.dup_untracks_pfns && (copy.vm_flags & VM_PFNMAP);
  if (untracks) co_await vma_start_write(k, copy);
  copy.vm_mm = &mm;
  co_return &copy;
}

Path<std::int64_t> __split_vma(Kernel& k, vm_area_struct& vma, Vaddr addr, NewPart part) {
  mm_struct& mm = *vma.vm_mm;
  if (vma.vm_ops && vma.vm_ops->may_split) {
    const std::int64_t error = co_await vma.vm_ops->may_split(k, vma, addr);
    if (error) co_return error;
  }
  vm_area_struct* const copy = co_await vm_area_dup(k, vma, mm);
  if (!copy) co_return -ENOMEM;
  vm_area_struct& fresh = *copy;
  if (part == NewPart::below) {
    fresh.vm_end = addr;
  } else {
    fresh.vm_start = addr;
    fresh.vm_pgoff += (addr - vma.vm_start) >> PAGE_SHIFT;
  }
  co_await anon_vma_clone(k, fresh, vma);
  if (fresh.vm_ops && fresh.vm_ops->open) co_await fresh.vm_ops->open(k, fresh);
  co_await vma_start_write(k, vma);
  co_await vma_start_write(k, fresh);

  // vma_prepare(): the reverse map must not see a half-changed pair.
  address_space* const mapping = vma.vm_file ? &vma.vm_file->f_inode->i_data : nullptr;
  rw_semaphore* const rmap = vma.anon_vma ? &vma.anon_vma->root->rwsem : nullptr;
  if (mapping) co_await down_write(mapping->i_mmap_rwsem);
  if (rmap) co_await down_write(*rmap);
  if (mapping) mapping->i_mmap.remove(vma);
  co_await vma_adjust_trans_huge(k, vma, addr);
  if (part == NewPart::below) {
    vma.vm_pgoff += (addr - vma.vm_start) >> PAGE_SHIFT;
    vma.vm_start = addr;
    mm.mm_mt.refresh(vma);
  } else {
    mm.mm_mt.erase(vma);
    vma.vm_end = addr;
    mm.mm_mt.insert(vma);
  }
  mm.mm_mt.insert(fresh);
  fresh.unlinked = false;
  ++mm.map_count;
  k.engine.charge(k.costs.vma_change);
  // vma_complete()
  if (mapping) {
    __vma_link_file(k, fresh, *mapping);
    mapping->i_mmap.insert(vma);
  }
  if (rmap) up_write(*rmap);
  if (mapping) up_write(mapping->i_mmap_rwsem);
  co_return 0;
}

Path<std::int64_t> split_vma(Kernel& k, vm_area_struct& vma, Vaddr addr, NewPart part) {
  if (vma.vm_mm->map_count >= k.profile.max_map_count) co_return -ENOMEM;
  const std::int64_t error = co_await __split_vma(k, vma, addr, part);
  co_return error;
}

Path<std::int64_t> vma_modify_flags(Kernel& k, vm_area_struct& vma, Vaddr start, Vaddr end,
                                    vm_flags_t flags, vm_area_struct** out) {
  const MergeRequest request = merge_request(vma, start, end, flags);
  *out = co_await vma_merge_existing_range(k, vma, request);
  if (*out) co_return 0;
  *out = &vma;
  if (vma.vm_start < start) {
    const std::int64_t error = co_await split_vma(k, vma, start, NewPart::below);
    if (error) co_return error;
  }
  if (end < vma.vm_end) {
    const std::int64_t error = co_await split_vma(k, vma, end, NewPart::above);
    if (error) co_return error;
  }
  co_return 0;
}

}  // namespace faultline
