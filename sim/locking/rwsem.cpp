// The slow paths of the rwsem and its wake-up rules. Linux 6.12 kernel/locking/rwsem.c.
#include "locking/rwsem.hpp"

#include <algorithm>

#include "locking/spin_on_owner.hpp"

namespace faultline {

namespace {

constexpr Nanos handoff_timeout{4'000'000};  // RWSEM_WAIT_TIMEOUT: 4 ms, at least a tick
constexpr unsigned max_readers_wakeup = 256;

enum class WakeType { any, readers, read_owned };

// Virtual time only: without it no deadline passes.
bool is_late(const rw_semaphore& sem, const Waiter& waiter) {
  const Engine& engine = sem.context->engine();
  return engine.timed() && engine.now() > waiter.deadline;
}

// Gives the lock to the queued readers, wherever they stand: phase-fair.
void grant_readers(rw_semaphore& sem) {
  unsigned granted = 0;
  Waiter* w = sem.waiters.front();
  while (w && granted < max_readers_wakeup) {
    Waiter* const next = w->next;
    if (w->mode == HoldMode::shared) {
      sem.waiters.remove(*w);
      ++sem.readers;
      ++granted;
      sem.owner = w->task;
      w->granted = true;
      wake_waiter(sem, *w);
    }
    w = next;
  }
  sem.handoff = false;
}

void rwsem_mark_wake(rw_semaphore& sem, WakeType type) {
  Waiter* const first = sem.waiters.front();
  if (!first) return;
  if (first->mode == HoldMode::exclusive) {
    // Woken, not granted: it must still win the lock, and others may steal it.
    if (type == WakeType::any) wake_waiter(sem, *first);
    return;
  }
  if (type != WakeType::read_owned && sem.writer) {
    if (is_late(sem, *first)) sem.handoff = first->handoff = true;
    return;
  }
  grant_readers(sem);
}

void rwsem_cond_wake_waiter(rw_semaphore& sem) {
  if (sem.writer) return;
  if (sem.readers == 0) sem.nonspinnable = false;
  rwsem_mark_wake(sem, sem.readers != 0 ? WakeType::readers : WakeType::any);
}

// A queued writer's attempt, wherever it stands in the queue. The first to be late asks for the
// handoff; the mark goes to the first in the queue.
bool rwsem_try_write_lock(rw_semaphore& sem, Waiter& waiter) {
  Waiter& first = *sem.waiters.front();
  if (sem.handoff && first.handoff && &waiter != &first) return false;
  if (sem.writer || sem.readers != 0) {
    if (!sem.handoff && !is_late(sem, waiter)) return false;
    if (!sem.handoff) first.handoff = true;
    sem.handoff = true;
    return false;
  }
  sem.waiters.remove(waiter);
  sem.writer = true;
  sem.handoff = false;
  sem.owner = waiter.task;
  return true;
}

bool rwsem_try_write_lock_unqueued(rw_semaphore& sem) {
  if (sem.writer || sem.readers != 0 || sem.handoff) return false;
  sem.writer = true;
  sem.owner = &sem.context->engine().current();
  return true;
}

bool rwsem_can_spin_on_owner(const Engine& engine, const Task& task, const rw_semaphore& sem) {
  if (need_resched(engine, task) || sem.nonspinnable) return false;
  return !sem.writer || owner_on_cpu(sem);
}

// A writer spins while a running writer owns the lock, and a bounded time while readers do. It does
// not spin on a free lock that is kept for the first waiter: that wait is too short to matter.
Path<bool> rwsem_optimistic_spin(Engine& engine, rw_semaphore& sem) {
  Task& current = engine.current();
  if (!rwsem_can_spin_on_owner(engine, current, sem)) co_return false;
  Waiter node;
  const bool turn = co_await osq_lock(engine, sem, node);
  if (!turn) co_return false;
  bool taken = false;
  bool reading = false;
  Nanos limit{};
  while (true) {
    taken = rwsem_try_write_lock_unqueued(sem);
    if (taken || need_resched(engine, current)) break;
    if (sem.writer) {
      reading = false;
      if (!owner_on_cpu(sem)) break;
      co_await spin_on_owner(engine, sem, Nanos(~0ULL));
      continue;
    }
    if (sem.nonspinnable || sem.readers == 0) break;
    if (!reading) {
      reading = true;
      limit = engine.now() + Nanos((20 + std::min<std::uint64_t>(sem.readers, 30)) * 500);
    } else if (engine.now() >= limit) {
      sem.nonspinnable = true;
      break;
    }
    co_await spin_on_owner(engine, sem, limit);
  }
  osq_unlock(sem, node);
  if (taken) engine.charge(sem.context->costs().spin_handoff);
  co_return taken;
}

// A killed waiter leaves; if it was the first, those behind it may be able to go on.
void rwsem_del_wake_waiter(rw_semaphore& sem, Waiter& waiter) {
  const bool first = sem.waiters.front() == &waiter;
  sem.waiters.remove(waiter);
  if (sem.waiters.empty()) {
    sem.handoff = false;
  } else if (first) {
    rwsem_mark_wake(sem, WakeType::any);
  }
  notify_spinner(sem);
}

void wake_after_release(rw_semaphore& sem) {
  const Waiter* const first = sem.waiters.front();
  const bool kept = sem.handoff && first && first->mode == HoldMode::exclusive;
  if (!kept) notify_spinner(sem);
  if (!sem.waiters.empty()) rwsem_mark_wake(sem, WakeType::any);
}

}  // namespace

Path<bool> rwsem_down_read_slowpath(Engine& engine, rw_semaphore& sem, bool killable) {
  Task& current = engine.current();
  // A free lock whose woken writer has not run yet may be stolen. One that readers own may not, or
  // a stream of readers would starve the queued writer.
  if (!sem.writer && !sem.handoff && sem.readers == 0) {
    sem.readers = 1;
    sem.owner = &current;
    rwsem_mark_wake(sem, WakeType::read_owned);
    co_return true;
  }
  Waiter waiter;
  waiter.task = &current;
  waiter.mode = HoldMode::shared;
  waiter.deadline = engine.now() + handoff_timeout;
  sem.waiters.push(waiter);
  rwsem_cond_wake_waiter(sem);
  while (!waiter.granted) {
    if (killable && sem.context->signal_pending(current)) {
      rwsem_del_wake_waiter(sem, waiter);
      co_return false;
    }
    current.wait_is_signalable = killable;
    sem.context->begin_wait(sem, HoldMode::shared);
    co_await engine.block();
    sem.context->end_wait(current);
    current.wait_is_signalable = false;
  }
  co_return true;
}

Path<bool> rwsem_down_write_slowpath(Engine& engine, rw_semaphore& sem, bool killable) {
  Task& current = engine.current();
  if (engine.timed()) {
    const bool taken = co_await rwsem_optimistic_spin(engine, sem);
    if (taken) co_return true;
  }
  Waiter waiter;
  waiter.task = &current;
  waiter.deadline = engine.now() + handoff_timeout;
  const bool was_empty = sem.waiters.empty();
  sem.waiters.push(waiter);
  if (!was_empty) rwsem_cond_wake_waiter(sem);
  while (!rwsem_try_write_lock(sem, waiter)) {
    if (killable && sem.context->signal_pending(current)) {
      rwsem_del_wake_waiter(sem, waiter);
      co_return false;
    }
    if (waiter.handoff && sem.writer && owner_on_cpu(sem) && !need_resched(engine, current)) {
      ++current.preempt_count;
      co_await spin_on_owner(engine, sem, Nanos(~0ULL));
      --current.preempt_count;
      continue;
    }
    current.wait_is_signalable = killable;
    sem.context->begin_wait(sem, HoldMode::exclusive);
    co_await engine.block();
    sem.context->end_wait(current);
    current.wait_is_signalable = false;
  }
  co_return true;
}

bool up_read(rw_semaphore& sem) {
  LockContext& context = *sem.context;
  context.engine().charge(context.costs().uncontended);
  if (!context.released(sem) || sem.readers == 0) return false;
  if (--sem.readers == 0) {
    sem.owner = nullptr;
    sem.nonspinnable = false;
    wake_after_release(sem);
  }
  return true;
}

bool up_write(rw_semaphore& sem) {
  LockContext& context = *sem.context;
  context.engine().charge(context.costs().uncontended);
  if (!context.released(sem) || !sem.writer) return false;
  sem.writer = false;
  sem.owner = nullptr;
  wake_after_release(sem);
  return true;
}

bool downgrade_write(rw_semaphore& sem) {
  LockContext& context = *sem.context;
  if (!sem.writer) return false;
  context.downgraded(sem);
  sem.writer = false;
  sem.readers = 1;
  sem.owner = &context.engine().current();
  notify_spinner(sem);  // from now on its time is limited
  rwsem_mark_wake(sem, WakeType::read_owned);
  return true;
}

}  // namespace faultline
