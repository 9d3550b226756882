// Slow paths of the per-CPU reader-writer semaphore. Linux 6.12 kernel/locking/percpu-rwsem.c.
#include "locking/percpu_rwsem.hpp"

namespace faultline {

namespace {

HelperPath<void> wait_granted(Engine& engine, percpu_rw_semaphore& sem, Waiter& waiter) {
  Task& current = engine.current();
  waiter.task = &current;
  sem.waiters.push(waiter);
  while (!waiter.granted) {
    sem.context->begin_wait(sem, waiter.mode);
    co_await engine.block();
    sem.context->end_wait(current);
  }
}

void grant(percpu_rw_semaphore& sem, Waiter& waiter) {
  sem.waiters.remove(waiter);
  waiter.granted = true;
  sem.context->engine().charge(sem.context->costs().handoff);
  sem.context->engine().wake(*waiter.task);
}

}  // namespace

Path<void> percpu_down_read_slowpath(Engine& engine, percpu_rw_semaphore& sem) {
  Waiter waiter;
  waiter.mode = HoldMode::shared;
  co_await wait_granted(engine, sem, waiter);
}

Path<void> percpu_down_write_slowpath(Engine& engine, percpu_rw_semaphore& sem) {
  Task& current = engine.current();
  Waiter waiter;
  if (sem.block) {
    co_await wait_granted(engine, sem, waiter);
  }
  sem.block = true;
  sem.owner = &current;
  waiter.task = &current;
  while (sem.readers != 0) {
    sem.draining = &waiter;
    sem.context->begin_wait(sem, HoldMode::exclusive);
    co_await engine.block();
    sem.context->end_wait(current);
  }
  sem.draining = nullptr;
}

bool percpu_up_read(percpu_rw_semaphore& sem) {
  LockContext& context = *sem.context;
  context.engine().charge(context.costs().uncontended);
  if (!context.released(sem) || sem.readers == 0) return false;
  if (--sem.readers == 0 && sem.draining) context.engine().wake(*sem.draining->task);
  return true;
}

bool percpu_up_write(percpu_rw_semaphore& sem) {
  LockContext& context = *sem.context;
  context.engine().charge(context.costs().uncontended);
  if (!context.released(sem) || !sem.block) return false;
  sem.block = false;
  sem.owner = nullptr;
  // Wake readers in order until one writer has been let in.
  while (Waiter* const first = sem.waiters.front()) {
    if (first->mode == HoldMode::exclusive) {
      sem.block = true;
      sem.owner = first->task;
      grant(sem, *first);
      break;
    }
    ++sem.readers;
    grant(sem, *first);
  }
  return true;
}

bool percpu_rwsem_release(percpu_rw_semaphore& sem) {
  if (!sem.context->released(sem) || !sem.block) return false;
  sem.owner = nullptr;
  return true;
}

void percpu_rwsem_acquire(percpu_rw_semaphore& sem) {
  sem.owner = &sem.context->engine().current();
  sem.context->try_acquired(sem, HoldMode::exclusive);
}

}  // namespace faultline
