// Work that a kernel worker does later: schedule_delayed_work and flush_delayed_work of Linux
// kernel/workqueue.c. One worker does all of it in the order in which it falls due. Left out: that
// a worker which sleeps is joined by another one, other queues than the system's.
#pragma once

#include <vector>

#include "kernel/kernel.hpp"

namespace faultline {

struct delayed_work {
  enum class State : std::uint8_t { idle, pending, running };
  Path<void> (*func)(Kernel&, delayed_work&) = nullptr;
  void* data = nullptr;  ///< of the function
  State state = State::idle;
  Nanos due{};
  std::vector<Task*> flushers;  ///< who waits for its end
};

struct workqueue_struct {
  Task* worker = nullptr;  ///< null in a World where nothing is ever scheduled
  bool sleeps = false;     ///< until the next work is due
  std::vector<delayed_work*> pending;
};

/// Has `work` done `delay` from now. Nothing happens if it is pending already.
void schedule_delayed_work(Kernel& k, delayed_work& work, Nanos delay);
/// Pending work is not done any more; what is running goes on.
void cancel_delayed_work(Kernel& k, delayed_work& work);
/// Has pending work done at once, and waits for the end of what is pending or running.
Path<void> flush_delayed_work(Kernel& k, delayed_work& work);

}  // namespace faultline
