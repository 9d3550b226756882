// anon_vma creation, sharing and unlinking. Linux 6.12 mm/rmap.c, find_mergeable_anon_vma of
// mm/vma.c.
#include "kernel/mm/rmap.hpp"

#include "kernel/mm/vma.hpp"

namespace faultline {

// A neighbour could be merged with `vma` later, if only both had the same anon_vma.
static bool reusable(const vm_area_struct& a, const vm_area_struct& b) {
  constexpr vm_flags_t may_differ = VM_ACCESS_FLAGS | VM_SOFTDIRTY;
  return a.vm_end == b.vm_start && a.vm_file == b.vm_file &&
         !((a.vm_flags ^ b.vm_flags) & ~may_differ) && a.vm_pgoff + vma_pages(a) == b.vm_pgoff;
}

static anon_vma* find_mergeable_anon_vma(const vm_area_struct& vma) {
  const mm_struct& mm = *vma.vm_mm;
  vm_area_struct* const next = find_vma(mm, vma.vm_end);
  if (next && next->anon_vma && reusable(vma, *next)) return next->anon_vma;
  vm_area_struct* const prev = find_vma_prev(mm, vma.vm_start);
  if (prev && prev->anon_vma && reusable(*prev, vma)) return prev->anon_vma;
  return nullptr;
}

Path<void> __anon_vma_prepare(Kernel& k, vm_area_struct& vma) {
  mm_struct& mm = *vma.vm_mm;
  k.might_alloc();
  anon_vma* av = find_mergeable_anon_vma(vma);
  if (!av) {
    av = &k.anon_vmas.emplace_back();
    av->id = mm.next_anon_vma_id++;
    init_lock(av->rwsem, k.locks, k.cls.anon_vma, lock_id(LockOwner::anon_vma, mm.id, av->id));
  }
  co_await down_write(av->rwsem);
  co_await spin_lock(mm.page_table_lock);
  if (!vma.anon_vma) {
    vma.anon_vma = av;
    ++av->users;
  }
  spin_unlock(mm.page_table_lock);
  up_write(av->rwsem);
}

Path<void> unlink_anon_vmas(Kernel& k, vm_area_struct& vma) {
  if (!vma.anon_vma) co_return;
  co_await down_write(vma.anon_vma->rwsem);
  k.engine.charge(k.costs.rmap_op);
  up_write(vma.anon_vma->rwsem);
}

}  // namespace faultline
