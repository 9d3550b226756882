// Page faults as the x86 entry code and arch/x86/mm/fault.c (Linux 6.12) handle them: which lock
// the fault runs under, retries, and what becomes a signal. Left out: kernel addresses, vsyscall,
// protection keys, shadow stacks, SMAP, kprobes.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// Where the faulting access was made.
enum class FaultMode : std::uint8_t {
  user,    ///< by user code
  uaccess  ///< by kernel code that copies from or to user memory, with an exception-table entry
};

/// exc_page_fault(): handles one page fault of the current task, with `error_code` (X86_PF_*) as
/// the hardware gave it. `ip` is the faulting instruction, for the trace: a user address or a
/// symbol. Afterwards either the access can be retried, or a signal is pending (user), or false is
/// returned (uaccess: the copy ends short).
HelperPath<bool> exc_page_fault(Kernel& k, Vaddr address, std::uint32_t error_code, FaultMode mode,
                                std::uint64_t ip);

/// Forces a signal on the current task. arch/x86/mm/fault.c, kernel/signal.c force_sig_fault.
void force_sig_fault(Kernel& k, int sig, int code, Vaddr address);

}  // namespace faultline
