// TLB shootdown. Linux 6.12 arch/x86/mm/tlb.c flush_tlb_mm_range and the flush functions it runs on
// each CPU. A CPU that idles lazily in the mm stays in its mask: it is counted as a target of the
// IPI, but flushes only when page tables were freed.
#include "kernel/mm/tlb.hpp"

#include <array>

namespace faultline {

namespace {

void flush_cpu(Cpu& cpu, const mm_struct& mm, Vaddr start, Vaddr end, unsigned shift, bool all) {
  if (all) {
    cpu.tlb.flush_mm(mm.id);
  } else {
    cpu.tlb.invalidate_range(mm.id, start, end, shift);
  }
}

}  // namespace

Path<void> flush_tlb_range(Kernel& k, mm_struct& mm, Vaddr start, Vaddr end, unsigned stride_shift,
                           bool freed_tables) {
  const std::uint64_t pages = (end - start) >> stride_shift;
  const bool all = pages > Tlb::FLUSH_CEILING;
  const std::int64_t shown = all ? -1 : static_cast<std::int64_t>(pages);
  const CpuId here = k.engine.current().cpu;
  std::uint64_t others = 0;
  for (std::size_t c = 0; c < mm.cpumask.size(); ++c) {
    if (!mm.cpumask[c] || c == here.v) continue;
    ++others;
    // Freed tables may be walked speculatively even by an idle CPU; otherwise a lazy one is skipped
    // and flushes when it next runs the mm, which for what it holds is the same.
    flush_cpu(k.cpus[CpuId(static_cast<std::uint16_t>(c))], mm, start, end, stride_shift, all);
  }
  if (others != 0) {
    // The sender counts small pages, whatever the stride.
    const std::int64_t sent = all ? -1 : static_cast<std::int64_t>((end - start) >> PAGE_SHIFT);
    k.trace<Event::tlb_flush>(sent, TlbFlushReason::remote_send_ipi);
    co_await k.engine.spend(k.costs.ipi_base + k.costs.ipi_per_cpu * others);
  }
  flush_cpu(k.cpus[here], mm, start, end, stride_shift, all);
  k.trace<Event::tlb_flush>(shown, TlbFlushReason::local_mm_shootdown);
  k.engine.charge(all ? k.costs.tlb_flush_full : k.costs.tlb_flush_page * pages);
  (void)freed_tables;
}

void copy_page(Kernel& k, Pfn to, Pfn from) {
  std::array<std::byte, PAGE_SIZE> buffer;
  if (PmemDevice* const device = k.pmem_of(from)) {
    device->content().read((from - device->first_pfn()) << PAGE_SHIFT, buffer);
  } else {
    const LineContent& memory = k.memory_of(from);
    memory.read(Kernel::offset_in(memory, Paddr(from.v << PAGE_SHIFT)), buffer);
  }
  if (PmemDevice* const device = k.pmem_of(to)) {
    device->content().store((to - device->first_pfn()) << PAGE_SHIFT, buffer);
  } else {
    k.dram.store(to.v << PAGE_SHIFT, buffer);
  }
}

}  // namespace faultline
