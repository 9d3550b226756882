// LockContext's side of an order watch: from a held stack to the steps that lead to it.
#include "locking/order_watch.hpp"

#include "locking/lock.hpp"

namespace faultline {

void LockContext::set_order_watch(const OrderWatch& watch) {
  watcher_ = std::make_unique<OrderWatcher>();
  watcher_->watch = watch;
}

void LockContext::rehash_from(HeldStack& held, std::size_t first) {
  for (std::size_t i = first; i < held.size(); ++i) {
    const StackHash below = i == 0 ? 0 : held[i - 1].stack;
    held[i].stack = hash_on(below, *held[i].lock, held[i].mode, held[i].trylock);
  }
}

void LockContext::watch(LockBase& lock, HoldMode mode, bool trylock, Event event) {
  if (classes_[lock.cls].kind == LockType::bitlock) return;
  const StackHash below = top_of(state(engine_.current()).held);
  const bool waits = event == Event::sim_lock_try_wait;
  const auto how = static_cast<unsigned>(acquire_flags(mode, trylock)) | (waits ? 4u : 0u);
  if (watcher_->seen.add(stack_hash(below, lock.id, lock.cls, how))) [[unlikely]]
    tell_watch(lock, mode, trylock, event);
}

void LockContext::tell_watch(LockBase& lock, HoldMode mode, bool trylock, Event event) {
  OrderWatcher& w = *watcher_;
  const Task& task = engine_.current();
  w.steps.clear();
  const auto step = [&](Nanos time, CallNode calls, Event e,
                        std::initializer_list<std::uint64_t> words) {
    auto& [r, where] = w.steps.emplace_back();
    where = calls;
    r.time = time;
    r.event = e;
    r.cpu = task.cpu;
    r.task = task.id;
    r.context = Context::task;
    r.n = 0;
    for (const std::uint64_t word : words) r.arg[r.n++] = word;
  };
  if (!lock.announced) {
    lock.announced = true;
    const LockClass& c = classes_[lock.cls];
    const SymbolId name = engine_.tracer().symbols().intern(c.name);
    step(engine_.now(), engine_.call_path(), Event::sim_lock_info,
         {lock.id, name.v, c.subclass, c.recursive, 0});
  }
  for (const HeldLock& h : state(task).held) {
    if (classes_[h.lock->cls].kind == LockType::bitlock) continue;
    step(h.since, h.calls, Event::lock_acquire,
         {h.lock->id, acquire_flags(h.mode, h.trylock), classes_[h.lock->cls].printed.v});
  }
  const SymbolId printed = classes_[lock.cls].printed;
  if (event == Event::lock_release) {
    step(engine_.now(), engine_.call_path(), event, {lock.id, printed.v});
  } else {
    step(engine_.now(), engine_.call_path(), event,
         {lock.id, acquire_flags(mode, trylock), printed.v});
  }
  if (lock.cls >= w.classes.size()) w.classes.resize(classes_.size());
  if (!w.classes[lock.cls]) {
    // Another subclass of a name makes instances matter that did not before.
    w.classes[lock.cls] = true;
    w.seen.clear();
  }
  w.watch.fn(w.watch.self, w.steps);
}

}  // namespace faultline
