// The smallest CPU policy: `n` CPUs, one common run queue, time slices, no costs but a nanosecond
// for each switch. For tests of the layers that are below the machine.
#pragma once

#include <deque>
#include <optional>

#include "engine/engine.hpp"

namespace faultline {

class FewCpus {
 public:
  FewCpus(Engine& engine, std::size_t n, Nanos slice) : engine_(engine), idle_(n), slice_(slice) {
    engine.set_cpu_policy({this,
                           [](void* self, Task& t) { static_cast<FewCpus*>(self)->blocked(t); },
                           [](void* self, Task& t) { static_cast<FewCpus*>(self)->woken(t); },
                           [](void* self, Task& t) { static_cast<FewCpus*>(self)->expired(t); }});
  }
  FewCpus(const FewCpus&) = delete;

 private:
  void run(Task& task) {
    --idle_;
    task.on_cpu = true;
    engine_.set_preempt_at(task, engine_.now() + slice_);
    engine_.run_at(task, engine_.now() + Nanos(1));
  }
  void next() {
    ++idle_;
    if (queue_.empty()) return;
    Task* const task = queue_.front();
    queue_.pop_front();
    run(*task);
  }
  void blocked(Task& task) {
    task.on_cpu = false;
    next();
  }
  void woken(Task& task) {
    task.on_cpu = false;
    if (idle_ != 0) {
      run(task);
    } else {
      queue_.push_back(&task);
    }
  }
  void expired(Task& task) {
    task.on_cpu = false;
    queue_.push_back(&task);
    next();
  }

  Engine& engine_;
  std::size_t idle_;
  Nanos slice_;
  std::deque<Task*> queue_;
};

}  // namespace faultline
