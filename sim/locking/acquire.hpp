// The awaiter of every lock operation. Uncontended, it costs no coroutine: the clock is moved and
// the lock taken inside await_ready(). Only when an event is due first, or the lock is held, does a
// helper path take over. An attempt is one scheduling point; its cost passes before it is made.
#pragma once

#include <optional>

#include "locking/lock.hpp"

namespace faultline {

/// Intrusive FIFO of waiting tasks; nodes live in the frames of those who wait.
struct Waiter {
  Task* task = nullptr;
  HoldMode mode = HoldMode::exclusive;
  bool granted = false;  ///< the waker has given the lock to this waiter
  bool handoff = false;  ///< this waiter has asked for a handoff
  Nanos deadline{};      ///< from then on it may ask
  Waiter* next = nullptr;
};

class WaitList {
 public:
  bool empty() const { return head_ == nullptr; }
  Waiter* front() const { return head_; }
  void push(Waiter& w) {
    w.next = nullptr;
    *(head_ ? &tail_->next : &head_) = &w;
    tail_ = &w;
  }
  void remove(Waiter& w) {
    Waiter* previous = nullptr;
    for (Waiter* p = head_; p; previous = p, p = p->next) {
      if (p != &w) continue;
      (previous ? previous->next : head_) = p->next;
      if (tail_ == p) tail_ = previous;
      return;
    }
  }

 private:
  Waiter* head_ = nullptr;
  Waiter* tail_ = nullptr;
};

/// `Op` offers: `LockBase& lock()`, `HoldMode mode`, `bool try_now()` (takes the lock if it is free
/// to take; no records) and `Path<...> contended()` (waits until the lock is taken); for a wait
/// that a signal may end also `Path<bool> contended(true)`. False: a signal has ended it.
template <class Op, bool killable>
HelperPath<bool> acquire_path(Engine& engine, Op op, bool tried) {
  LockBase& lock = op.lock();
  LockContext& context = *lock.context;
  if (!tried) {
    co_await engine.spend(context.costs().uncontended);
    context.acquiring(lock, op.mode);
    if (op.try_now()) {
      context.acquired(lock, op.mode, false);
      co_return true;
    }
  }
  context.contended(lock, op.mode);
  if constexpr (killable) {
    const bool taken = co_await op.contended(true);
    if (!taken) {
      context.abandoned(lock);
      co_return false;
    }
  } else {
    co_await op.contended();
  }
  context.acquired(lock, op.mode, true);
  co_return true;
}

/// Awaiter of an acquisition; of a killable one the result says whether the lock was taken.
template <class Op, bool killable = false>
class Acquire {
 public:
  explicit Acquire(Op op) : op_(op) {}

  bool await_ready() {
    LockBase& lock = op_.lock();
    LockContext& context = *lock.context;
    if (!context.engine().try_spend(context.costs().uncontended)) return false;
    if (!context.quiet()) return try_recorded();
    tried_ = true;
    if (!op_.try_now()) return false;
    context.acquired_quietly(lock, op_.mode, false);
    return true;
  }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    slow_.emplace(acquire_path<Op, killable>(op_.lock().context->engine(), op_, tried_));
    return slow_->awaiter().await_suspend(caller);
  }
  auto await_resume() {
    if constexpr (killable) return !slow_ || slow_->awaiter().await_resume();
  }

 private:
  // The attempt when somebody wants to know of it; out of line, so that the other one stays small.
  [[gnu::noinline]] bool try_recorded() {
    LockBase& lock = op_.lock();
    lock.context->acquiring(lock, op_.mode);
    tried_ = true;
    if (!op_.try_now()) return false;
    lock.context->acquired(lock, op_.mode, false);
    return true;
  }

  Op op_;
  bool tried_ = false;
  std::optional<HelperPath<bool>> slow_;
};

template <class Op>
using AcquireKillable = Acquire<Op, true>;

/// Awaiter of a trylock: true if the lock was taken. One scheduling point, no wait.
template <class Op>
class TryAcquire {
 public:
  explicit TryAcquire(Op op) : op_(op) {}

  bool await_ready() {
    LockContext& context = *op_.lock().context;
    return context.engine().try_spend(context.costs().uncontended);
  }
  void await_suspend(std::coroutine_handle<> frame) {
    LockContext& context = *op_.lock().context;
    Engine::Spend spend = context.engine().spend(context.costs().uncontended);
    spend.cost += context.engine().current().pending;
    context.engine().current().pending = Nanos{};
    spend.await_suspend(frame);
  }
  bool await_resume() {
    LockBase& lock = op_.lock();
    const bool taken = op_.try_now();
    lock.context->engine().current().position.observe(taken);
    if (taken && lock.context->quiet()) {
      lock.context->acquired_quietly(lock, op_.mode, true);
    } else if (taken) {
      lock.context->try_acquired(lock, op_.mode);
    }
    return taken;
  }

 private:
  Op op_;
};

}  // namespace faultline
