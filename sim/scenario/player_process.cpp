// The player's part of a process's life: it is forked, forks, waits for children, and ends.
#include <cerrno>

#include "kernel/fork.hpp"
#include "kernel/signal.hpp"
#include "scenario/player.hpp"

namespace faultline {

HelperPath<std::int64_t> Player::perform_fork(Kernel& k, TaskId child) {
  const ProcessRef process = w_.scenario_.tasks[child.v].process;
  if (w_.processes_[process.v].started) {
    k.unmodelled("a second fork of the same task");
    co_return -EAGAIN;
  }
  const std::int64_t pid = co_await kernel_clone(k, k.tasks[child.v]);
  if (pid < 0) co_return pid;
  w_.processes_[process.v].mm = k.tasks[child.v].mm;
  w_.processes_[process.v].files = k.tasks[child.v].files;
  w_.start_process(process);
  co_return pid;
}

// A child on the same CPU runs first: it has had none of its share yet.
void Player::yield_to_child(Kernel& k, TaskId child) {
  if (k.engine.timed()) k.cpus.prefer_new(k.engine.task(child), k.engine.current());
}

HelperPath<void> Player::return_from_fork(Kernel& k) {
  constexpr int clone = 56;
  co_await schedule_tail(k);
  const SyscallFrame frame{clone, {}};
  co_await exit_syscall(k, frame, 0);
}

// Children that nobody will fork any more: who waits for their steps is released.
void Player::release_unforked() {
  for (std::size_t t = 0; t < w_.scenario_.tasks.size(); ++t) {
    const TaskSpec& child = w_.scenario_.tasks[t];
    if (child.parent != task_ || w_.processes_[child.process.v].started) continue;
    for (const TaskId each : w_.scenario_.processes[child.process.v].tasks) {
      w_.ended_[each.v] = true;
    }
  }
}

// The task ends: unless it ends alone, with it every thread of its process, at their next step. The
// last one tears the mm down; threads that had no steps left are gone already.
HelperPath<void> Player::leave(Kernel& k) {
  if (fatal_signal_pending(k.current())) code_ = ChildCode::killed;
  if (scope_ == ExitScope::group) {
    process().exiting = true;
    zap_other_threads(k, SIGKILL);
  }
  wake_waiters();
  if (k.current().mm) co_await do_exit(k, code_, scope_);
}

}  // namespace faultline
