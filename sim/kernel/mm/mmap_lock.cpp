// mmap_lock and the per-VMA lock. Linux 6.12 mm/mmap_lock.c, include/linux/mmap_lock.h and mm.h.
#include "kernel/mm/mmap_lock.hpp"

#include "kernel/mm/vma.hpp"

namespace faultline {

namespace {
// The mm's id as the tracepoints print the pointer; the root memory cgroup.
void trace_start(Kernel& k, const mm_struct& mm, bool write) {
  k.trace<Event::mmap_lock_start_locking>(mm.id, 0, write);
}
void trace_returned(Kernel& k, const mm_struct& mm, bool write, bool success) {
  k.trace<Event::mmap_lock_acquire_returned>(mm.id, 0, write, success);
}
void trace_released(Kernel& k, const mm_struct& mm, bool write) {
  k.trace<Event::mmap_lock_released>(mm.id, 0, write);
}
}  // namespace

Path<void> mmap_write_lock(Kernel& k, mm_struct& mm) {
  trace_start(k, mm, true);
  co_await down_write(mm.mmap_lock);
  trace_returned(k, mm, true, true);
}

Path<void> mmap_write_lock(Kernel& k, mm_struct& mm, bool* taken) {
  trace_start(k, mm, true);
  *taken = co_await down_write_killable(mm.mmap_lock);
  trace_returned(k, mm, true, *taken);
}

// Bumping the sequence ends all VMA write locks at once.
static void vma_end_write_all(mm_struct& mm) { ++mm.mm_lock_seq; }

void mmap_write_unlock(Kernel& k, mm_struct& mm) {
  trace_released(k, mm, true);
  vma_end_write_all(mm);
  up_write(mm.mmap_lock);
}

Path<void> mmap_write_lock_nested(Kernel& k, mm_struct& mm) {
  k.locks.set_class(mm.mmap_lock, k.cls.mmap_lock_nested);
  trace_start(k, mm, true);
  co_await down_write(mm.mmap_lock);
  trace_returned(k, mm, true, true);
}

void mmap_write_unlock_nested(Kernel& k, mm_struct& mm) {
  mmap_write_unlock(k, mm);
  k.locks.set_class(mm.mmap_lock, k.cls.mmap_lock);
}

void mmap_write_downgrade(Kernel& k, mm_struct& mm) {
  trace_returned(k, mm, false, true);
  vma_end_write_all(mm);
  downgrade_write(mm.mmap_lock);
}

Path<void> mmap_read_lock(Kernel& k, mm_struct& mm) {
  trace_start(k, mm, false);
  co_await down_read(mm.mmap_lock);
  trace_returned(k, mm, false, true);
}

Path<void> mmap_read_lock(Kernel& k, mm_struct& mm, bool* taken) {
  trace_start(k, mm, false);
  *taken = co_await down_read_killable(mm.mmap_lock);
  trace_returned(k, mm, false, *taken);
}

Path<bool> mmap_read_trylock(Kernel& k, mm_struct& mm) {
  trace_start(k, mm, false);
  const bool taken = co_await down_read_trylock(mm.mmap_lock);
  trace_returned(k, mm, false, taken);
  co_return taken;
}

void mmap_read_unlock(Kernel& k, mm_struct& mm) {
  trace_released(k, mm, false);
  up_read(mm.mmap_lock);
}

void might_fault(Kernel& k) {
  if (mm_struct* const mm = k.current().mm) k.locks.annotate_shared(mm->mmap_lock);
}

Path<void> vma_start_write(Kernel& k, vm_area_struct& vma) {
  if (vma.vm_lock_seq == vma.vm_mm->mm_lock_seq) co_return;
  if (k.profile.vma_lock == VmaLock::none) co_return;
  if (vma.unlinked && k.profile.vma_lock == VmaLock::refcount) {
    // Its count says that it is detached: there can be no reader to wait for.
    vma.vm_lock_seq = vma.vm_mm->mm_lock_seq;
    co_return;
  }
  co_await down_write(vma.vm_lock);
  vma.vm_lock_seq = vma.vm_mm->mm_lock_seq;
  up_write(vma.vm_lock);
}

Path<vm_area_struct*> lock_vma_under_rcu(Kernel& k, mm_struct& mm, Vaddr address) {
  k.engine.charge(k.costs.vma_lookup);
  vm_area_struct* const vma = vma_lookup(mm, address);
  if (!vma || vma->vm_lock_seq == mm.mm_lock_seq) co_return nullptr;
  const bool taken = co_await down_read_trylock(vma->vm_lock);
  if (!taken) co_return nullptr;
  const bool changed = vma->vm_lock_seq == mm.mm_lock_seq || vma->detached ||
                       address < vma->vm_start || address >= vma->vm_end;
  if (changed) {
    vma_end_read(*vma);
    co_return nullptr;
  }
  co_return vma;
}

void vma_end_read(vm_area_struct& vma) { up_read(vma.vm_lock); }

}  // namespace faultline
