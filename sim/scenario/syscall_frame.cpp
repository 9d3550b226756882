// Entering and leaving the kernel by a system call.
#include "scenario/syscall_frame.hpp"

#include "kernel/fs/open.hpp"

namespace faultline {

HelperPath<void> enter_syscall(Kernel& k, const SyscallFrame& f) {
  co_await k.engine.spend(k.costs.syscall_entry);
  k.trace<Event::sys_enter>(f.nr, f.args[0], f.args[1], f.args[2], f.args[3], f.args[4], f.args[5]);
}

HelperPath<void> exit_syscall(Kernel& k, const SyscallFrame& f, std::int64_t result) {
  co_await k.engine.spend(Nanos{});
  k.trace<Event::sys_exit>(f.nr, result);
  if (!k.current().task_works.empty()) co_await task_work_run(k);
  co_await k.engine.spend(k.costs.syscall_exit);
}

}  // namespace faultline
