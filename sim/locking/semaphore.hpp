// Binary semaphore with FIFO hand-over, as the XFS buffer semaphore (b_sema) uses the kernel's
// counting semaphore: down, trylock, up. Lock debugging does not know it, so its records are
// sim_bitlock_*; the wait-for graph does. Linux 6.12 kernel/locking/semaphore.c.
#pragma once

#include "locking/acquire.hpp"

namespace faultline {

struct semaphore : LockBase {
  WaitList waiters;
};

Path<void> down_slowpath(Engine& engine, semaphore& sem);

struct DownOp {
  semaphore* sem;
  HoldMode mode = HoldMode::exclusive;
  explicit DownOp(semaphore& s) : sem(&s) {}
  LockBase& lock() const { return *sem; }
  bool try_now() const {
    if (sem->owner) return false;
    sem->owner = &sem->context->engine().current();
    return true;
  }
  Path<void> contended() const { return down_slowpath(sem->context->engine(), *sem); }
};

inline Acquire<DownOp> down(semaphore& sem) { return Acquire<DownOp>(DownOp(sem)); }
inline TryAcquire<DownOp> down_trylock(semaphore& sem) { return TryAcquire<DownOp>(DownOp(sem)); }

/// Releases and hands over to the first waiter. False if the current task did not hold it.
bool up(semaphore& sem);

}  // namespace faultline
