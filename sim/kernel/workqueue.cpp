// The worker behind schedule_delayed_work. See the header. Who flushes is an edge of the wait-for
// graph: the worker has to go on first.
#include "kernel/workqueue.hpp"

#include <algorithm>

#include "base/bug.hpp"

namespace faultline {

namespace {

// The one that is due first; among equals the one that was scheduled first.
delayed_work& next_work(const workqueue_struct& wq) {
  return **std::min_element(wq.pending.begin(), wq.pending.end(),
                            [](const auto* a, const auto* b) { return a->due < b->due; });
}

Path<void> worker_thread(Kernel& k) {
  workqueue_struct& wq = *k.system_wq;
  while (!wq.pending.empty()) {
    delayed_work& work = next_work(wq);
    if (k.now() < work.due) {
      wq.sleeps = true;
      co_await k.engine.block_until(work.due);
      wq.sleeps = false;
      continue;  // something else may be due by now
    }
    std::erase(wq.pending, &work);
    work.state = delayed_work::State::running;
    co_await work.func(k, work);
    work.state = delayed_work::State::idle;
    for (Task* const waiter : work.flushers) k.engine.wake(*waiter);
    work.flushers.clear();
  }
}

void wake_worker(Kernel& k) {
  workqueue_struct& wq = *k.system_wq;
  const TaskState state = wq.worker->state;
  if (state == TaskState::created || state == TaskState::done) {
    k.engine.fork(*wq.worker, [&] { return worker_thread(k); }, k.now());
  } else if (wq.sleeps) {  // until something that may not be the next any more
    k.engine.wake(*wq.worker);
  }
}

}  // namespace

void schedule_delayed_work(Kernel& k, delayed_work& work, Nanos delay) {
  if (work.state == delayed_work::State::pending) return;
  FL_ASSERT(k.system_wq->worker);
  work.state = delayed_work::State::pending;
  work.due = k.now() + delay;
  k.system_wq->pending.push_back(&work);
  wake_worker(k);
}

void cancel_delayed_work(Kernel& k, delayed_work& work) {
  if (work.state != delayed_work::State::pending) return;
  std::erase(k.system_wq->pending, &work);
  work.state = delayed_work::State::idle;
  wake_worker(k);
}

Path<void> flush_delayed_work(Kernel& k, delayed_work& work) {
  if (work.state == delayed_work::State::pending) {
    work.due = k.now();
    wake_worker(k);
  }
  while (work.state != delayed_work::State::idle) {
    work.flushers.push_back(&k.engine.current());
    k.locks.begin_task_wait(*k.system_wq->worker);
    co_await k.engine.block();
    k.locks.end_wait(k.engine.current());
  }
}

}  // namespace faultline
