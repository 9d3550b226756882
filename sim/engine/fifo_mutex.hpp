// The engine's own mutex: strictly first come, first served, the releaser hands over to the next.
// It keeps no account of who holds what, makes no records and costs no time: for simple resources
// and for measuring the engine. An attempt is no scheduling point of its own; spend before it where
// choosers shall have a say. The locks of the modelled kernel are in the locking layer.
#pragma once

#include "base/bug.hpp"
#include "engine/engine.hpp"

namespace faultline {

class FifoMutex {
 public:
  explicit FifoMutex(Engine& engine) : engine_(&engine) {}
  FifoMutex(const FifoMutex&) = delete;
  FifoMutex& operator=(const FifoMutex&) = delete;

  /// Awaiter of lock(); while it waits it is its task's node in the queue.
  struct Lock {
    FifoMutex& mutex;
    Task* task = nullptr;
    Lock* next = nullptr;

    bool await_ready() {
      if (mutex.owner_) return false;
      mutex.owner_ = &mutex.engine_->current();
      return true;
    }
    void await_suspend(std::coroutine_handle<> frame) {
      task = &mutex.engine_->current();
      *(mutex.head_ ? &mutex.tail_->next : &mutex.head_) = this;
      mutex.tail_ = this;
      mutex.engine_->block().await_suspend(frame);
    }
    void await_resume() const { FL_ASSERT(mutex.owner_ == &mutex.engine_->current()); }
  };

  /// `co_await m.lock()`: waits behind all who came before.
  Lock lock() { return {*this}; }

  /// Hands the mutex to the first in the queue. The current task must own it.
  void unlock() {
    FL_ASSERT(owner_ == &engine_->current());
    Lock* const first = head_;
    if (!first) {
      owner_ = nullptr;
      return;
    }
    head_ = first->next;
    owner_ = first->task;
    engine_->wake(*first->task);
  }

  const Task* owner() const { return owner_; }

 private:
  Engine* engine_;
  Task* owner_ = nullptr;
  Lock* head_ = nullptr;
  Lock* tail_ = nullptr;
};

}  // namespace faultline
