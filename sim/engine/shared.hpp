// Shared<T>: state that two tasks touch without a common lock. Each access is a scheduling point
// (always ready in a timed run), and each load is part of what the task has observed, so that
// exploration knows which steps depend on each other.
#pragma once

#include "engine/engine.hpp"

namespace faultline {

template <class T>
class Shared {
 public:
  Shared(Engine& engine, T value) : engine_(&engine), value_(value) {}

  struct Load {
    Shared& shared;
    Engine::Choice point;
    bool await_ready() const { return point.await_ready(); }
    void await_suspend(std::coroutine_handle<> frame) { point.await_suspend(frame); }
    T await_resume() const {
      shared.engine_->current().position.observe(static_cast<std::uint64_t>(shared.value_));
      return shared.value_;
    }
  };
  struct Store {
    Shared& shared;
    Engine::Choice point;
    T value;
    bool await_ready() const { return point.await_ready(); }
    void await_suspend(std::coroutine_handle<> frame) { point.await_suspend(frame); }
    void await_resume() const { shared.value_ = value; }
  };

  struct Test {
    Load word;
    T mask;
    bool await_ready() const { return word.await_ready(); }
    void await_suspend(std::coroutine_handle<> frame) { word.await_suspend(frame); }
    bool await_resume() const { return (word.await_resume() & mask) != 0; }
  };
  /// `co_await x.test(mask)`: whether a load has one of these bits.
  Test test(T mask) { return {load(), mask}; }

  /// `co_await x.load()`
  Load load() { return {*this, engine_->choice_point()}; }
  /// `co_await x.store(v)`
  Store store(T value) { return {*this, engine_->choice_point(), value}; }

  /// The value without a scheduling point: for reports, invariants and code that holds the lock
  /// that every writer holds.
  T peek() const { return value_; }
  /// Sets the value under the lock that every accessor holds.
  void set_locked(T value) { value_ = value; }

 private:
  Engine* engine_;
  T value_;
};

}  // namespace faultline
