// The cost of everything, in one table: what each action takes in nanoseconds, per machine preset,
// each number with the source it comes from. Nothing else in the simulator holds a cost. The
// presets differ only in the persistent memory; CPU and kernel costs are those of one recent x86
// server. Costs outside of this table (frequency changes, hyper-threads, NUMA distance) are not
// modelled.
#pragma once

#include <cstdint>
#include <faultline/types.hpp>
#include <optional>
#include <span>
#include <string_view>

namespace faultline {

/// Every cost by name. A time is in ns; a bandwidth is in bytes per microsecond (= MB/s); 0 means
/// free. The meaning of each field is the `what` of its row in cost_rows().
struct Costs {
  // translation
  Nanos tlb_hit, stlb_hit, walk_cached, walk_uncached_level;
  // entries into the kernel
  Nanos exception_entry, exception_exit, pti_extra, syscall_entry, syscall_exit, signal_delivery;
  // mm
  Nanos vma_lookup, vma_lookup_rbtree, vma_change, fault_dispatch, pte_install, pmd_install,
      pte_clear, page_alloc, page_free, page_zero, page_copy, rmap_op;
  // locks and scheduling
  Nanos lock_op, lock_handoff, lock_wake, spin, spin_handoff, context_switch, time_slice;
  // TLB shootdown
  Nanos ipi_base, ipi_per_cpu, ipi_handle, tlb_flush_page, tlb_flush_full;
  // file system
  Nanos iomap_begin, extent_lookup, transaction, trans_alloc, trans_commit, log_force,
      buffer_lookup, btree_op, timestamp, vfs_op;
  // DAX
  Nanos dax_entry_insert, dax_entry_lock, dax_entry_wake;
  // memory
  Nanos memcpy_line, fence, dram_read_rand, dram_read_seq;
  // persistent memory
  Nanos pmem_read_rand, pmem_read_seq, pmem_store_flush, pmem_ntstore, cacheline_writeback,
      pmem_stream_read_line, pmem_stream_write_line;
  std::uint64_t pmem_read_bw{}, pmem_write_bw{}, pmem_zero_bw{}, pmem_granule{};
  // block device
  Nanos block_latency;
  std::uint64_t block_bw{}, block_queue_depth{};
};

enum class Preset : std::uint8_t { x86_dram, x86_optane, x86_cxl };
inline constexpr unsigned PRESETS = 3;
inline constexpr Preset DEFAULT_PRESET = Preset::x86_optane;

/// A number and where it is from: an id of the table of published numbers in docs (M1, X2, ...),
/// several joined by '+' when derived from them, or "assumption".
struct CostValue {
  std::uint64_t value;
  std::string_view source;
};

/// One row of the table. Exactly one of `time` and `plain` is set.
struct CostRow {
  std::string_view name;
  std::string_view unit;  ///< "ns", "B/us", "B" or "requests"
  Nanos Costs::* time;
  std::uint64_t Costs::* plain;
  CostValue value[PRESETS];  ///< by Preset
  std::string_view what;
};

/// All rows, in the order in which `faultline list presets` prints them.
std::span<const CostRow> cost_rows();

std::string_view preset_name(Preset p);  ///< "x86-dram", "x86-optane", "x86-cxl"
std::optional<Preset> find_preset(std::string_view name);

/// The costs of a preset.
Costs make_costs(Preset p);

/// Every cost 0 and every bandwidth unlimited (0): what exploration runs with.
Costs zero_costs();

/// Row by name, or null.
const CostRow* find_cost(std::string_view name);
void set_cost(Costs& costs, const CostRow& row, std::uint64_t value);
std::uint64_t get_cost(const Costs& costs, const CostRow& row);

/// Time of a page walk of which `uncached` entries missed the caches.
inline Nanos walk_cost(const Costs& c, unsigned uncached) {
  return c.walk_cached + c.walk_uncached_level * uncached;
}
/// `bytes` at `bytes_per_us`, rounded up; 0 when the bandwidth is 0 (unlimited). No overflow below
/// 2^64 ns.
constexpr Nanos transfer_time(std::uint64_t bytes, std::uint64_t bytes_per_us) {
  if (bytes_per_us == 0) return Nanos(0);
  const auto product = static_cast<unsigned __int128>(bytes) * 1000 + bytes_per_us - 1;
  return Nanos(static_cast<std::uint64_t>(product / bytes_per_us));
}

}  // namespace faultline
