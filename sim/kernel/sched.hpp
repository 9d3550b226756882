// The task as the kernel sees it: its memory, its files, its signals. Linux 6.12
// include/linux/sched.h, reduced to what the modelled paths read.
#pragma once

#include <signal.h>  // SIGBUS, SEGV_MAPERR, ...: the numbers are the kernel's

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <faultline/types.hpp>

#include "kernel/mm/mm_types.hpp"

namespace faultline {

struct Task;
struct file;
struct files_struct;

/// A signal that a fault has forced on the task.
struct PendingSignal {
  int sig = 0;
  int code = 0;
  Vaddr addr{};
};

/// One fault of the current step, for the report.
struct FaultRecord {
  Vaddr address{};
  vm_fault_t result{};
  unsigned leaf_order = ~0u;  ///< ~0: no leaf was installed
  Nanos duration{};
};

/// The bit of signal `sig` (1..64) in a set of signals.
constexpr std::uint64_t sig_bit(int sig) { return 1ULL << (sig - 1); }

/// What a system call returns inside the kernel when a signal has ended its sleep: user space sees
/// EINTR once a handler has run.
inline constexpr int ERESTARTSYS = 512, ERESTART_RESTARTBLOCK = 516;

inline constexpr unsigned RLIMIT_DATA_ = 2, RLIMIT_STACK_ = 3, RLIMIT_MEMLOCK_ = 8, RLIMIT_AS_ = 9;
inline constexpr std::uint64_t RLIM_INFINITY_ = ~0ULL;

struct task_struct {
  TaskId id{};
  std::string comm;
  Pid pid{};
  mm_struct* mm = nullptr;  ///< null after exit
  files_struct* files = nullptr;
  std::uint64_t caps = 0;
  std::uint32_t fsuid = 0;
  std::vector<std::uint64_t> rlim = std::vector<std::uint64_t>(16, RLIM_INFINITY_);
  std::optional<PendingSignal> pending_signal;
  std::uint32_t tgid = ~0U;       ///< its process: the threads of one have the same
  std::uint64_t sig_pending = 0;  ///< sent to it and not yet delivered
  std::uint64_t sig_caught = 0;   ///< have a handler, which returns
  int group_exit_code = 0;        ///< the signal that ends its process; 0: none
  std::uint64_t maj_flt = 0, min_flt = 0;
  std::vector<file*> task_works;  ///< files to be released on the way back to user mode
  bool exited = false;
  bool reaped = false;            ///< wait4 has returned it
  task_struct* parent = nullptr;  ///< who forked it; null: not part of the run
  Task* wait_chldexit = nullptr;  ///< who waits for its end
  bool exception_fixup = false;   ///< the running kernel code has an exception-table entry
  std::uint64_t faults_in_step = 0;
  std::vector<FaultRecord> faults;  ///< of the current step, the first 64
  static constexpr std::size_t max_fault_records = 64;
  FaultRecord last_fault;
};

inline bool signal_pending(const task_struct& t) { return t.sig_pending != 0; }
/// Whether the task is to die: killable waits end then.
inline bool fatal_signal_pending(const task_struct& t) {
  return (t.sig_pending & sig_bit(SIGKILL)) != 0;
}

inline constexpr unsigned CAP_LINUX_IMMUTABLE = 9, CAP_IPC_LOCK = 14, CAP_SYS_RAWIO = 17,
                          CAP_SYS_ADMIN = 21, CAP_LEASE = 28;
inline bool capable(const task_struct& t, unsigned cap) { return (t.caps >> cap) & 1; }

}  // namespace faultline
