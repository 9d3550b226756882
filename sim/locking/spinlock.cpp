// Contended spin locks: the holder passes the lock to the next in the queue when it lets go.
#include "locking/spinlock.hpp"

namespace faultline {

namespace {

// Waits in `queue` until a releaser has granted the lock. The CPU stays busy.
template <class Lock>
HelperPath<void> wait_granted(Engine& engine, Lock& lock, HoldMode mode) {
  Task& current = engine.current();
  Waiter waiter;
  waiter.task = &current;
  waiter.mode = mode;
  lock.queue.push(waiter);
  ++current.preempt_count;
  while (!waiter.granted) {
    lock.context->begin_wait(lock, mode);
    co_await engine.spin_until(Nanos(~0ULL));
    lock.context->end_wait(current);
  }
}

template <class Lock>
[[gnu::noinline]] void grant(Lock& lock, Waiter& waiter) {
  LockContext& context = *lock.context;
  lock.queue.remove(waiter);
  waiter.granted = true;
  waiter.task->pending += context.costs().spin_handoff;
  context.engine().wake(*waiter.task);
}

// Lets in the writer at the front, or all readers up to the next writer.
void grant_next(rwlock_t& lock) {
  Waiter* first = lock.queue.front();
  if (!first || lock.writer) return;
  if (first->mode == HoldMode::exclusive) {
    if (lock.readers != 0) return;
    lock.writer = true;
    lock.owner = first->task;
    grant(lock, *first);
    return;
  }
  while (first && first->mode == HoldMode::shared) {
    ++lock.readers;
    grant(lock, *first);
    first = lock.queue.front();
  }
}

}  // namespace

Path<void> queued_spin_lock_slowpath(Engine& engine, spinlock_t& lock) {
  co_await wait_granted(engine, lock, HoldMode::exclusive);
}

Path<void> queued_read_lock_slowpath(Engine& engine, rwlock_t& lock) {
  co_await wait_granted(engine, lock, HoldMode::shared);
}

Path<void> queued_write_lock_slowpath(Engine& engine, rwlock_t& lock) {
  co_await wait_granted(engine, lock, HoldMode::exclusive);
}

bool spin_unlock(spinlock_t& lock) {
  LockContext& context = *lock.context;
  Engine& engine = context.engine();
  engine.charge(context.costs().uncontended);
  if (!context.released(lock) || lock.owner != &engine.current()) return false;
  --engine.current().preempt_count;
  Waiter* const next = lock.queue.front();
  lock.owner = next ? next->task : nullptr;
  if (next) grant(lock, *next);
  return true;
}

bool read_unlock(rwlock_t& lock) {
  LockContext& context = *lock.context;
  Engine& engine = context.engine();
  engine.charge(context.costs().uncontended);
  if (!context.released(lock) || lock.readers == 0) return false;
  --engine.current().preempt_count;
  if (--lock.readers == 0) grant_next(lock);
  return true;
}

bool write_unlock(rwlock_t& lock) {
  LockContext& context = *lock.context;
  Engine& engine = context.engine();
  engine.charge(context.costs().uncontended);
  if (!context.released(lock) || !lock.writer) return false;
  --engine.current().preempt_count;
  lock.writer = false;
  lock.owner = nullptr;
  grant_next(lock);
  return true;
}

}  // namespace faultline
