// Flushing translations on every CPU that may hold them. Linux 6.12 arch/x86/mm/tlb.c; the names of
// the reasons are those of the tlb_flush tracepoint.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

enum class TlbFlushReason : std::uint8_t {
  task_switch = 0,
  remote_shootdown = 1,
  local_shootdown = 2,
  local_mm_shootdown = 3,
  remote_send_ipi = 4,
  remote_wrong_cpu = 5
};

/// flush_tlb_mm_range(): drops [start, end) of `mm` from the TLBs of all CPUs in its mask, by IPI
/// where needed. More than 33 entries of 1 << stride_shift: everything of the mm.
Path<void> flush_tlb_range(Kernel& k, mm_struct& mm, Vaddr start, Vaddr end, unsigned stride_shift,
                           bool freed_tables);

/// A CPU begins to run `to`. `from`: the task that it leaves for it, null if the CPU was idle.
void switch_mm(Kernel& k, Cpu& cpu, const Task* from, const Task& to);

/// Copies the newest content of one frame to another.
void copy_page(Kernel& k, Pfn to, Pfn from);

}  // namespace faultline
