// TLB shootdown. Linux 6.12 arch/x86/mm/tlb.c flush_tlb_mm_range and the flush functions it runs on
// each CPU, and switch_mm_irqs_off. A CPU that idles lazily in the mm stays in its mask: it counts
// as a target, but is interrupted only when page tables were freed, since it might walk them on
// speculation; then it leaves the mm. Otherwise it flushes when it comes back. A CPU remembers a
// few address-space numbers, in turn, so a switch back flushes only what has become stale.
#include "kernel/mm/tlb.hpp"

#include <algorithm>
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

// The flush of the CPU that asks for it, if it has the mm loaded. A task that has given up its mm
// only leaves it there: it switches away instead of flushing.
static void flush_tlb_local(Kernel& k, mm_struct& mm, Vaddr start, Vaddr end,
                            unsigned stride_shift) {
  const CpuId here = k.engine.current().cpu;
  mm_struct* const current = k.current().mm;
  Kernel::LoadedMm& loaded = k.loaded_mms[here.v];
  if (k.engine.timed() && loaded.mm != &mm) return;
  if (!current) {
    k.cpus[here].tlb.flush_mm(mm.id);
    mm.cpumask[here.v] = false;
    loaded.mm = nullptr;
    k.trace<Event::tlb_flush>(-1, TlbFlushReason::task_switch);
    k.engine.charge(k.costs.tlb_flush_full);
    return;
  }
  const std::uint64_t pages = (end - start) >> stride_shift;
  const bool all = pages > Tlb::FLUSH_CEILING;
  flush_cpu(k.cpus[here], mm, start, end, stride_shift, all);
  k.trace<Event::tlb_flush>(all ? -1 : static_cast<std::int64_t>(pages),
                            TlbFlushReason::local_mm_shootdown);
  k.engine.charge(all ? k.costs.tlb_flush_full : k.costs.tlb_flush_page * pages);
}

static Kernel::LoadedMm::Asid* asid_of(Kernel::LoadedMm& loaded, const mm_struct& mm) {
  for (auto& asid : loaded.asids) {
    if (asid.mm_id == mm.id) return &asid;
  }
  return nullptr;
}

// The CPU idles, or runs a task without an mm, and has the mm of the task before still loaded.
static bool is_lazy(const Kernel& k, const Cpu& cpu, const mm_struct& mm) {
  return !cpu.running || k.tasks[cpu.running->id.v].mm != &mm;
}

// A lazy CPU switches to the kernel's own mm. What it has of the old one is not used any more
// without a flush before it.
static void leave_mm(Kernel& k, CpuId id, mm_struct& mm) {
  Kernel::LoadedMm& loaded = k.loaded_mms[id.v];
  mm.cpumask[id.v] = k.profile.cpumask_outlives_switch;
  if (loaded.mm != &mm) return;
  if (Kernel::LoadedMm::Asid* const asid = asid_of(loaded, mm)) asid->tlb_gen = 0;
  if (loaded.asids.empty()) k.cpus[id].tlb.flush_all();
  loaded.mm = nullptr;
  loaded.stale = false;
}

// What a flush does on another CPU of the mm's mask. A task that runs there pays for the interrupt.
// False: the CPU was not interrupted.
static bool flush_tlb_remote(Kernel& k, CpuId id, mm_struct& mm, Vaddr start, Vaddr end,
                             unsigned stride_shift, bool freed_tables) {
  Cpu& cpu = k.cpus[id];
  const std::uint64_t pages = (end - start) >> stride_shift;
  const bool all = pages > Tlb::FLUSH_CEILING;
  Task* const victim = cpu.running;
  if (k.engine.timed() && k.loaded_mms[id.v].mm != &mm) {
    // It has left the mm, but not the mask: only an interrupt finds that out.
    if (!freed_tables) return false;
    mm.cpumask[id.v] = false;
    if (!victim) return true;
    k.engine.trace_interrupt<Event::tlb_flush>(*victim, 0, TlbFlushReason::remote_wrong_cpu);
    victim->pending += k.costs.ipi_handle;
    return true;
  }
  if (k.engine.timed() && is_lazy(k, cpu, mm)) {
    if (!freed_tables && !k.profile.lazy_tlb_leaves) {
      k.loaded_mms[id.v].stale = true;
      return false;
    }
    leave_mm(k, id, mm);
    if (victim) victim->pending += k.costs.ipi_handle;
    return true;
  }
  flush_cpu(cpu, mm, start, end, stride_shift, all);
  if (!victim || k.tasks[victim->id.v].mm != &mm) return true;
  k.engine.trace_interrupt<Event::tlb_flush>(*victim, all ? -1 : static_cast<std::int64_t>(pages),
                                             TlbFlushReason::remote_shootdown);
  victim->pending += k.costs.ipi_handle;
  return true;
}

Path<void> flush_tlb_range(Kernel& k, mm_struct& mm, Vaddr start, Vaddr end, unsigned stride_shift,
                           bool freed_tables) {
  const std::uint64_t pages = (end - start) >> stride_shift;
  const bool all = pages > Tlb::FLUSH_CEILING;
  ++mm.tlb_gen;
  const CpuId here = k.engine.current().cpu;
  const auto others = std::count(mm.cpumask.begin(), mm.cpumask.end(), true) - mm.cpumask[here.v];
  if (others != 0) {
    // The sender counts small pages, whatever the stride.
    const std::int64_t sent = all ? -1 : static_cast<std::int64_t>((end - start) >> PAGE_SHIFT);
    k.trace<Event::tlb_flush>(sent, TlbFlushReason::remote_send_ipi);
  }
  std::uint64_t interrupted = 0;
  for (std::size_t c = 0; others != 0 && c < mm.cpumask.size(); ++c) {
    if (!mm.cpumask[c] || c == here.v) continue;
    const CpuId id(static_cast<std::uint16_t>(c));
    interrupted += flush_tlb_remote(k, id, mm, start, end, stride_shift, freed_tables) ? 1 : 0;
  }
  const Nanos ipis =
      interrupted == 0 ? Nanos{} : k.costs.ipi_base + k.costs.ipi_per_cpu * interrupted;
  if (others != 0) co_await k.engine.spend(ipis);
  flush_tlb_local(k, mm, start, end, stride_shift);
}

// Whether what the CPU still has of `next` may be used. An mm that has no number of its own here
// takes the next one in turn; whose it was loses its translations.
static bool choose_new_asid(Cpu& cpu, Kernel::LoadedMm& loaded, const mm_struct& next) {
  if (loaded.asids.empty()) {
    cpu.tlb.flush_all();
    return false;
  }
  if (const auto* const known = asid_of(loaded, next)) return known->tlb_gen == next.tlb_gen;
  auto& taken = loaded.asids[loaded.next_asid];
  loaded.next_asid = (loaded.next_asid + 1) % static_cast<std::uint32_t>(loaded.asids.size());
  if (taken.mm_id != 0) cpu.tlb.flush_mm(taken.mm_id);
  taken = {next.id, next.tlb_gen};
  return false;
}

void switch_mm(Kernel& k, Cpu& cpu, const Task* from, const Task& to) {
  mm_struct* const next = k.tasks[to.id.v].mm;
  const CpuId id = k.cpus.id_of(cpu);
  Kernel::LoadedMm& loaded = k.loaded_mms[id.v];
  if (!next || (loaded.mm == next && !loaded.stale)) return;
  if (loaded.mm == next) {
    // Back from being lazy, and its translations have gone out of date meanwhile.
    loaded.stale = false;
    cpu.tlb.flush_mm(next->id);
    if (from) k.engine.trace_for<Event::tlb_flush>(*from, -1, TlbFlushReason::task_switch);
    return;
  }
  if (loaded.mm) {
    if (Kernel::LoadedMm::Asid* const asid = asid_of(loaded, *loaded.mm)) {
      asid->tlb_gen = loaded.stale ? 0 : loaded.mm->tlb_gen;
    }
    if (!k.profile.cpumask_outlives_switch) loaded.mm->cpumask[id.v] = false;
    loaded.stale = false;
  }
  const bool fresh = choose_new_asid(cpu, loaded, *next);
  if (!fresh) cpu.tlb.flush_mm(next->id);
  loaded.mm = next;
  next->cpumask[id.v] = true;
  if (!from) return;  // the CPU was idle: that record is not a task's
  k.engine.trace_for<Event::tlb_flush>(*from, fresh ? 0 : -1, TlbFlushReason::task_switch);
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
