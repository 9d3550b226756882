// The walk over the VMAs: under mmap_lock as a whole, or from one VMA's lock to the next.
#include "kernel/fs/proc_maps.hpp"

#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

static Path<std::int64_t> walk_under_mmap_lock(Kernel& k, mm_struct& mm) {
  std::int64_t count = 0;
  bool taken = false;
  co_await mmap_read_lock(k, mm, &taken);
  if (!taken) co_return -EINTR;
  for (const vm_area_struct* vma = find_vma(mm, Vaddr(0)); vma; vma = find_vma(mm, vma->vm_end)) {
    ++count;
    k.engine.charge(k.costs.vma_lookup);
  }
  mmap_read_unlock(k, mm);
  co_return count;
}

// lock_next_vma(): the next VMA, locked for reading. While the mm has a writer, the tree cannot be
// read by speculation, and a write-locked VMA not at all: mmap_lock it is then.
static Path<vm_area_struct*> lock_next_vma(Kernel& k, mm_struct& mm, Vaddr from) {
  k.engine.charge(k.costs.vma_lookup);
  vm_area_struct* vma = mm.mmap_lock.writer ? nullptr : find_vma(mm, from);
  if (vma && vma->vm_lock_seq != mm.mm_lock_seq) {
    const bool taken = co_await down_read_trylock(vma->vm_lock);
    if (taken) co_return vma;
  } else if (!vma && !mm.mmap_lock.writer) {
    co_return nullptr;
  }
  co_await mmap_read_lock(k, mm);
  vma = find_vma(mm, from);
  if (vma) co_await down_read(vma->vm_lock);
  mmap_read_unlock(k, mm);
  co_return vma;
}

Path<std::int64_t> read_proc_maps(Kernel& k) {
  mm_struct& mm = *k.current().mm;
  if (!k.profile.maps_under_vma_locks) {
    const std::int64_t count = co_await walk_under_mmap_lock(k, mm);
    co_return count;
  }
  std::int64_t count = 0;
  Vaddr from(0);
  for (;;) {
    vm_area_struct* const vma = co_await lock_next_vma(k, mm, from);
    if (!vma) co_return count;
    ++count;
    from = vma->vm_end;
    vma_end_read(*vma);
  }
}

}  // namespace faultline
