// The table of costs. Sources are ids of the published numbers this project collected (M media,
// X translation, F faults, S shootdown, L locks); "assumption" marks what nobody published. Where
// an id is given for a range, the value is inside of it; "A+B" is arithmetic on both.
#include "machine/presets.hpp"

#include <iterator>

namespace faultline {

namespace {

constexpr std::string_view A = "assumption";

// The same on every machine.
constexpr CostRow all(std::string_view name, Nanos Costs::* field, std::uint64_t v,
                      std::string_view source, std::string_view what) {
  return {name, "ns", field, nullptr, {{v, source}, {v, source}, {v, source}}, what};
}
// Differs between the media: dram, optane, cxl.
constexpr CostRow media(std::string_view name, Nanos Costs::* field, CostValue dram,
                        CostValue optane, CostValue cxl, std::string_view what) {
  return {name, "ns", field, nullptr, {dram, optane, cxl}, what};
}
constexpr CostRow plain(std::string_view name, std::string_view unit, std::uint64_t Costs::* field,
                        CostValue dram, CostValue optane, CostValue cxl, std::string_view what) {
  return {name, unit, nullptr, field, {dram, optane, cxl}, what};
}

using C = Costs;

constexpr CostRow rows[] = {
    // Translation: X1 7..12 cycles, X2 at least 20 cycles, X3 one DRAM access of 80..100 ns.
    all("tlb_hit", &C::tlb_hit, 0, "X1", "access that hits the first-level TLB"),
    all("stlb_hit", &C::stlb_hit, 3, "X1", "access that hits the second-level TLB"),
    all("walk_cached", &C::walk_cached, 10, "X2", "page walk whose entries are all cached"),
    all("walk_uncached_level", &C::walk_uncached_level, 85, "X3", "each entry that is not"),

    // F3: 150..250 ns without page-table isolation, F4: 100..200 cycles per CR3 write.
    all("exception_entry", &C::exception_entry, 125, "F3", "#PF until do_user_addr_fault"),
    all("exception_exit", &C::exception_exit, 125, "F3", "return from the exception"),
    all("pti_extra", &C::pti_extra, 200, "F4", "added to a round trip by page-table isolation"),
    all("syscall_entry", &C::syscall_entry, 50, A, "system call until its function"),
    all("syscall_exit", &C::syscall_exit, 50, A, "return from a system call"),
    all("signal_delivery", &C::signal_delivery, 1500, A, "building and entering a signal frame"),

    all("vma_lookup", &C::vma_lookup, 40, A, "find a VMA in a maple tree"),
    all("vma_lookup_rbtree", &C::vma_lookup_rbtree, 60, A, "find a VMA in a red-black tree"),
    all("vma_change", &C::vma_change, 300, A, "insert, split or remove a VMA"),
    all("fault_dispatch", &C::fault_dispatch, 50, A, "handle_mm_fault without its parts"),
    all("pte_install", &C::pte_install, 60, A, "set a PTE and its counters"),
    all("pmd_install", &C::pmd_install, 80, A, "set a PMD leaf, or link a PTE table"),
    all("pte_clear", &C::pte_clear, 20, A, "clear or write-protect one entry"),
    all("page_alloc", &C::page_alloc, 100, A, "a page from the allocator, not zeroed"),
    all("page_free", &C::page_free, 60, A, "a page back to the allocator"),
    all("page_zero", &C::page_zero, 100, A, "zero 4 KiB of DRAM"),
    all("page_copy", &C::page_copy, 300, A, "copy 4 KiB within DRAM"),
    all("rmap_op", &C::rmap_op, 30, A, "add or remove one reverse mapping"),

    // L5: 20..40 ns each way, a contended hand-off 1..5 us.
    all("lock_op", &C::lock_op, 25, "L5", "uncontended acquire or release"),
    all("lock_handoff", &C::lock_handoff, 1500, "L5", "sleeping waiter runs after the release"),
    all("lock_wake", &C::lock_wake, 300, A, "waking a sleeper, on the waker's side"),
    all("spin", &C::spin, 10, A, "one turn of a spin loop"),
    all("spin_handoff", &C::spin_handoff, 60, A, "contended spinlock passes to the next CPU"),
    all("context_switch", &C::context_switch, 1000, A, "one task off a CPU, another one on"),
    all("time_slice", &C::time_slice, 3000000, A, "a task runs this long when others wait"),

    // S2: 1 us + 0.2 us per receiver; S1: the remote side at least 1000 cycles.
    all("ipi_base", &C::ipi_base, 1000, "S2", "sending an interrupt and waiting for the answers"),
    all("ipi_per_cpu", &C::ipi_per_cpu, 200, "S2", "each CPU that receives it"),
    all("ipi_handle", &C::ipi_handle, 300, "S1", "what it costs the CPU that is interrupted"),
    all("tlb_flush_page", &C::tlb_flush_page, 100, A, "INVLPG of one page"),
    all("tlb_flush_full", &C::tlb_flush_full, 200, A, "flush of one address space"),

    // L4: 2..5 us for a transaction, a log force on pmem is some microseconds.
    all("iomap_begin", &C::iomap_begin, 150, A, "xfs iomap_begin, extents in memory"),
    all("extent_lookup", &C::extent_lookup, 40, A, "one look-up in the in-memory extent tree"),
    all("transaction", &C::transaction, 3000, "L4", "an allocating transaction as a whole"),
    all("trans_alloc", &C::trans_alloc, 1000, "L4", "its reservation"),
    all("trans_commit", &C::trans_commit, 2000, "L4", "its commit into the log's memory"),
    all("log_force", &C::log_force, 5000, "L4", "the log made durable on pmem"),
    all("buffer_lookup", &C::buffer_lookup, 80, A, "a cached metadata buffer found and locked"),
    all("btree_op", &C::btree_op, 150, A, "one change of a free-space btree block"),
    all("timestamp", &C::timestamp, 30, A, "file times compared and set"),
    all("vfs_op", &C::vfs_op, 200, A, "look-up and checks of a file system call"),

    all("dax_entry_insert", &C::dax_entry_insert, 80, A, "a DAX entry put into the mapping"),
    all("dax_entry_lock", &C::dax_entry_lock, 30, A, "a DAX entry locked or unlocked"),
    all("dax_entry_wake", &C::dax_entry_wake, 1500, A, "a sleeper on a DAX entry runs again"),

    all("memcpy_line", &C::memcpy_line, 4, A, "copy of 64 bytes that are cached"),
    all("fence", &C::fence, 20, A, "sfence with nothing under way"),
    all("dram_read_rand", &C::dram_read_rand, 101, "M6", "load from DRAM, random"),
    all("dram_read_seq", &C::dram_read_seq, 81, "M6", "load from DRAM, sequential"),

    // CXL: M22 says 2x..5x local DRAM, M21 about double; twice the DRAM figure is used.
    media("pmem_read_rand", &C::pmem_read_rand, {101, "M6"}, {305, "M1"}, {202, "M6+M22"},
          "first 64 bytes of a random read"),
    media("pmem_read_seq", &C::pmem_read_seq, {81, "M6"}, {169, "M2"}, {162, "M6+M22"},
          "first 64 bytes of a sequential read"),
    media("pmem_store_flush", &C::pmem_store_flush, {57, "M6"}, {94, "M5"}, {114, "M6+M22"},
          "store, clwb and fence of one line"),
    media("pmem_ntstore", &C::pmem_ntstore, {86, "M6"}, {90, "M5"}, {172, "M6+M22"},
          "non-temporal store and fence of one line"),
    media("cacheline_writeback", &C::cacheline_writeback, {57, "M6"}, {90, "M5"}, {114, "M6+M22"},
          "fixed part of writing dirty lines back"),
    // One core's share: M7 39.4 GB/s by 17 threads, M8 13.9 GB/s by 4 threads.
    media("pmem_stream_read_line", &C::pmem_stream_read_line, {6, A}, {28, "M7"}, {12, A},
          "each further 64 bytes one core reads"),
    media("pmem_stream_write_line", &C::pmem_stream_write_line, {6, A}, {18, "M8"}, {12, A},
          "each further 64 bytes one core writes"),
    plain("pmem_read_bw", "B/us", &C::pmem_read_bw, {100000, A}, {39400, "M7"}, {25000, A},
          "read bandwidth of the device"),
    plain("pmem_write_bw", "B/us", &C::pmem_write_bw, {50000, A}, {13900, "M8"}, {20000, A},
          "write bandwidth of the device"),
    plain("pmem_zero_bw", "B/us", &C::pmem_zero_bw, {10000, A}, {2300, "M9"}, {5000, A},
          "one core zeroing new blocks"),
    plain("pmem_granule", "B", &C::pmem_granule, {64, A}, {256, "M11"}, {64, A},
          "unit a random access occupies"),

    // L4 says tens of microseconds for an NVMe device. Where all is DRAM it is a RAM disk.
    media("block_latency", &C::block_latency, {0, A}, {20000, "L4"}, {20000, "L4"},
          "one request to a block device; 0: the submitter copies (RAM disk)"),
    plain("block_bw", "B/us", &C::block_bw, {3000, A}, {3000, A}, {3000, A},
          "bandwidth of a block device"),
    plain("block_queue_depth", "requests", &C::block_queue_depth, {32, A}, {32, A}, {32, A},
          "requests that a block device works on at once"),
};

// A field without a row would silently be free.
static_assert(std::size(rows) * sizeof(std::uint64_t) == sizeof(Costs));

constexpr std::string_view names[PRESETS] = {"x86-dram", "x86-optane", "x86-cxl"};

}  // namespace

std::span<const CostRow> cost_rows() { return rows; }

std::string_view preset_name(Preset p) { return names[unsigned(p)]; }

std::optional<Preset> find_preset(std::string_view name) {
  for (unsigned i = 0; i < PRESETS; ++i) {
    if (names[i] == name) return Preset(i);
  }
  return std::nullopt;
}

Costs make_costs(Preset p) {
  Costs costs;
  for (const CostRow& row : rows) set_cost(costs, row, row.value[unsigned(p)].value);
  return costs;
}

Costs zero_costs() { return Costs{}; }

const CostRow* find_cost(std::string_view name) {
  for (const CostRow& row : rows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

void set_cost(Costs& costs, const CostRow& row, std::uint64_t value) {
  if (row.time != nullptr) {
    costs.*row.time = Nanos(value);
  } else {
    costs.*row.plain = value;
  }
}

std::uint64_t get_cost(const Costs& costs, const CostRow& row) {
  return row.time != nullptr ? (costs.*row.time).v : costs.*row.plain;
}

}  // namespace faultline
