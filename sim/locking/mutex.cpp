// The slow paths of the mutex. Linux 6.12 kernel/locking/mutex.c.
#include "locking/mutex.hpp"

#include "locking/spin_on_owner.hpp"

namespace faultline {

namespace {

// Takes the lock if it is free, or if unlock has passed it to `current`.
bool mutex_try_acquire(mutex& lock, Task& current) {
  if (lock.pickup && lock.pickup != &current) return false;
  if (lock.owner) return false;
  lock.pickup = nullptr;
  lock.owner = &current;
  return true;
}

Path<bool> mutex_optimistic_spin(Engine& engine, mutex& lock) {
  Task& current = engine.current();
  if (need_resched(engine, current) || !owner_on_cpu(lock)) co_return false;
  Waiter node;
  const bool turn = co_await osq_lock(engine, lock, node);
  if (!turn) co_return false;
  bool taken = false;
  while (true) {
    taken = mutex_try_acquire(lock, current);
    if (taken || need_resched(engine, current) || !owner_on_cpu(lock)) break;
    co_await spin_on_owner(engine, lock, Nanos(~0ULL));
  }
  osq_unlock(lock, node);
  if (taken) engine.charge(lock.context->costs().spin_handoff);
  co_return taken;
}

}  // namespace

Path<void> mutex_lock_slowpath(Engine& engine, mutex& lock) {
  Task& current = engine.current();
  if (engine.timed()) {
    const bool spun = co_await mutex_optimistic_spin(engine, lock);
    if (spun) co_return;
  }
  Waiter waiter;
  waiter.task = &current;
  lock.waiters.push(waiter);
  bool spin = false;
  while (!mutex_try_acquire(lock, current)) {
    if (spin) {
      ++current.preempt_count;
      co_await spin_on_owner(engine, lock, Nanos(~0ULL));
      --current.preempt_count;
    } else {
      lock.context->begin_wait(lock, HoldMode::exclusive);
      co_await engine.block();
      lock.context->end_wait(current);
    }
    // Woken and beaten: the next unlock passes the lock on. Meanwhile the first waiter may spin.
    const bool first = lock.waiters.front() == &waiter;
    if (first && lock.owner) lock.handoff = true;
    spin = first && engine.timed() && owner_on_cpu(lock) && !need_resched(engine, current);
  }
  lock.waiters.remove(waiter);
}

bool mutex_unlock(mutex& lock) {
  LockContext& context = *lock.context;
  Engine& engine = context.engine();
  engine.charge(context.costs().uncontended);
  if (!context.released(lock) || lock.owner != &engine.current()) return false;
  lock.owner = nullptr;
  Waiter* const first = lock.waiters.front();
  if (lock.handoff && first) {
    lock.pickup = first->task;
  } else {
    notify_spinner(lock);
  }
  lock.handoff = false;
  if (first) wake_waiter(lock, *first);
  return true;
}

}  // namespace faultline
