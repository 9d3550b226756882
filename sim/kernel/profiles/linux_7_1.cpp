// Profile linux-7.1: where a running 7.1.5 differs from 6.12. Source: traces of that kernel, which
// was built with DEBUG_VM. It still loses the overcommit charge of a failed mmap_prepare.
#include <array>

#include "kernel/profiles/profile.hpp"

namespace faultline {

namespace {
constexpr std::array values{
    KnobValue{"mm.vma_lock", "refcount"},
    KnobValue{"mm.mmap_prepare", "true"},
    KnobValue{"mm.dax_folios", "true"},
    KnobValue{"mm.cpumask_outlives_switch", "true"},
    KnobValue{"mm.copies_annotate", "false"},
    KnobValue{"mm.debug_vm", "true"},
    KnobValue{"mm.merge_after_mmap_hook", "false"},
    KnobValue{"mm.pfnmap_tracking", "context"},
    KnobValue{"mm.vma_pfn_flush", "before_unlink"},
    KnobValue{"mm.insert_pages_asserts", "warn"},
    KnobValue{"mm.prepare_failure_uncharges", "false"},
    KnobValue{"mm.mremap", "checks_first"},
    KnobValue{"mm.madvise_vma_lock", "true"},
    KnobValue{"mm.ksm", "false"},
    KnobValue{"fs.pipes_noexec", "true"},
    KnobValue{"proc.maps_under_vma_locks", "true"},
    KnobValue{"fs.iomap_actor_advances", "true"},
    KnobValue{"xfs.fault_events", "read_write"},
    KnobValue{"xfs.page_mkwrite_ops", "false"},
    KnobValue{"xfs.fsync_ilock", "never"},
    KnobValue{"fs.writeback_by_folio", "true"},
    KnobValue{"xfs.extsize_check", "filedata"},
    KnobValue{"mm.merges_untouched", "true"},
    KnobValue{"mm.ra_order_kept", "true"},
    KnobValue{"mm.huge_zero_replaced", "true"},
    KnobValue{"mm.dup_untracks_pfns", "false"},
    KnobValue{"mm.fork_allocates_first", "true"},
    KnobValue{"vvar_vclock", "true"},
    KnobValue{"fs.busy_scan_needs_mapping", "false"},
};

// MAP_DIRECT as version 6 would be on this kernel: sealed once the mapping is complete.
constexpr auto with_map_direct = [] {
  std::array<KnobValue, values.size() + 1> all{};
  for (std::size_t i = 0; i < values.size(); ++i) all[i] = values[i];
  all.back() = KnobValue{"mm.map_0x80000", "direct"};
  return all;
}();
}  // namespace

std::span<const KnobValue> linux_7_1_values() { return values; }
std::span<const KnobValue> linux_7_1_map_direct_values() { return with_map_direct; }

}  // namespace faultline
