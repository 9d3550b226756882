// A task: one simulated flow of control, which is a stack of coroutine frames plus what the engine
// needs to stop and continue it. Kernel state of a task (mm, files, signals) belongs to the kernel
// layer and is found by the task's id.
#pragma once

#include <coroutine>
#include <cstdint>

#include <faultline/types.hpp>

#include "engine/call_tree.hpp"

namespace faultline {

class Engine;
struct PromiseBase;
struct TaskLocks;

enum class TaskState : std::uint8_t {
  created,  ///< not yet started
  ready,    ///< may run; its resume is pending in the queue, on a run queue, or with the chooser
  running,  ///< the task that is being executed right now
  blocked,  ///< waits to be woken
  done,     ///< its path has returned
};

/// Why a blocked task goes on.
enum class Wake : std::uint8_t {
  woken,    ///< what it waited for happened
  timeout,  ///< the deadline it gave has passed
  signal,   ///< its wait was interruptible and a signal came
};

/// How a blocked task sleeps, as sched_switch prints it; `unseen`: a wait of the scenario, not of
/// the kernel.
enum class SleepState : std::uint8_t { uninterruptible, interruptible, unseen };

/// What a task is doing, reduced to numbers: the step and a hash of everything it has observed
/// since the step began. Two runs whose tasks agree in these are at the same place of the same
/// code.
struct Position {
  std::uint32_t step = 0;
  std::uint64_t observed = 0;

  void begin_step(std::uint32_t index) {
    step = index;
    observed = 0;
  }
  void observe(std::uint64_t value) {
    std::uint64_t x = (observed ^ value) * 0x9e3779b97f4a7c15ULL;
    observed = x ^ (x >> 29);
  }
};

struct Task {
  Engine* engine = nullptr;
  PromiseBase* leaf = nullptr;  ///< innermost suspended frame
  PromiseBase* next = nullptr;  ///< frame that the run loop continues when the current one returns
  Nanos pending{};              ///< cost of plain calls made since the last scheduling point
  Nanos preempt_at{~0ULL};      ///< when another task that waits for this CPU takes over; set by
                                ///< Engine::set_preempt_at()
  TaskLocks* locks = nullptr;   ///< what the locking layer knows of it
  CallNode calls = 0;           ///< the simulated call path, while it does not run
  TaskId id{};
  CpuId cpu{};
  TaskState state = TaskState::created;
  Wake wake_reason = Wake::woken;
  bool wait_has_timeout = false;
  bool on_cpu = true;     ///< whether it occupies a CPU (running, or spinning on one)
  bool spinning = false;  ///< blocked, but keeps its CPU busy: a spin lock, an optimistic spin
  std::uint16_t preempt_count = 0;  ///< while not 0 the task keeps its CPU
  bool wait_is_signalable = false;  ///< wake(task, Wake::signal) ends the wait
  bool can_be_cut_short = false;    ///< its spend is a program's own: Engine::cut_short()
  SleepState sleep = SleepState::uninterruptible;
  bool finished = false;         ///< the outermost frame has returned; the run loop takes note
  std::uint32_t generation = 0;  ///< events of older generations are void
  Nanos choice_cost{};           ///< cost of the step that a chooser grants next
  Position position;
  std::coroutine_handle<> root;  ///< outermost frame, owned
};

}  // namespace faultline
