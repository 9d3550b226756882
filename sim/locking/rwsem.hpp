// Reader-writer semaphore as Linux 6.12 kernel/locking/rwsem.c queues and wakes
// (lock_rules.md 4.1): phase-fair FIFO, reader and writer stealing, optimistic spinning of writers,
// handoff after 4 ms, downgrade, killable waits. Left out: real-time waiters. A release and its
// wake-ups are one step here, so a reader at the head is never beaten by a stealing writer in
// between. Without virtual time (choosers other than `timed`) nobody spins and the handoff deadline
// never passes.
#pragma once

#include "locking/acquire.hpp"

namespace faultline {

/// A lock whose waiters sleep, and on whose running owner newcomers may spin first.
struct SleepingLock : LockBase {
  WaitList waiters;
  WaitList spinners;
  bool handoff = false;  ///< the first waiter gets the lock next, whoever else asks
};

struct rw_semaphore : SleepingLock {
  std::uint32_t readers = 0;
  bool writer = false;
  bool nonspinnable = false;  ///< readers held it too long for spinners; until they are gone
};

/// False only if `killable` and a signal ended the wait.
Path<bool> rwsem_down_read_slowpath(Engine& engine, rw_semaphore& sem, bool killable = false);
Path<bool> rwsem_down_write_slowpath(Engine& engine, rw_semaphore& sem, bool killable = false);

struct RwsemReadOp {
  rw_semaphore* sem;
  HoldMode mode = HoldMode::shared;
  explicit RwsemReadOp(rw_semaphore& s) : sem(&s) {}
  LockBase& lock() const { return *sem; }
  bool try_now() const {
    if (sem->writer || sem->handoff || !sem->waiters.empty()) return false;
    ++sem->readers;
    sem->owner = &sem->context->engine().current();
    return true;
  }
  Path<bool> contended(bool killable = false) const {
    return rwsem_down_read_slowpath(sem->context->engine(), *sem, killable);
  }
};

struct RwsemWriteOp {
  rw_semaphore* sem;
  HoldMode mode = HoldMode::exclusive;
  explicit RwsemWriteOp(rw_semaphore& s) : sem(&s) {}
  LockBase& lock() const { return *sem; }
  bool try_now() const {
    if (sem->writer || sem->readers != 0 || sem->handoff || !sem->waiters.empty()) return false;
    sem->writer = true;
    sem->owner = &sem->context->engine().current();
    return true;
  }
  Path<bool> contended(bool killable = false) const {
    return rwsem_down_write_slowpath(sem->context->engine(), *sem, killable);
  }
};

inline Acquire<RwsemReadOp> down_read(rw_semaphore& sem) {
  return Acquire<RwsemReadOp>(RwsemReadOp(sem));
}
inline Acquire<RwsemWriteOp> down_write(rw_semaphore& sem) {
  return Acquire<RwsemWriteOp>(RwsemWriteOp(sem));
}
/// As above, but a signal ends the wait: `co_await` gives false, and the lock is not held.
inline AcquireKillable<RwsemReadOp> down_read_killable(rw_semaphore& sem) {
  return AcquireKillable<RwsemReadOp>(RwsemReadOp(sem));
}
inline AcquireKillable<RwsemWriteOp> down_write_killable(rw_semaphore& sem) {
  return AcquireKillable<RwsemWriteOp>(RwsemWriteOp(sem));
}
inline TryAcquire<RwsemReadOp> down_read_trylock(rw_semaphore& sem) {
  return TryAcquire<RwsemReadOp>(RwsemReadOp(sem));
}
inline TryAcquire<RwsemWriteOp> down_write_trylock(rw_semaphore& sem) {
  return TryAcquire<RwsemWriteOp>(RwsemWriteOp(sem));
}

/// Releases. Plain calls: they never suspend; false if the current task did not hold the lock.
bool up_read(rw_semaphore& sem);
bool up_write(rw_semaphore& sem);
/// Turns the current task's write lock into a read lock; queued readers at the head follow.
bool downgrade_write(rw_semaphore& sem);

}  // namespace faultline
