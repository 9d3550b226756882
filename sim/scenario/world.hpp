// A World: everything one run of a scenario owns. It is a value on its own: two Worlds can run in
// one process, interleaved or on two threads.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <faultline/scenario.hpp>

#include "base/diagnostic.hpp"
#include "engine/engine.hpp"
#include "kernel/fs/power_cut.hpp"
#include "kernel/fs/xfs/xfs_exchrange.hpp"
#include "kernel/kernel.hpp"
#include "machine/cpu.hpp"
#include "scenario/generic_locks.hpp"
#include "scenario/run_result.hpp"
#include "trace/tracer.hpp"

namespace faultline {

/// The task that a World has beside the declared ones; no declared task can be named so.
inline constexpr const char* kworker_name = "kworker/0";
inline constexpr const char* delayed_worker_name = "kworker/1";

/// Limits and deviations of one run.
struct WorldOptions {
  std::uint64_t max_events = ~0ULL;
  Nanos max_time{~0ULL};
  std::vector<std::uint32_t> choices;  ///< of the chooser `replay`: task numbers
  bool cut_after_each_step = false;    ///< looks at what a power cut after each step would leave
};

class Player;

class World final : public FinalState {
 public:
  /// Builds machine, file systems and tasks. Look at errors() before run(). `tracer` gets the names
  /// of the tasks; its sinks must be in place already.
  World(const Scenario& scenario, Tracer& tracer, const WorldOptions& options);
  ~World() override;

  const std::vector<Diagnostic>& errors() const { return errors_; }

  /// Plays the scenario once. An InternalError of Faultline's own passes through.
  RunResult run();
  /// From a signal handler's flag, checked between events: ends the run as `interrupted`.
  void interrupt() { engine_.stop(Outcome::interrupted, "interrupted"); }

  std::vector<FinalExtent> extents(FileRef file) const override;
  FinalPte pte(ProcessRef process, std::uint64_t address) const override;
  std::uint64_t content(FileRef file, std::uint64_t at) const override;
  std::vector<std::uint64_t> contents(FileRef file, std::uint64_t at) const override;
  std::optional<std::uint64_t> address(const AddressRef& ref) const override;

  Engine& engine() { return engine_; }
  Kernel& kernel() { return *kernel_; }

 private:
  friend class Player;
  struct Process {
    mm_struct* mm = nullptr;
    files_struct* files = nullptr;
    bool started = false;
    bool exiting = false;  ///< a fatal signal or exit_group: no task of it begins another step
  };

  void arm_injections();
  void make_processes();
  /// Starts the tasks of a process that was just forked.
  void start_process(ProcessRef process);
  bool is_forked(ProcessRef process) const;
  void make_tasks();
  /// The kernel's worker for what follows writes to a block device.
  void make_kworker();
  /// The kernel's worker for what is to be done later.
  void make_delayed_worker();
  /// A task of the kernel's own, after all declared ones.
  Task& make_kernel_task(const std::string& name);
  void make_log_workers();
  void note_enders();
  /// Whether a step that is still to come may kill the task.
  bool signal_may_come(const Task& task) const;
  void add_lock_findings(RunResult& result);
  // world_power.cpp
  /// The power fails at the end of `step`: nobody goes on.
  void cut_power(StepRef step);
  /// Notes what a power cut at the end of `step` would leave.
  void look_at_cut(StepRef step);
  FindingLock describe(TaskId task, const LockBase* lock, HoldMode mode, CallNode calls,
                       const char* role) const;
  FindingLock describe(const DeadlockMember& member, bool wanted) const;
  /// The cycle in words: who has what and wants what.
  std::string tell_cycle() const;
  // world_stuck.cpp
  void add_stuck_finding(RunResult& result);
  std::string tell_blocked(const Task& task, std::vector<FindingLock>& locks);
  std::string tell_lock_wait(const Task& task, std::vector<FindingLock>& locks);
  std::string tell_step_wait(StepRef step);
  std::string tell_place(const FindingLock& lock);

  const Scenario& scenario_;
  Tracer& tracer_;
  Engine engine_;
  Costs costs_;
  std::unique_ptr<Cpus> cpus_;
  std::unique_ptr<Kernel> kernel_;
  std::unique_ptr<GenericLocks> locks_;
  std::vector<inode*> inodes_;
  std::vector<Process> processes_;
  std::vector<std::unique_ptr<Player>> players_;  ///< by task
  std::vector<Path<void>> unforked_;              ///< of the tasks that wait for a fork, by task
  std::vector<std::size_t> unforked_of_;          ///< by task: index in it
  std::vector<Diagnostic> errors_;
  std::vector<std::vector<StepResult>> results_;
  /// What start_commit steps have been told, by task and step.
  std::map<std::pair<std::uint32_t, std::uint32_t>, xfs::CommitFreshness> commits_;
  std::vector<bool> ended_;                             ///< by task: it will begin no more steps
  std::vector<std::pair<StepRef, ProcessRef>> enders_;  ///< steps, and whom they may end
  std::vector<Task*> step_waiters_;                     ///< tasks in `after`
  std::vector<Finding> findings_;
  bool cut_after_each_step_ = false;
  std::vector<CutResult> cuts_;
  std::optional<PowerCut> power_cut_;  ///< that has ended the run
};

}  // namespace faultline
