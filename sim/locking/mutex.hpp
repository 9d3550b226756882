// Mutex as Linux 6.12 kernel/locking/mutex.c (lock_rules.md 4.2): fast path, optimistic spin on a
// running owner, FIFO sleep, stealing until the first waiter has asked for a handoff. Left out:
// wound/wait mutexes and interruptible waits.
#pragma once

#include "locking/rwsem.hpp"

namespace faultline {

struct mutex : SleepingLock {
  Task* pickup = nullptr;  ///< the waiter to which unlock has passed the ownership
};

Path<void> mutex_lock_slowpath(Engine& engine, mutex& lock);

struct MutexOp {
  mutex* m;
  HoldMode mode = HoldMode::exclusive;
  explicit MutexOp(mutex& l) : m(&l) {}
  LockBase& lock() const { return *m; }
  bool try_now() const {
    if (m->owner || m->handoff || m->pickup) return false;
    m->owner = &m->context->engine().current();
    return true;
  }
  Path<void> contended() const { return mutex_lock_slowpath(m->context->engine(), *m); }
};

inline Acquire<MutexOp> mutex_lock(mutex& lock) { return Acquire<MutexOp>(MutexOp(lock)); }
inline TryAcquire<MutexOp> mutex_trylock(mutex& lock) { return TryAcquire<MutexOp>(MutexOp(lock)); }

/// Releases; false if the current task was not the owner.
bool mutex_unlock(mutex& lock);

}  // namespace faultline
