// Spin locks and reader-writer spin locks as their queued implementations in Linux 6.12
// (qspinlock.c, qrwlock.c; lock_rules.md 4.3): waiters keep their CPU, in order of arrival; a
// holder is not preempted. A contended rwlock queues writers and process-context readers FIFO. Left
// out: interrupt readers, who jump the queue, and the limit of four nested waits per CPU.
#pragma once

#include "locking/acquire.hpp"

namespace faultline {

struct spinlock_t : LockBase {
  WaitList queue;
};

struct rwlock_t : LockBase {
  WaitList queue;
  std::uint32_t readers = 0;
  bool writer = false;
};

Path<void> queued_spin_lock_slowpath(Engine& engine, spinlock_t& lock);
Path<void> queued_read_lock_slowpath(Engine& engine, rwlock_t& lock);
Path<void> queued_write_lock_slowpath(Engine& engine, rwlock_t& lock);

struct SpinOp {
  spinlock_t* l;
  HoldMode mode = HoldMode::exclusive;
  explicit SpinOp(spinlock_t& s) : l(&s) {}
  LockBase& lock() const { return *l; }
  bool try_now() const {
    if (l->owner || !l->queue.empty()) return false;
    l->owner = &l->context->engine().current();
    ++l->owner->preempt_count;
    return true;
  }
  Path<void> contended() const { return queued_spin_lock_slowpath(l->context->engine(), *l); }
};

struct ReadLockOp {
  rwlock_t* l;
  HoldMode mode = HoldMode::shared;
  explicit ReadLockOp(rwlock_t& s) : l(&s) {}
  LockBase& lock() const { return *l; }
  bool try_now() const {
    if (l->writer || !l->queue.empty()) return false;
    ++l->readers;
    ++l->context->engine().current().preempt_count;
    return true;
  }
  Path<void> contended() const { return queued_read_lock_slowpath(l->context->engine(), *l); }
};

struct WriteLockOp {
  rwlock_t* l;
  HoldMode mode = HoldMode::exclusive;
  explicit WriteLockOp(rwlock_t& s) : l(&s) {}
  LockBase& lock() const { return *l; }
  bool try_now() const {
    if (l->writer || l->readers != 0 || !l->queue.empty()) return false;
    l->writer = true;
    l->owner = &l->context->engine().current();
    ++l->owner->preempt_count;
    return true;
  }
  Path<void> contended() const { return queued_write_lock_slowpath(l->context->engine(), *l); }
};

inline Acquire<SpinOp> spin_lock(spinlock_t& lock) { return Acquire<SpinOp>(SpinOp(lock)); }
inline TryAcquire<SpinOp> spin_trylock(spinlock_t& lock) {
  return TryAcquire<SpinOp>(SpinOp(lock));
}
inline Acquire<ReadLockOp> read_lock(rwlock_t& lock) {
  return Acquire<ReadLockOp>(ReadLockOp(lock));
}
inline Acquire<WriteLockOp> write_lock(rwlock_t& lock) {
  return Acquire<WriteLockOp>(WriteLockOp(lock));
}
inline TryAcquire<ReadLockOp> read_trylock(rwlock_t& lock) {
  return TryAcquire<ReadLockOp>(ReadLockOp(lock));
}
inline TryAcquire<WriteLockOp> write_trylock(rwlock_t& lock) {
  return TryAcquire<WriteLockOp>(WriteLockOp(lock));
}

/// Release; false if the current task did not hold the lock.
bool spin_unlock(spinlock_t& lock);
bool read_unlock(rwlock_t& lock);
bool write_unlock(rwlock_t& lock);

}  // namespace faultline
