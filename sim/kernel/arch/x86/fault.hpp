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

// Between fault.cpp and fault_4_13.cpp.
/// What the hardware refused: is the VMA's permission the reason?
bool access_error(std::uint32_t error_code, const vm_area_struct& vma);
/// A signal for user code; false for kernel code, whose copy ends short.
bool bad_area_nosemaphore(Kernel& k, FaultMode mode, Vaddr address, int code);
/// The result of a fault that is an error. False for kernel code.
bool fault_error(Kernel& k, FaultMode mode, Vaddr address, vm_fault_t fault);

namespace v4_13 {
/// __do_page_fault(): mmap_sem for reading, tried before it is waited for, and one retry.
Path<bool> __do_page_fault(Kernel& k, Vaddr address, std::uint32_t error_code, FaultMode mode,
                           vm_fault_t* fault);
}  // namespace v4_13

/// Forces a signal on the current task. arch/x86/mm/fault.c, kernel/signal.c force_sig_fault.
void force_sig_fault(Kernel& k, int sig, int code, Vaddr address);

}  // namespace faultline
