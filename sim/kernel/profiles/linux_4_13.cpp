// Profiles of MAP_DIRECT: Linux 4.13 (read in a 4.13.4 tree) with the five patches of the proposal;
// version 7 as its patches 1 to 6 of 12 were posted, on the same base.
// No lock per VMA, mmap_sem, XFS with its own MMAPLOCK, DAX entries in a radix tree whose holes are
// pages. The switch of a live inode's DAX flag is that of the release candidates.
// Left out: mandatory locks.
#include <array>

#include "kernel/profiles/profile.hpp"

namespace faultline {

namespace {
constexpr std::array v5{
    KnobValue{"mm.per_vma_lock", "false"},
    KnobValue{"mm.vma_lock", "none"},
    KnobValue{"mm.fault_entry", "__do_page_fault"},
    KnobValue{"mm.lock_names", "mmap_sem"},
    KnobValue{"mm.mmap_region", "unmaps_first"},
    KnobValue{"mm.munmap_downgrades", "false"},
    KnobValue{"mm.exit_locks_mm", "false"},
    KnobValue{"mm.unlink_vma_batch", "1"},
    KnobValue{"mm.fault_preallocates", "false"},
    KnobValue{"mm.rmap_walk_writes", "true"},
    KnobValue{"mm.reclaim_annotation", "false"},
    KnobValue{"mm.merge_extends_closing", "false"},
    KnobValue{"mm.dirtying_fault_unlocks", "false"},
    KnobValue{"mm.filemap_fault_locks", "false"},
    KnobValue{"mm.map_0x80000", "direct"},
    KnobValue{"mm.writable_asks_maywrite", "false"},
    KnobValue{"mm.mremap_dontunmap", "false"},
    KnobValue{"fs.dax_entries", "radix_tree"},
    KnobValue{"xfs.fault_events", "per_handler"},
    KnobValue{"xfs.breaks_busy_layouts", "false"},
    KnobValue{"xfs.iolock_tries_first", "true"},
    KnobValue{"xfs.fsync_ilock", "always"},
    KnobValue{"xfs.trans_retries_enospc", "false"},
    KnobValue{"trace.known_events_only", "true"},
    KnobValue{"mm.tlb_asids", "0"},
    KnobValue{"mm.lazy_tlb_leaves", "true"},
    KnobValue{"xfs.dax_flag_switch", "live"},
    KnobValue{"xfs.reflink_dax", "false"},
    KnobValue{"xfs.remap_demotes_source", "false"},
    KnobValue{"xfs.exchange", "swapext"},
    KnobValue{"xfs.extsize_check", "lenient"},
    KnobValue{"xfs.dio_unaligned", "exclusive"},
    KnobValue{"xfs.inactivates_later", "false"},
    KnobValue{"xfs.cil_throttles", "false"},
    KnobValue{"xfs.freeze_covers_log", "false"},
    KnobValue{"mm.longterm_refuses_fsdax", "false"},
    KnobValue{"fs.discard_keeps_page", "false"},
    KnobValue{"xfs.remap_breaks_leases", "false"},
    KnobValue{"mm.uffd_vma_lock", "false"},
    KnobValue{"fs.dax_recovery_write", "false"},
};

template <std::size_t n>
constexpr auto after_v5(const KnobValue (&more)[n]) {
  std::array<KnobValue, v5.size() + n> values{};
  for (std::size_t i = 0; i < v5.size(); ++i) values[i] = v5[i];
  for (std::size_t i = 0; i < n; ++i) values[v5.size() + i] = more[i];
  return values;
}

// Version 6 differs in one mask.
constexpr KnobValue v6_differs[] = {{"mm.map_mask_denywrite", "false"}};
constexpr auto v6 = after_v5(v6_differs);

// Version 7, of October 2017, holds a lease; ->mmap only drains the faults that are under way.
constexpr KnobValue v7_differs[] = {{"fs.map_direct", "lease"},
                                    {"xfs.map_direct.seal_locks", "mmaplock"}};
constexpr auto v7 = after_v5(v7_differs);
}  // namespace

std::span<const KnobValue> linux_4_13_map_direct_v5_values() { return v5; }
std::span<const KnobValue> linux_4_13_map_direct_v6_values() { return v6; }
std::span<const KnobValue> linux_4_13_map_direct_v7_values() { return v7; }

}  // namespace faultline
