// Plays the steps of one task: waits for `after`, runs the verb as a system call or as accesses of
// the program, and notes what came of it.
#pragma once

#include <optional>

#include "kernel/exit.hpp"
#include "scenario/syscall_frame.hpp"
#include "scenario/world.hpp"

namespace faultline {

struct SyscallFrame;

class Player {
 public:
  Player(World& world, TaskId task) : w_(world), k_(*world.kernel_), task_(task) {}

  /// The whole life of the task.
  Path<void> play(Engine& engine);
  /// The step of another task that it waits for now.
  std::optional<StepRef> awaits() const { return awaits_; }

 private:
  const TaskSpec& spec() const { return w_.scenario_.tasks[task_.v]; }
  World::Process& process() { return w_.processes_[spec().process.v]; }
  StepResult& result(std::uint32_t step) { return w_.results_[task_.v][step]; }
  /// Of the step that is being played.
  StepResult& result_now() { return result(k_.engine.current().position.step); }

  // `outer`: of the repeat around them, or null.
  HelperPath<bool> play_range(Engine& engine, std::uint32_t begin, std::uint32_t end,
                              StepResult* outer);
  HelperPath<bool> play_step(Engine& engine, std::uint32_t index, StepResult* outer);
  HelperPath<bool> play_repeat(Engine& engine, std::uint32_t index, StepResult* outer);
  void begin_step(Engine& engine, std::uint32_t index);
  void end_step(Engine& engine, std::uint32_t index, StepResult* outer);
  HelperPath<bool> wait_after(Engine& engine, const Step& step);
  HelperPath<std::int64_t> perform(Kernel& k, const Step& step);
  HelperPath<std::int64_t> perform_syscall(Kernel& k, const Step& step);
  HelperPath<std::int64_t> perform_memory(Kernel& k, Verb verb, const SyscallFrame& frame);
  HelperPath<std::int64_t> perform_ioctl(Kernel& k, const Step& step, std::int64_t fd);
  HelperPath<std::int64_t> perform_layout(Kernel& k, const Step& step);
  HelperPath<std::int64_t> perform_uffd(Kernel& k, const Step& step);
  HelperPath<std::int64_t> perform_file(Kernel& k, const Step& step, const SyscallFrame& frame);
  HelperPath<std::int64_t> perform_fork(Kernel& k, TaskId child);
  HelperPath<void> return_from_fork(Kernel& k);
  void yield_to_child(Kernel& k, TaskId child);
  void release_unforked();
  HelperPath<std::int64_t> perform_lock(Kernel& k, const Step& step);
  HelperPath<std::int64_t> access(Kernel& k, const Step& step);
  HelperPath<std::int64_t> flush(Kernel& k, const FlushArgs& args);
  HelperPath<std::int64_t> io(Kernel& k, const IoArgs& args, bool write);
  HelperPath<std::int64_t> submit(Kernel& k, const IoArgs& args, bool write);
  HelperPath<std::int64_t> pin(Kernel& k, const PinArgs& args, bool hold);
  HelperPath<std::int64_t> fiemap(Kernel& k, const IoArgs& args);
  HelperPath<std::int64_t> two_files(Kernel& k, Verb verb, const CloneArgs& args);
  HelperPath<bool> deliver_signal(Kernel& k, const Step& step, StepResult& r);
  HelperPath<void> deliver_sent(Kernel& k, StepResult* r);
  HelperPath<void> compute(Kernel& k, Nanos left);
  HelperPath<std::int64_t> perform_sleep(Kernel& k, Nanos duration);
  /// Whether the task is to end before it does anything else.
  bool must_die() const {
    return dies_ || w_.processes_[spec().process.v].exiting ||
           fatal_signal_pending(k_.tasks[task_.v]);
  }
  HelperPath<void> leave(Kernel& k);

  void misuse(LockRef lock, const LockVerdict& verdict);
  std::uint64_t resolve(const AddressRef& ref) const;
  std::int64_t resolve(const FdRef& ref) const;
  bool survives(const Step& step, int signal) const;
  /// The signals that the task has handlers for: of the whole task and, unless null, of the step,
  /// which expects one.
  std::uint64_t handlers(const Step* step) const;
  void wake_waiters();

  World& w_;
  Kernel& k_;
  TaskId task_;
  std::optional<StepRef> awaits_;
  std::optional<std::int64_t> told_;  // what the call has said in user memory, not by its value
  ChildCode code_ = ChildCode::exited;
  ExitScope scope_ = ExitScope::group;
  bool dies_ = false;  ///< of a signal that was sent to it
};

}  // namespace faultline
