// Signals that one process sends to another with kill(2). Linux 6.12 kernel/signal.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// kill(2) of the process that `named` is a thread of; the signal is that thread's unless it has
/// ended. 0, -EINVAL or -ESRCH. Signal 0 only asks whether there is such a process.
Path<std::int64_t> kill_something_info(Kernel& k, std::uint64_t sig, task_struct& named);

/// Sends a signal of the kernel's own to the process that `named` is a thread of.
void send_kernel_signal(Kernel& k, int sig, task_struct& named);

/// Every other thread of the current one's process is to die of `sig`: exit_group(2), or a signal
/// that kills. Waits that a fatal signal ends are over.
void zap_other_threads(Kernel& k, int sig);

/// What the current task has to do before it goes on in user mode.
struct SentSignal {
  int sig = 0;         ///< 0: nothing
  bool kills = false;  ///< it ends the process; otherwise a handler runs
};
/// get_signal(): takes the next signal that was sent to the current task.
SentSignal get_signal(Kernel& k);

}  // namespace faultline
