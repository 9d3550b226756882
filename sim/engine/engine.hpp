// The engine: virtual time, the run loop, and the awaitables at which a task can lose control.
// A scheduling point is spend(), a wait, a lock attempt (which the locking layer builds from these)
// or an access to Shared<T>; nothing else suspends. Who runs next is the chooser's decision.
#pragma once

#include <algorithm>
#include <atomic>
#include <coroutine>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <faultline/types.hpp>

#include "base/rng.hpp"
#include "engine/call_tree.hpp"
#include "engine/event_queue.hpp"
#include "engine/frame_pool.hpp"
#include "engine/path.hpp"
#include "engine/task.hpp"
#include "trace/tracer.hpp"

namespace faultline {

/// Who runs next. See the design's section 3.
enum class Chooser : std::uint8_t {
  timed,       ///< virtual time decides
  sequential,  ///< the running task goes on until it blocks or ends
  random,      ///< at each scheduling point one of the enabled tasks, drawn by the seed
  replay,      ///< a recorded list of choices
};

enum class Outcome : std::uint8_t { completed, deadlock, stuck, kernel_bug, limit, interrupted };

struct EngineOptions {
  Chooser chooser = Chooser::timed;
  std::uint64_t seed = 1;
  std::uint64_t max_events = ~0ULL;    ///< so many events happen at most
  Nanos max_time{~0ULL};               ///< nothing happens after this
  std::vector<std::uint32_t> choices;  ///< for Chooser::replay: task ids
  /// Looked at every few hundred events; true ends the run as `interrupted`. Null: never.
  const std::atomic<bool>* interrupt = nullptr;
  /// False sends every spend() through the queue. The order of events is the same; a test's means
  /// to show that.
  bool inline_spend = true;
};

/// How the machine lends its CPUs to tasks. Function pointers, so that the engine needs no machine;
/// without one, every task has a CPU of its own.
struct CpuPolicy {
  void* self = nullptr;
  void (*blocked)(void* self, Task& task) = nullptr;  ///< a running task has given up its CPU
  void (*woken)(void* self, Task& task) = nullptr;  ///< a task became ready; must arrange run_at()
  void (*expired)(void* self,
                  Task& task) = nullptr;  ///< preempt_at has come; must arrange run_at()
};

class Engine {
 public:
  Engine(Tracer& tracer, EngineOptions options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  FramePool& frames() { return frames_; }
  CallTree& calls() { return frames_.tree; }
  /// The call path of the running task.
  CallNode call_path() const { return frames_.calls; }
  Tracer& tracer() { return tracer_; }
  Nanos now() const { return now_; }
  std::uint64_t events() const { return events_; }
  const EngineOptions& options() const { return options_; }
  void set_cpu_policy(const CpuPolicy& policy) { policy_ = policy; }
  /// Calls `watch` every few thousand events, from the run loop: for signals and full disks.
  void set_watch(void* self, void (*watch)(void* self)) {
    watch_self_ = self;
    watch_ = watch;
  }
  /// Calls `hook` whenever a task goes to sleep (null: no more). For optimistic spinners, who stop
  /// when the owner sleeps.
  /// Also called when a task has lost its CPU to another.
  void set_sleep_hook(void* self, void (*hook)(void* self, Task& task)) {
    sleep_hook_self_ = self;
    sleep_hook_ = hook;
  }
  bool timed() const { return options_.chooser == Chooser::timed; }

  /// A new task in state `created`. Its id is its index.
  Task& add_task();
  /// Gives `task`, which is new or done with what it had, its code and makes it ready to run from
  /// `start` on. Inside a task use fork(): a path that is called there has begun already.
  void start(Task& task, Path<void> path, Nanos start = Nanos{});
  /// The same from inside a running task: `make()` calls the path.
  template <class Make>
  void fork(Task& task, Make&& make, Nanos start = Nanos{}) {
    PromiseBase* const running = std::exchange(frames_.running, nullptr);
    Path<void> path = make();
    frames_.running = running;
    this->start(task, std::move(path), start);
  }
  std::size_t task_count() const { return tasks_.size(); }
  Task& task(TaskId id) { return *tasks_[id.v]; }
  /// The task being executed. Only valid while one is.
  Task& current() { return *current_; }
  bool in_task() const { return current_ != nullptr; }

  /// Plays until nothing can happen any more, a limit is reached, or stop() was called.
  Outcome run();
  /// Ends the run at the next return to the run loop.
  void stop(Outcome outcome, std::string reason);
  bool stopping() const { return stopped_; }
  const std::string& stop_reason() const { return stop_reason_; }
  /// Choices made so far under `random` and `replay`: the ids of the tasks that ran.
  const std::vector<std::uint32_t>& choices() const { return choices_made_; }
  /// Whether a replay ended because the schedule named a task that could not run; stop_reason()
  /// says which choice.
  bool schedule_failed() const { return schedule_failed_; }

  /// Tries to let `cost` (plus what is pending) pass for the current task without suspending it. On
  /// false nothing has happened and the task must await spend(cost).
  bool try_spend(Nanos cost) {
    Task& task = *current_;
    if (!advance_inline(cost + task.pending)) return false;
    task.pending = Nanos{};
    return true;
  }

  /// Adds `cost` to what the current task pays at its next scheduling point.
  void charge(Nanos cost) { current_->pending += cost; }

  struct Spend {
    Engine& engine;
    Nanos cost;
    bool await_ready() {
      Task& task = *engine.current_;
      cost += task.pending;
      task.pending = Nanos{};
      return engine.advance_inline(cost);
    }
    void await_suspend(std::coroutine_handle<> frame) { engine.suspend_for(frame, cost); }
    void await_resume() const noexcept {}
  };
  /// `co_await engine.spend(cost)`: the task works for `cost`. Everything due before it ends
  /// happens.
  Spend spend(Nanos cost) { return {*this, cost}; }

  struct Block {
    Engine& engine;
    Nanos deadline;
    bool spin = false;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> frame) {
      engine.block_current(frame, deadline, spin);
    }
    Wake await_resume() const {
      Task& task = *engine.current_;
      task.position.observe(static_cast<std::uint64_t>(task.wake_reason));
      return task.wake_reason;
    }
  };
  /// `co_await engine.block()`: sleeps until wake(). The caller has put the task on some wait list.
  Block block() { return {*this, Nanos(~0ULL)}; }
  /// As block(), but goes on with Wake::timeout at `deadline` if nothing woke the task before.
  Block block_until(Nanos deadline) { return {*this, deadline}; }

  /// As block_until(), but the task keeps its CPU busy while it waits.
  Block spin_until(Nanos deadline) { return {*this, deadline, true}; }

  struct Choice {
    Engine& engine;
    bool await_ready() const { return engine.options_.chooser < Chooser::random; }
    void await_suspend(std::coroutine_handle<> frame) { engine.suspend_for(frame, Nanos{}); }
    void await_resume() const noexcept {}
  };
  /// A scheduling point without cost: an access to Shared<T>.
  Choice choice_point() { return {*this}; }

  /// Makes a blocked task ready. A plain call; does nothing for a task that is not blocked.
  void wake(Task& task, Wake reason = Wake::woken);

  /// A task that spends time of its program's own goes on now, with Wake::signal as its reason: an
  /// interrupt has told it of a signal. Does nothing for any other, or without virtual time.
  void cut_short(Task& task) {
    if (!timed() || task.state != TaskState::ready || !task.can_be_cut_short || !task.on_cpu)
      return;
    ++task.generation;
    task.wake_reason = Wake::signal;
    push_event(now_, task);
  }

  /// From `when` on `task` loses its CPU at its next step unless its preempt_count is not 0. A task
  /// that spins there then is told, so that it can give up.
  void set_preempt_at(Task& task, Nanos when) {
    task.preempt_at = when;
    if (&task == current_) set_horizon();
    if (task.state == TaskState::blocked && task.spinning && when != Nanos(~0ULL)) {
      push_event(std::max(when, now_), task);
    }
  }

  /// Lets a ready task run at `when` (>= now). For CPU policies.
  void run_at(Task& task, Nanos when) { push_event(when, task); }

  /// Makes the run loop throw `failure` as soon as the native stack has unwound to it.
  void fail(std::exception_ptr failure) { failure_ = std::move(failure); }

  /// Emits a record in the name of the current task.
  template <Event E, class... Args>
  void trace(Args... args) {
    if (tracer_.wants(E)) [[unlikely]]
      emit_for<E>(*current_, args...);
  }

  /// A record of an interrupt that `task`, which runs on another CPU, takes now.
  template <Event E, class... Args>
  void trace_interrupt(const Task& task, Args... args) {
    if (tracer_.wants(E)) [[unlikely]]
      tracer_.emit_in<E>(Context::hardirq, now_, task.cpu, task.id, args...);
  }

  /// The same in the name of another task, on the CPU it ran on.
  template <Event E, class... Args>
  void trace_for(const Task& task, Args... args) {
    if (tracer_.wants(E)) [[unlikely]]
      emit_for<E>(task, args...);
  }

 private:
  // Out of line, and by value: an argument whose address is taken would be kept in the frame of the
  // coroutine that makes the record, and stored there whether or not anybody wants it.
  template <Event E, class... Args>
  [[gnu::noinline]] void emit_for(const Task& task, Args... args) {
    tracer_.emit<E>(now_, task.cpu, task.id, args...);
  }

  enum class Inline : std::uint8_t { timed, always, never };
  static Inline inline_of(const EngineOptions& options);

  static std::uint64_t payload(const Task& task) {
    return (std::uint64_t{task.generation} << 32) | task.id.v;
  }

  // True if the clock could be moved without anything else happening on the way.
  bool advance_inline(Nanos cost) {
    if (cost >= horizon_ - now_ || events_ >= event_check_) [[unlikely]]
      return false;
    ++events_;
    now_ += cost;
    return true;
  }

  // What ends the time that the running task has for itself: see horizon_.
  void set_horizon();
  void push_event(Nanos when, const Task& task) {
    queue_.push(when, payload(task));
    if (inline_ == Inline::timed && when < horizon_) horizon_ = std::max(when, now_);
  }

  void suspend_for(std::coroutine_handle<> frame, Nanos cost);
  void block_current(std::coroutine_handle<> frame, Nanos deadline, bool spin);
  void resume(Task& task);
  void make_ready(Task& task);
  bool begin_event(Nanos when);
  bool check_limits(Nanos when);
  void run_timed();
  void run_chosen();
  Task* choose();
  Task* take_due_timer(bool only_due);

  Tracer& tracer_;
  EngineOptions options_;
  FramePool frames_;
  EventQueue queue_;
  CpuPolicy policy_;
  void* watch_self_ = nullptr;
  void (*watch_)(void*) = nullptr;
  void* sleep_hook_self_ = nullptr;
  void (*sleep_hook_)(void*, Task&) = nullptr;
  Rng rng_;
  Nanos now_{};
  Nanos horizon_{};  // up to before this the running task can move the clock by itself; >= now_
  std::uint64_t events_ = 0;
  Task* current_ = nullptr;
  std::exception_ptr failure_;
  std::vector<std::unique_ptr<Task>> tasks_;
  std::vector<Task*> enabled_;  // ready tasks in order of id; choosers other than `timed`
  std::vector<std::uint32_t> choices_made_;
  std::size_t next_choice_ = 0;
  std::uint64_t event_check_ = 0;  // from this event on limits and interrupts are looked at
  Inline inline_;
  bool schedule_failed_ = false;
  bool stopped_ = false;
  Outcome stop_outcome_ = Outcome::completed;
  std::string stop_reason_;
};

inline FramePool& frame_pool(Engine& engine) { return engine.frames(); }

}  // namespace faultline
