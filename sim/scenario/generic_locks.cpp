// The verbs on declared locks, one switch per primitive.
#include "scenario/generic_locks.hpp"

#include <cerrno>

namespace faultline {

namespace {

LockType type_of(LockKind kind) {
  switch (kind) {
    case LockKind::mutex:
      return LockType::mutex;
    case LockKind::rwsem:
      return LockType::rwsem;
    case LockKind::rwlock:
      return LockType::rwlock;
    case LockKind::spinlock:
      return LockType::spinlock;
    case LockKind::percpu_rwsem:
      return LockType::percpu_rwsem;
    case LockKind::annotation:
      return LockType::annotation;
  }
  return LockType::annotation;
}

// One operation in both of its forms: waiting, or trying only.
template <class Lock, class Wait, class Try>
HelperPath<bool> attempt(Engine& engine, Lock& lock, bool try_only, Wait wait, Try try_lock) {
  if (try_only) {
    const bool taken = co_await try_lock(lock);
    co_return taken;
  }
  co_await wait(lock);
  co_return true;
}

}  // namespace

GenericLocks::GenericLocks(const Scenario& scenario, Kernel& k)
    : scenario_(scenario), special_(scenario.locks.size()) {
  for (std::uint32_t i = 0; i < scenario.locks.size(); ++i) {
    locks_.emplace_back();
    prepare(k, LockRef(i));
  }
}

void GenericLocks::prepare(Kernel& k, LockRef ref) {
  const LockSpec& spec = scenario_.locks[ref.v];
  Lock& lock = locks_[ref.v];
  switch (spec.kind) {
    case LockKind::mutex:
      lock.emplace<mutex>();
      break;
    case LockKind::rwsem:
      lock.emplace<rw_semaphore>();
      break;
    case LockKind::rwlock:
      lock.emplace<rwlock_t>();
      break;
    case LockKind::spinlock:
      lock.emplace<spinlock_t>();
      break;
    case LockKind::percpu_rwsem:
      lock.emplace<percpu_rw_semaphore>();
      break;
    case LockKind::annotation:
      lock.emplace<LockBase>();
      break;
  }
  const LockClassId cls = k.locks.lock_class(spec.lock_class, type_of(spec.kind), spec.subclass);
  init_lock(base(ref), k.locks, cls, lock_id(LockOwner::scenario, ref.v));
}

LockBase& GenericLocks::base(LockRef ref) {
  return std::visit([](auto& lock) -> LockBase& { return lock; }, locks_[ref.v]);
}

// A recursive reader or a nest lock changes what the validator makes of the next acquisition.
void GenericLocks::announce(Kernel& k, LockRef ref, const LockArgs& args) {
  const bool nested = args.nest.v != no_lock.v;
  const bool special = args.recursive || nested;
  if (!special && !special_[ref.v]) return;
  special_[ref.v] = special;
  LockBase& lock = base(ref);
  lock.announced = true;  // or its first use would say again that it is nothing special
  const LockClass& cls = k.locks.class_of(lock);
  k.trace<Event::sim_lock_info>(lock.id, k.engine.tracer().symbols().intern(cls.name), cls.subclass,
                                args.recursive, nested ? base(args.nest).id : 0);
}

HelperPath<void> GenericLocks::annotation(Kernel& k, const LockArgs& args) {
  const HoldMode mode = args.mode == LockMode::read ? HoldMode::shared : HoldMode::exclusive;
  LockBase& lock = base(args.lock);
  co_await k.engine.spend(k.costs.lock_op);
  if (args.try_only) {
    k.locks.try_acquired(lock, mode);
  } else {
    k.locks.acquiring(lock, mode);
    k.locks.acquired(lock, mode, false);
  }
}

HelperPath<bool> GenericLocks::lock_shared(Kernel& k, const LockArgs& args) {
  Engine& e = k.engine;
  Lock& lock = locks_[args.lock.v];
  const bool t = args.try_only;
  bool taken = true;
  if (auto* const rw = std::get_if<rw_semaphore>(&lock)) {
    taken = co_await attempt(e, *rw, t, down_read, down_read_trylock);
  } else if (auto* const rl = std::get_if<rwlock_t>(&lock)) {
    taken = co_await attempt(e, *rl, t, read_lock, read_trylock);
  } else if (auto* const p = std::get_if<percpu_rw_semaphore>(&lock)) {
    taken = co_await attempt(e, *p, t, percpu_down_read, percpu_down_read_trylock);
  } else {
    co_await annotation(k, args);
  }
  co_return taken;
}

// Sleeping under a lock that spins. Wait types as lock_rules.md 5 has them: only a mutex and a
// rwsem sleep in the validator's eyes (a percpu rwsem has no wait type), and a try never does.
void GenericLocks::check_wait_context(Kernel& k, const LockArgs& args) {
  LockBase& lock = base(args.lock);
  const LockType kind = k.locks.class_of(lock).kind;
  if (args.try_only || (kind != LockType::mutex && kind != LockType::rwsem)) return;
  const HoldMode mode = args.mode == LockMode::read ? HoldMode::shared : HoldMode::exclusive;
  const LockBase* const held = k.locks.no_sleep_under(k.engine.current());
  if (held) k.locks.wait_context(lock, mode, *held);
}

Path<std::int64_t> GenericLocks::lock(Kernel& k, const LockArgs& args) {
  announce(k, args.lock, args);
  check_wait_context(k, args);
  const bool read = args.mode == LockMode::read;
  const bool t = args.try_only;
  Engine& e = k.engine;
  Lock& lock = locks_[args.lock.v];
  bool taken = true;
  if (auto* const m = std::get_if<mutex>(&lock)) {
    taken = co_await attempt(e, *m, t, mutex_lock, mutex_trylock);
  } else if (auto* const s = std::get_if<spinlock_t>(&lock)) {
    taken = co_await attempt(e, *s, t, spin_lock, spin_trylock);
  } else if (read) {
    taken = co_await lock_shared(k, args);
  } else if (auto* const rw = std::get_if<rw_semaphore>(&lock)) {
    taken = co_await attempt(e, *rw, t, down_write, down_write_trylock);
  } else if (auto* const rl = std::get_if<rwlock_t>(&lock)) {
    taken = co_await attempt(e, *rl, t, write_lock, write_trylock);
  } else if (auto* const p = std::get_if<percpu_rw_semaphore>(&lock)) {
    taken = co_await attempt(e, *p, t, percpu_down_write, percpu_down_write_trylock);
  } else {
    co_await annotation(k, args);
  }
  co_return taken ? 0 : -EBUSY;
}

LockVerdict GenericLocks::unlock(Kernel& k, LockRef ref) {
  LockBase& lock = base(ref);
  const int held = k.locks.find_held(k.engine.current(), lock);
  const std::string& name = scenario_.locks[ref.v].name;
  if (held < 0) {
    k.trace<Event::lock_release>(lock.id, k.locks.class_of(lock).printed);
    return {false, {}};
  }
  const HoldMode mode = k.locks.held(k.engine.current())[static_cast<std::size_t>(held)].mode;
  const bool read = mode == HoldMode::shared;
  Lock& any = locks_[ref.v];
  bool ok = true;
  if (auto* const m = std::get_if<mutex>(&any)) {
    ok = mutex_unlock(*m);
  } else if (auto* const s = std::get_if<spinlock_t>(&any)) {
    ok = spin_unlock(*s);
  } else if (auto* const rw = std::get_if<rw_semaphore>(&any)) {
    ok = read ? up_read(*rw) : up_write(*rw);
  } else if (auto* const rl = std::get_if<rwlock_t>(&any)) {
    ok = read ? read_unlock(*rl) : write_unlock(*rl);
  } else if (auto* const p = std::get_if<percpu_rw_semaphore>(&any)) {
    ok = read ? percpu_up_read(*p) : percpu_up_write(*p);
  } else {
    ok = k.locks.released(lock);
  }
  if (ok) return {};
  return {false, "\"" + name + "\" is released by a task that does not own it", "bad-release"};
}

LockVerdict GenericLocks::downgrade(Kernel& k, LockRef ref) {
  auto* const sem = std::get_if<rw_semaphore>(&locks_[ref.v]);
  const std::string& name = scenario_.locks[ref.v].name;
  if (!sem) return {false, "\"" + name + "\" is no rwsem and cannot be downgraded"};
  const int held = k.locks.find_held(k.engine.current(), *sem);
  if (held < 0) {
    k.trace<Event::sim_lock_downgrade>(sem->id, k.locks.class_of(*sem).printed);
    return {false, {}};
  }
  const HoldMode mode = k.locks.held(k.engine.current())[static_cast<std::size_t>(held)].mode;
  if (mode != HoldMode::exclusive) {
    return {false, "\"" + name + "\" is downgraded, but not held for writing"};
  }
  downgrade_write(*sem);
  return {};
}

LockVerdict GenericLocks::init(Kernel& k, LockRef ref) {
  const LockBase& lock = base(ref);
  k.trace<Event::sim_lock_init>(lock.id, k.locks.class_of(lock).printed);
  for (std::size_t t = 0; t < k.engine.task_count(); ++t) {
    const Task& task = k.engine.task(TaskId(static_cast<std::uint32_t>(t)));
    if (k.locks.find_held(task, lock) >= 0) return {false, {}};
  }
  prepare(k, ref);
  return {};
}

}  // namespace faultline
