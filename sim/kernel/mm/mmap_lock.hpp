// mmap_lock with its tracepoints, and the per-VMA lock that lets faults pass it by. Linux 6.12
// include/linux/mmap_lock.h, mm/mmap_lock.c and the per-VMA lock of include/linux/mm.h: a rwsem per
// VMA plus sequence numbers (lock_rules.md 4.5). A try that is followed by a wait is recorded as
// such, because a lock validator counts no dependency for the try.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

Path<void> mmap_write_lock(Kernel& k, mm_struct& mm);
/// mmap_write_lock_killable(), mmap_read_lock_killable(): `*taken` is false if a fatal signal has
/// ended the wait. A trace knows them by the names of the others.
Path<void> mmap_write_lock(Kernel& k, mm_struct& mm, bool* taken);
Path<void> mmap_read_lock(Kernel& k, mm_struct& mm, bool* taken);
void mmap_write_unlock(Kernel& k, mm_struct& mm);
/// The lock of a new mm while that of the mm it is copied from is held.
Path<void> mmap_write_lock_nested(Kernel& k, mm_struct& mm);
void mmap_write_unlock_nested(Kernel& k, mm_struct& mm);
/// Write to read; all VMA write locks of the mm end.
void mmap_write_downgrade(Kernel& k, mm_struct& mm);
Path<void> mmap_read_lock(Kernel& k, mm_struct& mm);
Path<bool> mmap_read_trylock(Kernel& k, mm_struct& mm);
void mmap_read_unlock(Kernel& k, mm_struct& mm);

/// might_fault(): any user access may take mmap_lock for reading.
void might_fault(Kernel& k);

/// Marks a VMA as write-locked until the mmap_lock is released. Needs mmap_lock for writing.
Path<void> vma_start_write(Kernel& k, vm_area_struct& vma);
/// The VMA that covers `address`, read-locked; null whenever that is not certain. Never sleeps.
Path<vm_area_struct*> lock_vma_under_rcu(Kernel& k, mm_struct& mm, Vaddr address);
void vma_end_read(vm_area_struct& vma);

}  // namespace faultline
