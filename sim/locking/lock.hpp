// What all locks share: class, identity, the per-task stack of held locks, and the records that a
// lock validator needs (lock_acquire, lock_contended, lock_acquired, lock_release and their
// sim_bitlock_ counterparts for what lock debugging does not know). Follows the event discipline of
// Linux 6.12 kernel/locking/lockdep.c and lock_stat as lock_rules.md sections 1.2 and 8 give it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/types.hpp>

#include "engine/engine.hpp"
#include "locking/held_stack.hpp"
#include "locking/order_watch.hpp"

namespace faultline {

/// What kind of primitive an instance is; decides how it is printed and who its owner is.
enum class LockType : std::uint8_t {
  rwsem,
  mutex,
  spinlock,
  rwlock,
  percpu_rwsem,
  annotation,  ///< fs_reclaim and the like: acquired and released at once, never waits
  bitlock,     ///< not known to lock debugging: DAX entry, buffer semaphore, folio
};

using LockClassId = std::uint16_t;

struct LockClass {
  std::string name;  ///< as the kernel prints it
  std::uint8_t subclass = 0;
  LockType kind = LockType::mutex;
  SymbolId printed{};      ///< name with `/SUBCLASS` when that is not 0
  bool recursive = false;  ///< its shared holders may nest: SRCU, RCU
};

/// Costs of lock operations, from the machine's preset.
struct LockCosts {
  Nanos uncontended{};   ///< one acquisition or release that meets nobody
  Nanos handoff{};       ///< waking a sleeper that then owns or retries the lock
  Nanos spin_handoff{};  ///< a spinner noticing that the lock is free
};

class LockContext;

/// Common head of every lock instance. `id` is (owner, counter of that owner): see lock_id().
struct LockBase {
  LockContext* context = nullptr;
  std::uint64_t id = 0;
  Task* owner = nullptr;  ///< the exclusive holder, or the last shared one (as rwsem's owner word)
  LockClassId cls = 0;
  bool announced = false;            ///< sim_lock_info was written
  std::uint32_t waiting = 0;         ///< tasks between begin_wait() and end_wait() on this lock
  std::uint32_t waiting_shared = 0;  ///< of these, those that want it shared
};

/// What a blocked task waits for: a lock, or a step of the task `on`.
struct LockWait {
  LockBase* lock = nullptr;
  HoldMode mode = HoldMode::exclusive;
  CallNode calls = 0;
  const Task* on = nullptr;
  bool timed = false;  ///< ends by itself: no part of a deadlock while it lasts
};

/// Identity of a lock from its owner's kind and number and a counter of that owner, so that equal
/// states have equal ids. kind < 2^8, owner < 2^32, index < 2^24.
constexpr std::uint64_t lock_id(std::uint8_t kind, std::uint64_t owner, std::uint64_t index = 0) {
  return (std::uint64_t{kind} << 56) | ((owner & 0xffffffff) << 24) | (index & 0xffffff);
}

/// One task of a deadlock: what it holds of the cycle, and what it wants. A queued writer that
/// keeps a reader waiting holds nothing, nor does a task whose step another waits for: `held.lock`
/// is null.
struct DeadlockMember {
  TaskId task;
  HeldLock held;
  LockWait wants;
};

/// Who knows about signals. Without `pending` none ever is; without `may_come` every signalable
/// wait is taken for one that may yet end, so that no deadlock through it is reported too early.
struct SignalOracle {
  void* self = nullptr;
  bool (*pending)(void* self, const Task& task) = nullptr;
  bool (*may_come)(void* self, const Task& task) = nullptr;
};

/// The locks of one task. Waiting tasks are chained by their numbers.
struct TaskLocks {
  static constexpr std::uint32_t no_task = ~0U;
  HeldStack held;
  LockWait wait;
  Task* waiter = nullptr;  ///< the task itself while it waits
  std::uint32_t next = no_task;
  std::uint32_t previous = no_task;
};

class LockContext {
 public:
  LockContext(Engine& engine, const LockCosts& costs) : engine_(engine), costs_(costs) {}

  Engine& engine() { return engine_; }
  const LockCosts& costs() const { return costs_; }

  /// The id of a class, registering it on first use. (name, subclass) pairs are distinct classes.
  LockClassId lock_class(std::string_view name, LockType kind, std::uint8_t subclass = 0);
  /// Shared holders of this class may nest, and queued writers do not keep them out.
  void set_recursive(LockClassId cls) { classes_[cls].recursive = true; }
  const LockClass& class_of(const LockBase& lock) const { return classes_[lock.cls]; }
  /// Makes the next acquisitions of a free lock count as those of another class, as the _nested
  /// functions of lock debugging do.
  static void set_class(LockBase& lock, LockClassId cls) {
    lock.cls = cls;
    lock.announced = false;
  }
  const LockClass& class_info(LockClassId id) const { return classes_[id]; }
  std::size_t class_count() const { return classes_.size(); }

  /// Locks that `task` holds, in order of acquisition.
  const HeldStack& held(const Task& task) const { return state(task).held; }
  const LockWait& waits_for(const Task& task) const { return state(task).wait; }
  /// Index of `lock` in the task's stack, searched from the top; -1 if it is not held.
  int find_held(const Task& task, const LockBase& lock) const;

  /// The spinning lock (spinlock, rwlock) that `task` holds and under which it must not sleep, the
  /// latest; null if there is none. kernel/locking/lockdep.c check_wait_context().
  const LockBase* no_sleep_under(const Task& task) const;
  /// The current task goes for `lock`, which sleeps, under `held`, which spins.
  void wait_context(LockBase& lock, HoldMode mode, const LockBase& held);

  /// Whether nobody takes the records of uncontended operations or watches the order of locks:
  /// then such an operation only changes the held stack.
  bool quiet() const { return !recording() && !watcher_; }
  /// All that there is to an acquisition that succeeds while quiet().
  void acquired_quietly(LockBase& lock, HoldMode mode, bool trylock) {
    state(engine_.current())
        .held.push({&lock, engine_.now(), engine_.call_path(), mode, trylock, 0});
  }

  /// Records of an attempt. `acquiring` comes before a possible sleep; `acquired` pushes the lock
  /// on the task's stack (after = it had to wait); `try_acquired` does both for a trylock that
  /// succeeded.
  void acquiring(LockBase& lock, HoldMode mode) {
    if (recording()) [[unlikely]]
      record_acquiring(lock, mode);
    if (watcher_) watch(lock, mode, false, Event::lock_acquire);
  }
  void contended(LockBase& lock, HoldMode mode);
  void acquired(LockBase& lock, HoldMode mode, bool waited) {
    if (recording()) [[unlikely]]
      record_acquired(lock, mode, waited);
    push_held(lock, mode, false);
  }
  void try_acquired(LockBase& lock, HoldMode mode) {
    if (recording()) [[unlikely]]
      record_try_acquired(lock, mode);
    if (watcher_) watch(lock, mode, true, Event::lock_acquire);
    push_held(lock, mode, true);
  }
  /// Before a try that is followed by a wait if it fails: a dependency that a lock validator, which
  /// counts nothing for a successful try, does not see.
  void try_then_wait(LockBase& lock, HoldMode mode);
  /// A killable attempt ended without the lock.
  void abandoned(LockBase& lock);
  /// Takes the lock off the current task's stack. False if it was not held.
  bool released(LockBase& lock) {
    HeldStack& held = state(engine_.current()).held;
    if (recording() || held.empty() || held.back().lock != &lock) [[unlikely]]
      return release_slow(lock);
    held.pop();
    return true;
  }
  /// A bit lock that its holder sets or clears while another lock protects the word, where the
  /// tracer of the reference traces has no probe: it counts as held, under records of its own.
  void bit_set(LockBase& lock);
  void bit_cleared(LockBase& lock);
  /// The current task's exclusive hold becomes a shared one.
  void downgraded(LockBase& lock);
  /// An annotation: acquire and release with nothing really locked.
  void annotate(LockBase& lock, HoldMode mode);
  /// A shared annotation on a real lock (might_fault on mmap_lock): nothing is held, nothing waits.
  void annotate_shared(LockBase& lock) { annotate(lock, HoldMode::shared); }

  /// Around a sleep on a lock: registers the wait, and ends the run if it closes a cycle of waits
  /// that nothing else can end. `timed`: the wait has a deadline.
  void begin_wait(LockBase& lock, HoldMode mode, bool timed = false);
  /// Around a sleep of the current task until a step of `on` has ended. Such a wait ends no run by
  /// itself; final_cycle() counts it.
  void begin_task_wait(Task& on);
  void end_wait(Task& task);

  /// For what is told of a run that is over: from now on `task` counts as one that holds `lock`,
  /// which is no lock and was never recorded as acquired.
  void hold_for(Task& task, LockBase& lock, HoldMode mode) {
    state(task).held.push({&lock, engine_.now(), task.calls, mode, false, 0});
  }

  /// To be asked when nothing can happen any more and tasks are blocked: a cycle among their waits
  /// for locks and steps, also in deadlock() afterwards; empty if they are merely stuck.
  const std::vector<DeadlockMember>& final_cycle();

  /// From now on `watch` is told what is new in the order of locks. Who watches needs no records;
  /// bit locks are left out.
  void set_order_watch(const OrderWatch& watch);

  void set_signal_oracle(const SignalOracle& oracle) { signals_ = oracle; }
  /// Whether a signal that ends killable waits is pending for `task`.
  bool signal_pending(const Task& task) const {
    return signals_.pending && signals_.pending(signals_.self, task);
  }

  /// Around an optimistic spin: while anyone spins, sleeping owners are looked out for.
  void begin_spin();
  void end_spin();

  /// The cycle that ended the run; empty when none did.
  const std::vector<DeadlockMember>& deadlock() const { return deadlock_; }

  /// Tasks that wait for a lock or a step, in order of blocking.
  std::vector<Task*> blocked() const;

 private:
  static constexpr std::uint32_t no_task = TaskLocks::no_task;

  // An edge of the wait-for graph: `task` must go on first; it holds `held`, or nothing.
  struct Needed {
    Task* task;
    HeldLock held;
  };
  struct Visit {
    Needed node;
    std::vector<Needed> needs;
    std::size_t next = 0;
  };
  enum class Waits : std::uint8_t { locks_only, all };

  // Whether anybody takes the records of uncontended operations; those of others test for
  // themselves.
  bool recording() const {
    const Tracer& tracer = engine_.tracer();
    return tracer.wants(Event::lock_acquire) || tracer.wants(Event::lock_acquired) ||
           tracer.wants(Event::lock_release) || tracer.wants(Event::sim_lock_info) ||
           tracer.wants(Event::sim_bitlock_acquire) || tracer.wants(Event::sim_bitlock_release);
  }
  static constexpr std::uint64_t acquire_flags(HoldMode mode, bool trylock) {
    return (trylock ? 1u : 0u) | (mode == HoldMode::shared ? 2u : 0u);
  }
  // Bit locks leave the hash as it is: they are none of the order's.
  StackHash hash_on(StackHash below, const LockBase& lock, HoldMode mode, bool trylock) const {
    if (classes_[lock.cls].kind == LockType::bitlock) return below;
    return stack_hash(below, lock.id, lock.cls,
                      static_cast<unsigned>(acquire_flags(mode, trylock)));
  }
  static StackHash top_of(const HeldStack& held) { return held.empty() ? 0 : held.back().stack; }
  // Out of line, so that an operation that nobody watches is small enough to be inlined.
  void watch(LockBase& lock, HoldMode mode, bool trylock, Event event);
  void push_held(LockBase& lock, HoldMode mode, bool trylock) {
    HeldStack& held = state(engine_.current()).held;
    const StackHash stack = watcher_ ? hash_on(top_of(held), lock, mode, trylock) : 0;
    held.push({&lock, engine_.now(), engine_.call_path(), mode, trylock, stack});
  }
  void rehash_from(HeldStack& held, std::size_t first);
  void tell_watch(LockBase& lock, HoldMode mode, bool trylock, Event event);
  void record_acquiring(LockBase& lock, HoldMode mode);
  void record_acquired(LockBase& lock, HoldMode mode, bool waited);
  void record_try_acquired(LockBase& lock, HoldMode mode);
  void record_released(LockBase& lock);
  bool release_slow(LockBase& lock);
  bool release_below_top(LockBase& lock);

  TaskLocks& state(Task& task) {
    if (!task.locks) [[unlikely]]
      add_tasks();
    return *task.locks;
  }
  const TaskLocks& state(const Task& task) const;
  void add_tasks();
  void announce(LockBase& lock);
  void owner_sleeps(Task& task);
  void link_waiter(Task& task, TaskLocks& mine, const LockWait& wait);
  bool may_close_cycle(const TaskLocks& mine) const;
  bool may_end_by_itself(const Task& task, const LockWait& wait) const;
  std::vector<Needed> needs(const Task& task, const Task& start, Waits which) const;
  bool find_cycle(Task& start, Waits which, std::vector<std::uint8_t>& colour);

  Engine& engine_;
  LockCosts costs_;
  std::vector<LockClass> classes_;
  std::deque<TaskLocks> tasks_;  // tasks keep pointers into it
  std::uint32_t first_waiter_ = no_task;
  std::uint32_t last_waiter_ = no_task;
  std::vector<DeadlockMember> deadlock_;
  SignalOracle signals_;
  std::uint32_t spinners_ = 0;
  std::unique_ptr<OrderWatcher> watcher_;  // null: nobody watches
};

/// Prepares an instance. Call once before use.
inline void init_lock(LockBase& lock, LockContext& context, LockClassId cls, std::uint64_t id) {
  lock.context = &context;
  lock.cls = cls;
  lock.id = id;
}

}  // namespace faultline
