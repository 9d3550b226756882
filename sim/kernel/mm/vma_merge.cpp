// Merging: which neighbour fits, and the change of its bounds under its locks.
#include "kernel/mm/vma_merge.hpp"

#include <algorithm>

#include "kernel/mm/mmap_lock.hpp"

namespace faultline {

void reattach_vma(vm_area_struct& vma) {
  vma.detached = false;
  vma.vm_mm->mm_mt.emplace(vma.vm_end.v, &vma);
  ++vma.vm_mm->map_count;
}

static bool is_mergeable_vma(const vm_area_struct& vma, const MergeRequest& r) {
  if ((vma.vm_flags ^ r.flags) & ~VM_SOFTDIRTY) return false;
  if (vma.vm_flags & VM_SPECIAL) return false;
  if (vma.vm_file != r.vm_file) return false;
  return !(vma.vm_ops && vma.vm_ops->has_close);
}

static bool can_vma_merge_after(const vm_area_struct& prev, const MergeRequest& r) {
  return is_mergeable_vma(prev, r) && prev.vm_pgoff + vma_pages(prev) == r.pgoff;
}

static bool can_vma_merge_before(const vm_area_struct& next, const MergeRequest& r) {
  return is_mergeable_vma(next, r) && r.pgoff + ((r.end - r.start) >> PAGE_SHIFT) == next.vm_pgoff;
}

// Two neighbours with different anon_vmas never become one.
static bool anon_vmas_compatible(const vm_area_struct& a, const vm_area_struct& b) {
  return !a.anon_vma || !b.anon_vma || a.anon_vma == b.anon_vma;
}

// Gives `vma` new bounds; `remove` (may be null) is swallowed by it.
static Path<void> commit_merge(Kernel& k, vm_area_struct& vma, Vaddr start, Vaddr end, Pgoff pgoff,
                               vm_area_struct* remove) {
  mm_struct& mm = *vma.vm_mm;
  k.might_alloc();
  co_await vma_start_write(k, vma);
  if (remove) co_await vma_start_write(k, *remove);
  address_space* const mapping = vma.vm_file ? &vma.vm_file->f_inode->i_data : nullptr;
  if (mapping) co_await down_write(mapping->i_mmap_rwsem);
  if (remove) mm.mm_mt.erase(remove->vm_end.v);
  mm.mm_mt.erase(vma.vm_end.v);
  vma.vm_start = start;
  vma.vm_end = end;
  vma.vm_pgoff = pgoff;
  mm.mm_mt.emplace(end.v, &vma);
  k.engine.charge(k.costs.vma_change);
  if (mapping && remove) std::erase(mapping->i_mmap, remove);
  if (mapping) up_write(mapping->i_mmap_rwsem);
  if (!remove) co_return;
  if (!vma.anon_vma && remove->anon_vma) {
    vma.anon_vma = remove->anon_vma;
    ++vma.anon_vma->users;
  }
  --mm.map_count;
  remove_vma(k, *remove);
}

Path<vm_area_struct*> vma_merge_new_range(Kernel& k, mm_struct& mm, MergeRequest r) {
  if (r.flags & VM_SPECIAL) co_return nullptr;
  vm_area_struct* prev = find_vma_prev(mm, r.start);
  vm_area_struct* next = find_vma(mm, r.end);
  if (prev && (prev->vm_end != r.start || !can_vma_merge_after(*prev, r))) prev = nullptr;
  if (next && (next->vm_start != r.end || !can_vma_merge_before(*next, r))) next = nullptr;
  if (prev && next && anon_vmas_compatible(*prev, *next)) {
    co_await commit_merge(k, *prev, prev->vm_start, next->vm_end, prev->vm_pgoff, next);
    co_return prev;
  }
  if (prev) {
    co_await commit_merge(k, *prev, prev->vm_start, r.end, prev->vm_pgoff, nullptr);
    co_return prev;
  }
  if (next) {
    co_await commit_merge(k, *next, r.start, next->vm_end, r.pgoff, nullptr);
    co_return next;
  }
  co_return nullptr;
}

}  // namespace faultline
