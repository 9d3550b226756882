// The run loop. START HERE to see how time moves: take the earliest event, continue its task until
// the task suspends, repeat. run_timed() is the loop of timed runs, run_chosen() that of the
// others.
#include "engine/engine.hpp"

#include <algorithm>

#include "base/bug.hpp"

namespace faultline {

namespace {
constexpr Nanos end_of_time{~0ULL - 1};
constexpr std::uint64_t events_between_checks = 512;
}  // namespace

Engine::Engine(Tracer& tracer, EngineOptions options)
    : tracer_(tracer),
      options_(std::move(options)),
      frames_(*this, tracer),
      rng_(options_.seed),
      inline_(inline_of(options_)) {}

Engine::Inline Engine::inline_of(const EngineOptions& options) {
  if (!options.inline_spend) return Inline::never;
  switch (options.chooser) {
    case Chooser::timed:
      return Inline::timed;
    case Chooser::sequential:
      return Inline::always;
    case Chooser::random:
    case Chooser::replay:
      break;
  }
  return Inline::never;
}

Engine::~Engine() {
  // A run that ended early leaves frames suspended. Destroying the root frame destroys the Path
  // objects it awaits, and so the whole stack of the task.
  for (const auto& task : tasks_) {
    if (task->root) task->root.destroy();
  }
}

Task& Engine::add_task() {
  tasks_.push_back(std::make_unique<Task>());
  Task& task = *tasks_.back();
  task.engine = this;
  task.id = TaskId(static_cast<std::uint32_t>(tasks_.size() - 1));
  return task;
}

void Engine::start(Task& task, Path<void> path, Nanos start) {
  FL_ASSERT(task.state == TaskState::created || task.state == TaskState::done);
  task.finished = false;
  task.spinning = false;  // as it may have been when it was last waiting
  const auto frame = path.release();
  FL_ASSERT(frame.promise().stage == PromiseBase::Stage::created);
  frame.promise().stage = PromiseBase::Stage::root;
  frame.promise().outer_calls = 0;
  task.root = frame;
  task.leaf = &frame.promise();
  if (start > now_) {
    task.state = TaskState::blocked;
    task.wait_has_timeout = true;
    push_event(start, task);
  } else {
    task.state = TaskState::blocked;
    wake(task);
  }
}

void Engine::stop(Outcome outcome, std::string reason) {
  if (stopped_) return;
  stopped_ = true;
  event_check_ = 0;
  stop_outcome_ = outcome;
  stop_reason_ = std::move(reason);
}

void Engine::suspend_for(std::coroutine_handle<> frame, Nanos cost) {
  Task& task = *current_;
  FL_ASSERT(frame == frames_.running->frame());
  task.leaf = frames_.running;
  task.calls = frames_.calls;
  task.state = TaskState::ready;
  if (timed()) {
    // Time that would wrap stands still at the end of time.
    const Nanos end = now_ + cost;
    push_event(end < now_ || end > end_of_time ? end_of_time : end, task);
  } else {
    task.choice_cost = cost;
    make_ready(task);
  }
}

void Engine::block_current(std::coroutine_handle<> frame, Nanos deadline, bool spin) {
  Task& task = *current_;
  FL_ASSERT(frame == frames_.running->frame());
  task.leaf = frames_.running;
  task.calls = frames_.calls;
  task.state = TaskState::blocked;
  task.spinning = spin;
  task.wait_has_timeout = deadline != Nanos(~0ULL);
  if (task.wait_has_timeout) push_event(std::max(deadline, now_), task);
  if (spin) return;
  if (sleep_hook_) sleep_hook_(sleep_hook_self_, task);
  if (timed() && policy_.blocked) policy_.blocked(policy_.self, task);
}

void Engine::wake(Task& task, Wake reason) {
  if (task.state != TaskState::blocked) return;
  ++task.generation;
  task.state = TaskState::ready;
  task.wake_reason = reason;
  if (!timed()) {
    task.choice_cost = Nanos{};
    make_ready(task);
  } else if (policy_.woken && !task.spinning) {
    policy_.woken(policy_.self, task);
  } else {
    push_event(now_, task);
  }
}

void Engine::make_ready(Task& task) {
  const auto at = std::lower_bound(enabled_.begin(), enabled_.end(), &task,
                                   [](const Task* a, const Task* b) { return a->id < b->id; });
  enabled_.insert(at, &task);
}

void Engine::set_horizon() {
  Nanos end = now_;
  switch (inline_) {
    case Inline::timed:
      end = std::min(queue_.next_time(), current_->preempt_at);
      break;
    case Inline::always:
      end = Nanos(~0ULL);
      break;
    case Inline::never:
      break;
  }
  if (options_.max_time < end) end = options_.max_time + Nanos(1);
  horizon_ = std::max(end, now_);
}

void Engine::resume(Task& task) {
  current_ = &task;
  set_horizon();
  task.state = TaskState::running;
  frames_.running = task.leaf;
  frames_.calls = task.calls;
  for (PromiseBase* frame = task.leaf; frame; frame = task.next) {
    task.next = nullptr;
    frame->frame().resume();
  }
  frames_.running = nullptr;
  current_ = nullptr;
  if (failure_) [[unlikely]]
    std::rethrow_exception(std::exchange(failure_, nullptr));
  if (task.finished) {
    task.state = TaskState::done;
    task.root.destroy();
    task.root = nullptr;
    task.leaf = nullptr;
    if (sleep_hook_) sleep_hook_(sleep_hook_self_, task);
    if (timed() && policy_.blocked) policy_.blocked(policy_.self, task);
  }
}

bool Engine::begin_event(Nanos when) {
  if (events_ >= event_check_ || when > options_.max_time) [[unlikely]] {
    if (!check_limits(when)) return false;
  }
  ++events_;
  now_ = when;
  return true;
}

bool Engine::check_limits(Nanos when) {
  if (watch_) watch_(watch_self_);
  if (options_.interrupt && options_.interrupt->load(std::memory_order_relaxed)) {
    stop(Outcome::interrupted, "interrupted");
  } else if (events_ >= options_.max_events) {
    stop(Outcome::limit, "the limit of events is reached");
  } else if (when > options_.max_time) {
    stop(Outcome::limit, "the limit of simulated time is reached");
  }
  if (stopped_) return false;
  event_check_ = events_ + std::min(events_between_checks, options_.max_events - events_);
  return true;
}

void Engine::run_timed() {
  while (!queue_.empty()) {
    const EventQueue::Entry entry = queue_.pop();
    Task& task = *tasks_[entry.payload & 0xffffffffu];
    if (task.generation != entry.payload >> 32) continue;  // cancelled
    if (!begin_event(Nanos(entry.time))) [[unlikely]]
      break;
    if (task.state == TaskState::blocked) {
      ++task.generation;
      task.state = TaskState::ready;
      task.wake_reason = Wake::timeout;
      if (policy_.woken && !task.spinning) {
        policy_.woken(policy_.self, task);
        continue;
      }
    }
    if (now_ >= task.preempt_at && task.preempt_count == 0) [[unlikely]] {
      if (sleep_hook_) sleep_hook_(sleep_hook_self_, task);
      policy_.expired(policy_.self, task);
    } else {
      resume(task);
    }
  }
}

Task* Engine::take_due_timer(bool only_due) {
  while (!queue_.empty()) {
    if (only_due && queue_.next_time() > now_) return nullptr;
    const EventQueue::Entry entry = queue_.pop();
    Task& task = *tasks_[entry.payload & 0xffffffffu];
    if (task.generation != entry.payload >> 32 || task.state != TaskState::blocked) continue;
    if (Nanos(entry.time) > options_.max_time) {
      stop(Outcome::limit, "the limit of simulated time is reached");
      return nullptr;
    }
    now_ = std::max(now_, Nanos(entry.time));
    return &task;
  }
  return nullptr;
}

Task* Engine::choose() {
  std::size_t index = 0;
  switch (options_.chooser) {
    case Chooser::timed:
    case Chooser::sequential:
      break;  // the first in order of declaration
    case Chooser::random:
      index = rng_.below(enabled_.size());
      break;
    case Chooser::replay:
      if (next_choice_ < options_.choices.size()) {
        const std::uint32_t id = options_.choices[next_choice_++];
        const auto at = std::find_if(enabled_.begin(), enabled_.end(),
                                     [id](const Task* t) { return t->id.v == id; });
        if (at == enabled_.end()) {
          schedule_failed_ = true;
          stop(Outcome::stuck, "the schedule names a task that cannot run at choice " +
                                   std::to_string(next_choice_ - 1));
          return nullptr;
        }
        index = static_cast<std::size_t>(at - enabled_.begin());
      }
      break;
  }
  Task* const task = enabled_[index];
  enabled_.erase(enabled_.begin() + static_cast<std::ptrdiff_t>(index));
  return task;
}

void Engine::run_chosen() {
  while (!stopped_) {
    while (Task* const due = take_due_timer(!enabled_.empty())) wake(*due, Wake::timeout);
    if (enabled_.empty() || stopped_) break;
    Task* const task = choose();
    if (!task || !begin_event(now_ + task->choice_cost)) break;
    choices_made_.push_back(task->id.v);
    task->choice_cost = Nanos{};
    resume(*task);
  }
}

Outcome Engine::run() {
  if (timed()) {
    run_timed();
  } else {
    run_chosen();
  }
  if (stopped_) return stop_outcome_;
  const bool all_done = std::all_of(tasks_.begin(), tasks_.end(), [](const auto& task) {
    return task->state == TaskState::done || task->state == TaskState::created;
  });
  return all_done ? Outcome::completed : Outcome::stuck;
}

}  // namespace faultline
