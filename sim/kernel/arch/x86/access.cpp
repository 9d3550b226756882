// The access loop. Hardware part of fault_path.md section 1.1; costs from the machine's preset.
#include "kernel/arch/x86/access.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "kernel/fs/durable_promises.hpp"
#include "kernel/mm/memory_failure.hpp"

namespace faultline {

namespace {

// Where the instruction pointer of a simulated program is said to be: it has no code.
constexpr std::uint64_t user_ip = 0x401000;

// On the way back to user mode: a signal is delivered before the program goes on.
bool goes_to_signal(Kernel& k) {
  const task_struct& current = k.current();
  return current.pending_signal || signal_pending(current);
}

struct Translation {
  Paddr phys{};
  std::uint32_t error_code = 0;
  bool ok = false;
  bool general_protection = false;
};

// The page walk after a TLB miss; charges what it costs. Does not suspend.
Translation walk_tables(Kernel& k, Cpu& cpu, mm_struct& mm, Vaddr va, Access access, bool user) {
  const WalkResult walked = walk(*mm.pgtables, cpu.tlb.walk_cache, va, access, user);
  const Nanos cost = walk_cost(k.costs, walked.uncached);
  k.engine.charge(cost);
  k.trace<Event::sim_page_walk>(va, walked.levels, cost.v);
  if (walked.outcome == WalkOutcome::general_protection) return {Paddr{}, 0, false, true};
  if (walked.outcome == WalkOutcome::fault) return {Paddr{}, walked.error_code, false, false};
  cpu.tlb.insert(mm.id, va, walked.size, walked.value);
  k.trace<Event::sim_tlb_fill>(va, walked.phys(va).v >> PAGE_SHIFT,
                               page_shift(walked.size) - PAGE_SHIFT, (walked.value & PTE_RW) != 0);
  return {walked.phys(va), 0, true, false};
}

// After a look-up that was no hit. A refused entry is dropped, as the fault will do; the walk
// decides with the entry in memory.
Translation translate_missed(Kernel& k, TlbResult why, Vaddr va, Access access, bool user) {
  Cpu& cpu = k.cpus.of(k.engine.current());
  mm_struct& mm = *k.current().mm;
  if (why == TlbResult::denied) cpu.tlb.page_fault(mm.id, va);
  return walk_tables(k, cpu, mm, va, access, user);
}

TlbLookup look_up(Kernel& k, Vaddr va, Access access, bool user) {
  return k.cpus.of(k.engine.current()).tlb.lookup(k.current().mm->id, va, access, user);
}

// TLB, then page walk.
Translation translate(Kernel& k, Vaddr va, Access access, bool user) {
  const TlbLookup hit = look_up(k, va, access, user);
  if (!hit.hit()) return translate_missed(k, hit.result, va, access, user);
  k.engine.charge(hit.result == TlbResult::l1 ? k.costs.tlb_hit : k.costs.stlb_hit);
  return {hit.phys(va), 0, true, false};
}

// Of the data caches only the line that the CPU touched last is modelled: touching it again is
// free.
std::uint64_t memory_access(Kernel& k, Paddr at, std::uint64_t length, const AccessSeries& s) {
  PmemDevice* const device = k.pmem_of(Pfn(at.v >> PAGE_SHIFT));
  Cpu& cpu = k.cpus.of(k.engine.current());
  const bool cached = cpu.last_line == at.v >> 6 && (at.v & 63) + length <= 64;
  cpu.last_line = (at.v + length - 1) >> 6;
  LineContent& content = device ? device->content() : k.memory_of(Pfn(at.v >> PAGE_SHIFT));
  const std::uint64_t offset = device ? device->offset(at) : Kernel::offset_in(content, at);
  if (s.write) {
    if (device && !cached) k.engine.charge(device->write(k.now(), length, Pattern::random));
    if (s.has_value) {
      content.store_pattern(offset, length, s.value);
    } else {
      content.store_pattern(offset, length, 0);
    }
    return 0;
  }
  if (device && !cached) {
    if (device->has_poison()) [[unlikely]] {
      if (const auto bad = device->poisoned(offset, length)) {
        k.machine_check = at + (*bad - offset);
        cpu.last_line = ~0ULL;
        return 0;
      }
    }
    k.engine.charge(device->read(k.now(), length, Pattern::random));
  }
  std::array<std::byte, 8> bytes{};
  const std::uint64_t n = std::min<std::uint64_t>(length, 8);
  content.read(offset, std::span(bytes).first(n));
  std::uint64_t value = 0;
  for (std::uint64_t i = 0; i < n; ++i) value |= std::to_integer<std::uint64_t>(bytes[i]) << 8 * i;
  return value;
}

// What is stored behind the first `done` bytes of an access.
AccessSeries rest_of(const AccessSeries& s, std::uint64_t done) {
  AccessSeries rest = s;
  rest.value = std::rotr(s.value, static_cast<int>(8 * (done % 8)));
  return rest;
}

// Puts what was read behind the first `done` bytes where it belongs in the value.
void join(std::uint64_t* value, std::uint64_t word, std::uint64_t done) {
  if (done < 8) *value |= word << (8 * done);
}

// One instruction whose bytes lie in two pages. The CPU translates both before it changes either; a
// fault of one begins the instruction anew. False: a signal ends it.
HelperPath<bool> access_split(Kernel& k, const AccessSeries& s, Vaddr va, std::uint64_t* value) {
  const Access access = s.write ? Access::write : Access::read;
  const std::uint64_t first = PAGE_SIZE - (va.v & ~PAGE_MASK);
  for (;;) {
    Vaddr at = va;
    const Translation low = translate(k, at, access, true);
    Translation high = low;
    if (low.ok) {
      at += first;
      high = translate(k, at, access, true);
    }
    if (high.ok) {
      *value = memory_access(k, low.phys, first, s);
      if (!k.machine_check) {
        join(value, memory_access(k, high.phys, s.length - first, rest_of(s, first)), first);
      }
      if (k.machine_check) [[unlikely]] {
        co_await do_machine_check(k, va);
        co_return false;
      }
      co_await k.engine.spend(Nanos{});
      co_return true;
    }
    if (high.general_protection) {
      force_sig_fault(k, SIGSEGV, 0x80 /* SI_KERNEL */, Vaddr(0));
      co_return false;
    }
    co_await exc_page_fault(k, at, high.error_code, FaultMode::user, user_ip);
    if (goes_to_signal(k)) co_return false;
  }
}

// An access of several pages. No instruction has more bytes than a 512-bit register: what is longer
// is a loop of a program, and what it has done before a fault stays done.
HelperPath<bool> access_slow(Kernel& k, const AccessSeries& s, Vaddr va, std::uint64_t* value) {
  constexpr std::uint64_t widest_instruction = 64;
  std::uint64_t done = 0;
  *value = 0;
  while (done != s.length) {
    const std::uint64_t in_page = PAGE_SIZE - (va.v & ~PAGE_MASK);
    std::uint64_t piece = std::min(s.length - done, in_page);
    std::uint64_t word = 0;
    bool ok = false;
    if (piece != s.length && s.length <= widest_instruction) {
      piece = s.length;
      ok = co_await access_split(k, s, va, &word);
    } else {
      AccessSeries rest = rest_of(s, done);
      rest.at = va;
      rest.length = piece;
      rest.count = 1;
      const AccessOutcome part = co_await user_access(k, rest);
      ok = part.done == 1;
      word = part.value;
    }
    if (!ok) co_return false;
    join(value, word, done);
    va += piece;
    done += piece;
  }
  co_return true;
}

}  // namespace

HelperPath<AccessOutcome> user_access(Kernel& k, AccessSeries s) {
  AccessOutcome out;
  Vaddr va = s.at;
  const Access access = s.write ? Access::write : Access::read;
  for (; out.done < s.count; ++out.done, va += s.stride) {
    const bool one_page = (va.v & ~PAGE_MASK) + s.length <= PAGE_SIZE;
    if (!one_page) [[unlikely]] {
      const bool ok = co_await access_slow(k, s, va, &out.value);
      if (!ok) break;
      continue;
    }
    const TlbLookup hit = look_up(k, va, access, true);
    Paddr phys = hit.phys(va);
    if (hit.hit()) [[likely]] {
      k.engine.charge(hit.result == TlbResult::l1 ? k.costs.tlb_hit : k.costs.stlb_hit);
    } else {
      Translation t = translate_missed(k, hit.result, va, access, true);
      while (!t.ok && !t.general_protection) {
        co_await exc_page_fault(k, va, t.error_code, FaultMode::user, user_ip);
        if (goes_to_signal(k)) co_return out;
        t = translate_missed(k, TlbResult::miss, va, access, true);
      }
      if (t.general_protection) {
        force_sig_fault(k, SIGSEGV, 0x80 /* SI_KERNEL */, Vaddr(0));
        co_return out;
      }
      phys = t.phys;
    }
    out.value = memory_access(k, phys, s.length, s);
    if (k.machine_check) [[unlikely]] {
      co_await do_machine_check(k, va);
      co_return out;
    }
    if (k.engine.try_spend(Nanos{})) [[likely]]
      continue;
    co_await k.engine.spend(Nanos{});
    if (goes_to_signal(k)) {
      ++out.done;
      break;
    }
  }
  co_return out;
}

namespace {

// The physical address that an instruction of the program reaches, after faults; false: a signal.
HelperPath<bool> reach(Kernel& k, Vaddr va, Access access, Paddr* phys) {
  for (;;) {
    const Translation t = translate(k, va, access, true);
    *phys = t.phys;
    if (t.ok) co_return true;
    if (t.general_protection) {
      force_sig_fault(k, SIGSEGV, 0x80 /* SI_KERNEL */, Vaddr(0));
      co_return false;
    }
    co_await exc_page_fault(k, va, t.error_code, FaultMode::user, user_ip);
    if (goes_to_signal(k)) co_return false;
  }
}

void flush_lines(Kernel& k, PmemDevice& device, std::uint64_t at, std::uint64_t length,
                 CacheFlush how) {
  if (how == CacheFlush::clflush) {
    device.content().write_back(at, length);
  } else {
    device.content().flush(k.engine.current().cpu.v, at, length);
  }
  const bool stores = how == CacheFlush::ntstore;
  k.engine.charge(stores ? device.write_nt(k.now(), length, Pattern::sequential)
                         : device.write_back(k.now(), (length + 63) / 64));
}

}  // namespace

HelperPath<void> user_flush(Kernel& k, Vaddr at, std::uint64_t length, CacheFlush how) {
  const Access access = how == CacheFlush::ntstore ? Access::write : Access::read;
  std::uint64_t left = length;
  while (left != 0) {
    const std::uint64_t piece = std::min(left, PAGE_SIZE - (at.v & ~PAGE_MASK));
    Paddr phys{};
    const bool ok = co_await reach(k, at, access, &phys);
    if (!ok) co_return;
    if (PmemDevice* const device = k.pmem_of(Pfn(phys.v >> PAGE_SHIFT))) {
      if (k.promises) note_user_flush(k, at, phys, piece, how == CacheFlush::clflush);
      flush_lines(k, *device, device->offset(phys), piece, how);
    }
    co_await k.engine.spend(Nanos{});
    at += piece;
    left -= piece;
  }
}

void user_fence(Kernel& k) {
  const CpuId cpu = k.engine.current().cpu;
  for (PmemDevice& device : k.pmem) device.content().fence(cpu.v);
  if (k.promises) note_user_fence(k);
  k.engine.charge(k.costs.fence);
}

HelperPath<UserPage> uaccess_page(Kernel& k, Vaddr va, bool write, const char* symbol) {
  const Access access = write ? Access::write : Access::read;
  for (;;) {
    const Translation t = translate(k, va, access, false);
    if (t.ok) co_return UserPage{t.phys, true};
    if (t.general_protection) co_return UserPage{};
    const std::uint64_t ip = ip_symbol(k.engine.tracer().symbols().intern_static(symbol));
    const bool ok = co_await exc_page_fault(k, va, t.error_code, FaultMode::uaccess, ip);
    if (!ok) co_return UserPage{};
  }
}

UserPage uaccess_page_nofault(Kernel& k, Vaddr va, bool write) {
  const Access access = write ? Access::write : Access::read;
  const Translation t = translate(k, va, access, false);
  return t.ok ? UserPage{t.phys, true} : UserPage{};
}

void read_phys(Kernel& k, Paddr at, std::span<std::byte> out) {
  if (PmemDevice* const device = k.pmem_of(Pfn(at.v >> PAGE_SHIFT))) {
    device->content().read(device->offset(at), out);
  } else {
    const LineContent& memory = k.memory_of(Pfn(at.v >> PAGE_SHIFT));
    memory.read(Kernel::offset_in(memory, at), out);
  }
}

void write_phys(Kernel& k, Paddr at, std::span<const std::byte> bytes) {
  if (PmemDevice* const device = k.pmem_of(Pfn(at.v >> PAGE_SHIFT))) {
    device->content().store(device->offset(at), bytes);
  } else {
    LineContent& memory = k.memory_of(Pfn(at.v >> PAGE_SHIFT));
    memory.store(Kernel::offset_in(memory, at), bytes);
  }
}

}  // namespace faultline
