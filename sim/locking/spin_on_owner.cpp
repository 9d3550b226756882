// Optimistic spinning. The spinner is blocked for the engine but keeps its CPU; it is told when the
// lock is released and when the owner loses its CPU, which is all that a real spinner looks at.
#include "locking/spin_on_owner.hpp"

#include <algorithm>

namespace faultline {

bool need_resched(const Engine& engine, const Task& task) {
  return engine.now() >= task.preempt_at;
}

bool owner_on_cpu(const SleepingLock& lock) {
  if (!lock.owner || lock.owner == &lock.context->engine().current()) return false;
  const Task& owner = *lock.owner;
  if (owner.state == TaskState::done) return false;
  const bool asleep = owner.state == TaskState::blocked && !owner.spinning;
  return owner.on_cpu && !asleep;
}

HelperPath<void> spin_on_owner(Engine& engine, SleepingLock& lock, Nanos deadline) {
  Task& current = engine.current();
  const Nanos until = std::min(deadline, current.preempt_at);
  lock.context->begin_spin();
  lock.context->begin_wait(lock, HoldMode::exclusive, until != Nanos(~0ULL));
  co_await engine.spin_until(until);
  lock.context->end_wait(current);
  lock.context->end_spin();
}

HelperPath<bool> osq_lock(Engine& engine, SleepingLock& lock, Waiter& node) {
  Task& current = engine.current();
  node.task = &current;
  lock.spinners.push(node);
  ++current.preempt_count;
  while (lock.spinners.front() != &node) {
    if (need_resched(engine, current)) {
      osq_unlock(lock, node);
      co_return false;
    }
    co_await spin_on_owner(engine, lock, Nanos(~0ULL));
  }
  co_return true;
}

void osq_unlock(SleepingLock& lock, Waiter& node) {
  const bool first = lock.spinners.front() == &node;
  lock.spinners.remove(node);
  --node.task->preempt_count;
  if (first) notify_spinner(lock);
}

void notify_spinner(SleepingLock& lock) {
  Waiter* const spinner = lock.spinners.front();
  if (spinner) lock.context->engine().wake(*spinner->task);
}

void wake_waiter(SleepingLock& lock, Waiter& waiter) {
  LockContext& context = *lock.context;
  if (waiter.task->state != TaskState::blocked) return;
  if (!waiter.task->spinning) context.engine().charge(context.costs().handoff);
  context.engine().wake(*waiter.task);
}

void LockContext::owner_sleeps(Task& task) {
  for (const HeldLock& held : state(task).held) {
    const LockType kind = class_of(*held.lock).kind;
    if (kind != LockType::rwsem && kind != LockType::mutex) continue;
    auto& lock = static_cast<SleepingLock&>(*held.lock);
    if (lock.owner != &task) continue;
    notify_spinner(lock);
    Waiter* const first = lock.waiters.front();
    if (first && first->task->spinning) engine_.wake(*first->task);
  }
}

void LockContext::begin_spin() {
  if (spinners_++ != 0) return;
  engine_.set_sleep_hook(
      this, [](void* self, Task& task) { static_cast<LockContext*>(self)->owner_sleeps(task); });
}

void LockContext::end_spin() {
  if (--spinners_ == 0) engine_.set_sleep_hook(nullptr, nullptr);
}

}  // namespace faultline
