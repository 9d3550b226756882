// Contended binary semaphore: the releaser passes it to the first waiter.
#include "locking/semaphore.hpp"

namespace faultline {

Path<void> down_slowpath(Engine& engine, semaphore& sem) {
  Task& current = engine.current();
  Waiter waiter;
  waiter.task = &current;
  sem.waiters.push(waiter);
  while (!waiter.granted) {
    sem.context->begin_wait(sem, HoldMode::exclusive);
    co_await engine.block();
    sem.context->end_wait(current);
  }
}

bool up(semaphore& sem) {
  LockContext& context = *sem.context;
  Engine& engine = context.engine();
  engine.charge(context.costs().uncontended);
  if (!context.released(sem)) return false;
  Waiter* const first = sem.waiters.front();
  sem.owner = first ? first->task : nullptr;
  if (!first) return true;
  sem.waiters.remove(*first);
  first->granted = true;
  engine.charge(context.costs().handoff);
  engine.wake(*first->task);
  return true;
}

}  // namespace faultline
