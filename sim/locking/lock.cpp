// Bookkeeping of lock instances: classes, held stacks and records.
#include "locking/lock.hpp"

#include <algorithm>

#include "base/bug.hpp"

namespace faultline {

LockClassId LockContext::lock_class(std::string_view name, LockType kind, std::uint8_t subclass) {
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    const LockClass& c = classes_[i];
    if (c.name == name && c.subclass == subclass) return static_cast<LockClassId>(i);
  }
  std::string printed(name);
  if (subclass != 0) {
    printed += '/';
    printed += std::to_string(subclass);
  }
  classes_.push_back(
      {std::string(name), subclass, kind, engine_.tracer().symbols().intern(printed)});
  return static_cast<LockClassId>(classes_.size() - 1);
}

void LockContext::add_tasks() {
  while (tasks_.size() < engine_.task_count()) {
    TaskLocks& locks = tasks_.emplace_back();
    engine_.task(TaskId(static_cast<std::uint32_t>(tasks_.size() - 1))).locks = &locks;
  }
}

const TaskLocks& LockContext::state(const Task& task) const {
  static const TaskLocks none;
  return task.locks ? *task.locks : none;
}

int LockContext::find_held(const Task& task, const LockBase& lock) const {
  const auto& held = state(task).held;
  for (int i = static_cast<int>(held.size()) - 1; i >= 0; --i) {
    if (held[static_cast<std::size_t>(i)].lock == &lock) return i;
  }
  return -1;
}

void LockContext::announce(LockBase& lock) {
  if (lock.announced) return;
  lock.announced = true;
  const LockClass& c = classes_[lock.cls];
  if (c.kind == LockType::bitlock) return;
  engine_.trace<Event::sim_lock_info>(lock.id, engine_.tracer().symbols().intern(c.name),
                                      c.subclass, c.recursive, 0);
}

void LockContext::record_acquiring(LockBase& lock, HoldMode mode) {
  const Tracer& tracer = engine_.tracer();
  if (tracer.wants(Event::sim_lock_info)) [[unlikely]]
    announce(lock);
  const LockClass& c = classes_[lock.cls];
  if (c.kind == LockType::bitlock) {
    // The records of a bit lock say when it is held, not when it is asked for; see acquired().
    return;
  }
  engine_.trace<Event::lock_acquire>(lock.id, acquire_flags(mode, false), c.printed);
}

const LockBase* LockContext::no_sleep_under(const Task& task) const {
  const auto& locks = held(task);
  for (auto it = locks.rbegin(); it != locks.rend(); ++it) {
    const LockType kind = class_of(*it->lock).kind;
    if (kind == LockType::spinlock || kind == LockType::rwlock) return it->lock;
  }
  return nullptr;
}

void LockContext::wait_context(LockBase& lock, HoldMode mode, const LockBase& held) {
  engine_.trace<Event::sim_lock_wait_context>(lock.id, acquire_flags(mode, false),
                                              classes_[lock.cls].printed, held.id);
}

void LockContext::contended(LockBase& lock, HoldMode) {
  const LockClass& c = classes_[lock.cls];
  if (c.kind == LockType::bitlock) {
    engine_.trace<Event::sim_bitlock_contended>(lock.id, c.printed);
  } else {
    engine_.trace<Event::lock_contended>(lock.id, c.printed);
  }
}

void LockContext::record_acquired(LockBase& lock, HoldMode mode, bool waited) {
  const LockClass& c = classes_[lock.cls];
  if (c.kind == LockType::bitlock) {
    engine_.trace<Event::sim_bitlock_acquire>(lock.id, acquire_flags(mode, false), c.printed);
  } else if (waited) {
    engine_.trace<Event::lock_acquired>(lock.id, c.printed);
  }
}

void LockContext::record_try_acquired(LockBase& lock, HoldMode mode) {
  if (engine_.tracer().wants(Event::sim_lock_info)) [[unlikely]]
    announce(lock);
  const LockClass& c = classes_[lock.cls];
  if (c.kind == LockType::bitlock) {
    engine_.trace<Event::sim_bitlock_acquire>(lock.id, acquire_flags(mode, true), c.printed);
  } else {
    engine_.trace<Event::lock_acquire>(lock.id, acquire_flags(mode, true), c.printed);
  }
}

void LockContext::abandoned(LockBase& lock) {
  const LockClass& c = classes_[lock.cls];
  if (c.kind == LockType::bitlock) return;  // its records begin when it is held
  engine_.trace<Event::lock_release>(lock.id, c.printed);
}

void LockContext::record_released(LockBase& lock) {
  const LockClass& c = classes_[lock.cls];
  if (c.kind == LockType::bitlock) {
    engine_.trace<Event::sim_bitlock_release>(lock.id, c.printed);
  } else {
    engine_.trace<Event::lock_release>(lock.id, c.printed);
  }
}

void LockContext::bit_set(LockBase& lock) {
  engine_.trace<Event::sim_bitlock_set>(lock.id, classes_[lock.cls].printed);
  push_held(lock, HoldMode::exclusive, false);
}

void LockContext::bit_cleared(LockBase& lock) {
  engine_.trace<Event::sim_bitlock_clear>(lock.id, classes_[lock.cls].printed);
  release_below_top(lock);
}

bool LockContext::release_slow(LockBase& lock) {
  if (recording()) record_released(lock);
  HeldStack& held = state(engine_.current()).held;
  if (held.empty() || held.back().lock != &lock) return release_below_top(lock);
  held.pop();
  return true;
}

bool LockContext::release_below_top(LockBase& lock) {
  Task& task = engine_.current();
  auto& held = state(task).held;
  const int i = find_held(task, lock);
  if (i < 0) {
    if (watcher_ && classes_[lock.cls].kind != LockType::bitlock) {
      tell_watch(lock, HoldMode::exclusive, false, Event::lock_release);
    }
    return false;
  }
  held.erase(static_cast<std::size_t>(i));
  if (watcher_) rehash_from(held, static_cast<std::size_t>(i));
  return true;
}

void LockContext::downgraded(LockBase& lock) {
  Task& task = engine_.current();
  const int i = find_held(task, lock);
  FL_ASSERT(i >= 0);
  auto& held = state(task).held;
  held[static_cast<std::size_t>(i)].mode = HoldMode::shared;
  if (watcher_) rehash_from(held, static_cast<std::size_t>(i));
  engine_.trace<Event::sim_lock_downgrade>(lock.id, classes_[lock.cls].printed);
}

void LockContext::try_then_wait(LockBase& lock, HoldMode mode) {
  if (watcher_) watch(lock, mode, false, Event::sim_lock_try_wait);
  if (!engine_.tracer().wants(Event::sim_lock_try_wait)) [[likely]]
    return;
  announce(lock);
  engine_.trace<Event::sim_lock_try_wait>(lock.id, acquire_flags(mode, false),
                                          classes_[lock.cls].printed);
}

void LockContext::annotate(LockBase& lock, HoldMode mode) {
  if (watcher_) watch(lock, mode, false, Event::lock_acquire);
  const Tracer& tracer = engine_.tracer();
  if (!tracer.wants(Event::lock_acquire) && !tracer.wants(Event::lock_release)) [[likely]]
    return;
  if (tracer.wants(Event::sim_lock_info)) announce(lock);
  const SymbolId name = classes_[lock.cls].printed;
  engine_.trace<Event::lock_acquire>(lock.id, acquire_flags(mode, false), name);
  engine_.trace<Event::lock_release>(lock.id, name);
}

}  // namespace faultline
