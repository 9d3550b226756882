// Per-CPU reader-writer semaphore as Linux 6.12 kernel/locking/percpu-rwsem.c (lock_rules.md 4.4):
// readers normally touch one counter; a writer blocks new readers, then waits for the counters to
// drain; blocked readers and writers share one FIFO. The three freeze levels of a file system are
// made of it. Left out: the grace period that the first writer pays and per-CPU cache effects.
#pragma once

#include "locking/acquire.hpp"

namespace faultline {

struct percpu_rw_semaphore : LockBase {
  WaitList waiters;
  Waiter* draining = nullptr;  ///< the writer that waits for readers to leave
  std::uint32_t readers = 0;
  bool block = false;  ///< a writer has it, or waits for the readers to drain
};

Path<void> percpu_down_read_slowpath(Engine& engine, percpu_rw_semaphore& sem);
Path<void> percpu_down_write_slowpath(Engine& engine, percpu_rw_semaphore& sem);

struct PercpuReadOp {
  percpu_rw_semaphore* sem;
  HoldMode mode = HoldMode::shared;
  explicit PercpuReadOp(percpu_rw_semaphore& s) : sem(&s) {}
  LockBase& lock() const { return *sem; }
  bool try_now() const {
    if (sem->block) return false;
    ++sem->readers;
    return true;
  }
  Path<void> contended() const { return percpu_down_read_slowpath(sem->context->engine(), *sem); }
};

struct PercpuWriteOp {
  percpu_rw_semaphore* sem;
  HoldMode mode = HoldMode::exclusive;
  explicit PercpuWriteOp(percpu_rw_semaphore& s) : sem(&s) {}
  LockBase& lock() const { return *sem; }
  bool try_now() const {
    if (sem->block || sem->readers != 0) return false;
    sem->block = true;
    sem->owner = &sem->context->engine().current();
    return true;
  }
  Path<void> contended() const { return percpu_down_write_slowpath(sem->context->engine(), *sem); }
};

inline Acquire<PercpuReadOp> percpu_down_read(percpu_rw_semaphore& sem) {
  return Acquire<PercpuReadOp>(PercpuReadOp(sem));
}
inline TryAcquire<PercpuReadOp> percpu_down_read_trylock(percpu_rw_semaphore& sem) {
  return TryAcquire<PercpuReadOp>(PercpuReadOp(sem));
}
inline Acquire<PercpuWriteOp> percpu_down_write(percpu_rw_semaphore& sem) {
  return Acquire<PercpuWriteOp>(PercpuWriteOp(sem));
}
inline TryAcquire<PercpuWriteOp> percpu_down_write_trylock(percpu_rw_semaphore& sem) {
  return TryAcquire<PercpuWriteOp>(PercpuWriteOp(sem));
}

/// Release; false if the current task did not hold it.
bool percpu_up_read(percpu_rw_semaphore& sem);
bool percpu_up_write(percpu_rw_semaphore& sem);

/// The writer goes away without releasing: nobody's lock, still held (a frozen file system). False
/// if the current task was not the writer.
bool percpu_rwsem_release(percpu_rw_semaphore& sem);
/// The current task takes such a hold upon itself; recorded as a try that succeeds.
void percpu_rwsem_acquire(percpu_rw_semaphore& sem);

}  // namespace faultline
