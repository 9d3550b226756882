// System calls in a compared trace: x86-64 numbers to names, and which calls are the test
// program's own (its pipes, sleeps and signal masks) and therefore dropped with all inside them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace faultline {

/// The name of a system call by its x86-64 number; `NR<number>` for one that is not in the table.
std::string syscall_name(std::int64_t number);

/// Whether the call serves the program that drives a test and not what is tested.
bool is_harness_call(std::string_view name);

/// One system call as a trace prints it: `NR n (args)` or `name(args)` on entry, `NR n = value` or
/// `name = value` on exit.
struct SyscallLine {
  std::string name;
  std::string_view rest;  ///< the arguments without brackets, or the value
};

/// Splits the body of a sys_enter or sys_exit event. Nothing when it is not of either form.
std::optional<SyscallLine> split_syscall(std::string_view body);

/// The line of the events view: `sys_enter name`.
std::string enter_text(const SyscallLine& call);

/// The line of the events view: `sys_exit name = value`, errors and small numbers in decimal,
/// others in hex; a process id as `PID`.
std::string exit_text(const SyscallLine& call);

}  // namespace faultline
