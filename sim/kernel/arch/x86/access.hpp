// Loads and stores of simulated programs, and the kernel's copies from and to user memory: TLB,
// page walk, fault, retry, then the memory itself. The loop of an access that hits the TLB calls no
// coroutine and does not suspend.
#pragma once

#include "kernel/arch/x86/fault.hpp"
#include "kernel/kernel.hpp"

namespace faultline {

/// A series of equal accesses: `count` of `length` bytes, `stride` bytes apart.
struct AccessSeries {
  Vaddr at{};
  std::uint64_t length = 8, count = 1, stride = 8;
  std::uint64_t value = 0;  ///< stored, repeated every 8 bytes
  bool write = false;
  bool has_value = false;  ///< false: a store writes what is of no interest (zeros)
};

struct AccessOutcome {
  std::uint64_t value = 0;  ///< of the last load: its first 8 bytes at most, little endian
  std::uint64_t done = 0;   ///< accesses completed; fewer than asked: a signal is pending
};

/// Plays the accesses of the current task in user mode.
HelperPath<AccessOutcome> user_access(Kernel& k, AccessSeries series);

/// How a program writes cache lines back.
enum class CacheFlush : std::uint8_t {
  clwb,     ///< clwb, clflushopt: touches each page as a load does; a fence waits for the lines
  clflush,  ///< the same, but it waits for each line itself: no fence is needed
  ntstore   ///< non-temporal stores of what is there: touches each page as a store does
};
/// Writes the cache lines of [at, at + length) back. A signal may be pending afterwards.
HelperPath<void> user_flush(Kernel& k, Vaddr at, std::uint64_t length, CacheFlush how);
/// sfence: what this CPU has flushed is durable.
void user_fence(Kernel& k);

/// Makes a user page accessible to kernel code, faulting as copy_from_user and copy_to_user do. The
/// physical address of `va`, or false in `ok` when the copy has to end here.
struct UserPage {
  Paddr phys{};
  bool ok = false;
};
HelperPath<UserPage> uaccess_page(Kernel& k, Vaddr va, bool write, const char* symbol);

/// The same with page faults disabled: not ok where one would be needed.
UserPage uaccess_page_nofault(Kernel& k, Vaddr va, bool write);

/// Memory at a physical address, DRAM or device, newest content.
void read_phys(Kernel& k, Paddr at, std::span<std::byte> out);
void write_phys(Kernel& k, Paddr at, std::span<const std::byte> bytes);

}  // namespace faultline
