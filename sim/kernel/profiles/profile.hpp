// What differs between kernel versions, as named knobs. A profile is a row of values; code asks for
// a knob, never for a version. `faultline list knobs` prints the table in profile.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace faultline {

enum class ThpMode : std::uint8_t { always, madvise, never };
/// How the lock of a VMA is built: a rwsem of its own, or a count in the VMA itself.
enum class VmaLock : std::uint8_t { rwsem, refcount, none };
/// Which tracepoints XFS has for its faults.
enum class XfsFaultEvents : std::uint8_t { filemap_fault, read_write, per_handler };

/// When fsync of XFS looks under ILOCK which checkpoint it waits for.
enum class FsyncIlock : std::uint8_t { when_pinned, always, never };

/// Which entry of a page fault, by its function in arch/x86/mm/fault.c.
enum class FaultEntry : std::uint8_t { do_user_addr_fault, do_page_fault };
/// Under which names lock debugging knows the locks of mm and of XFS inodes.
enum class LockWords : std::uint8_t { mmap_lock, mmap_sem };
/// How mmap(2) deals with what is mapped in its range.
enum class MmapRegion : std::uint8_t { gathers, unmaps_first };
/// What bit 0x80000 of mmap's flags is.
enum class MapBit : std::uint8_t { sync, direct };
/// What a MAP_DIRECT mapping does to its inode: forbids changes of its block map, or is told of
/// them.
enum class MapDirect : std::uint8_t { seal, lease };
/// What the slots of a DAX file hold, and with it the whole of its faults.
enum class DaxEntries : std::uint8_t { xarray, radix_tree };
/// When FS_XFLAG_DAX takes effect on an inode that is in use.
enum class DaxFlagSwitch : std::uint8_t { deferred, live, off };
/// By which call two XFS files exchange their blocks.
enum class XfsExchange : std::uint8_t { exchange_range, swapext };
/// What a change of a file's extent-size hint asks: nothing but that the file has no mappings, a
/// hint without its flag being dropped; the same, and that both go together; that nothing is
/// reserved for it either.
enum class ExtsizeCheck : std::uint8_t { lenient, extents, filedata };
/// Which lock a direct write of parts of blocks takes first.
enum class DioUnaligned : std::uint8_t { overwrite_shared, exclusive };
/// The locks of an XFS inode under which MAP_DIRECT seals it and lifts the seal.
enum class SealLocks : std::uint8_t {
  none,
  iolock,
  mmaplock,
  iolock_mmaplock,
  ilock,
  mmaplock_ilock
};

enum class OvercommitMode : std::uint8_t { guess, always, never };
enum class HugetlbMode : std::uint8_t { empty, off };

/// How a VMA that maps a range of PFNs remembers it.
enum class PfnmapTracking : std::uint8_t { vma_flag, context };
enum class VmaPfnFlush : std::uint8_t { each_vma, before_unlink };
enum class InsertAsserts : std::uint8_t { bug, warn };
enum class ActionUnmap : std::uint8_t { under_rmap, after_rmap };
enum class RemapChecks : std::uint8_t { none, cow, range };
enum class DescVmOps : std::uint8_t { null, dummy };
enum class MremapOrder : std::uint8_t { unmaps_first, checks_first };

enum class WakePlacementMode : std::uint8_t { least_loaded, affine };

/// Values of all knobs; one instance belongs to a World.
struct Profile {
  std::string name = "linux-6.12";
  bool per_vma_lock = true;                                   ///< mm.per_vma_lock
  ThpMode thp = ThpMode::always;                              ///< mm.thp
  std::uint64_t tlb_asids = 6;                                ///< mm.tlb_asids
  bool lazy_tlb_leaves = false;                               ///< mm.lazy_tlb_leaves
  bool cpumask_outlives_switch = false;                       ///< mm.cpumask_outlives_switch
  std::uint64_t fault_around_bytes = 65536;                   ///< mm.fault_around_bytes
  std::uint64_t max_map_count = 65530;                        ///< mm.max_map_count
  std::uint64_t mmap_min_addr = 65536;                        ///< mm.mmap_min_addr
  std::uint64_t stack_guard_gap = 256;                        ///< mm.stack_guard_gap, pages
  VmaLock vma_lock = VmaLock::rwsem;                          ///< mm.vma_lock
  bool mmap_prepare = false;                                  ///< mm.mmap_prepare
  bool debug_vm = false;                                      ///< mm.debug_vm
  bool merge_after_mmap_hook = true;                          ///< mm.merge_after_mmap_hook
  PfnmapTracking pfnmap_tracking = PfnmapTracking::vma_flag;  ///< mm.pfnmap_tracking
  VmaPfnFlush vma_pfn_flush = VmaPfnFlush::each_vma;          ///< mm.vma_pfn_flush
  InsertAsserts insert_pages_asserts = InsertAsserts::bug;    ///< mm.insert_pages_asserts
  bool mapped_hook = true;                                    ///< mm.mapped_hook
  bool mapped_check = false;                                  ///< mm.mapped_check
  bool compat_unmaps = false;                                 ///< mm.compat_unmaps
  bool compat_clears_hide = true;                             ///< mm.compat_clears_hide
  ActionUnmap action_unmap = ActionUnmap::after_rmap;         ///< mm.action_unmap
  RemapChecks remap_prepare_checks = RemapChecks::range;      ///< mm.remap_prepare_checks
  bool prepare_failure_uncharges = true;                      ///< mm.prepare_failure_uncharges
  DescVmOps desc_vm_ops = DescVmOps::null;                    ///< mm.desc_vm_ops
  MremapOrder mremap = MremapOrder::unmaps_first;             ///< mm.mremap
  bool madvise_vma_lock = false;                              ///< mm.madvise_vma_lock
  bool ksm = true;                                            ///< mm.ksm
  bool pipes_noexec = false;                                  ///< fs.pipes_noexec
  bool maps_under_vma_locks = false;                          ///< proc.maps_under_vma_locks
  std::uint64_t l1tf_pfn_limit = 0;                           ///< x86.l1tf_pfn_limit
  bool dax_folios = false;                                    ///< mm.dax_folios
  bool copies_annotate = true;                                ///< mm.copies_annotate
  bool iomap_actor_advances = false;                          ///< fs.iomap_actor_advances
  bool merges_untouched = false;                              ///< mm.merges_untouched
  bool ra_order_kept = false;                                 ///< mm.ra_order_kept
  bool huge_zero_replaced = false;                            ///< mm.huge_zero_replaced
  bool dup_untracks_pfns = true;                              ///< mm.dup_untracks_pfns
  bool fork_allocates_first = false;                          ///< mm.fork_allocates_first
  bool vvar_vclock = false;                                   ///< vvar_vclock
  bool process_accounting = false;                            ///< process_accounting
  XfsFaultEvents xfs_fault_events = XfsFaultEvents::filemap_fault;  ///< xfs.fault_events
  bool page_mkwrite_ops = true;                                     ///< xfs.page_mkwrite_ops
  FsyncIlock fsync_ilock = FsyncIlock::when_pinned;                 ///< xfs.fsync_ilock
  bool trans_retries_enospc = true;                                 ///< xfs.trans_retries_enospc
  bool writeback_by_folio = false;                                  ///< fs.writeback_by_folio
  FaultEntry fault_entry = FaultEntry::do_user_addr_fault;          ///< mm.fault_entry
  LockWords lock_names = LockWords::mmap_lock;                      ///< mm.lock_names
  MmapRegion mmap_region = MmapRegion::gathers;                     ///< mm.mmap_region
  bool munmap_downgrades = true;                                    ///< mm.munmap_downgrades
  bool exit_locks_mm = true;                                        ///< mm.exit_locks_mm
  std::uint64_t unlink_vma_batch = 8;                               ///< mm.unlink_vma_batch
  bool fault_preallocates = true;                                   ///< mm.fault_preallocates
  bool rmap_walk_writes = false;                                    ///< mm.rmap_walk_writes
  bool reclaim_annotation = true;                                   ///< mm.reclaim_annotation
  MapBit map_bit = MapBit::sync;                                    ///< mm.map_0x80000
  bool map_mask_denywrite = true;                                   ///< mm.map_mask_denywrite
  DaxEntries dax_entries = DaxEntries::xarray;                      ///< fs.dax_entries
  bool iolock_tries_first = false;                                  ///< xfs.iolock_tries_first
  bool breaks_busy_layouts = true;                                  ///< xfs.breaks_busy_layouts
  bool merge_extends_closing = true;                                ///< mm.merge_extends_closing
  bool mremap_dontunmap = true;                                     ///< mm.mremap_dontunmap
  bool writable_asks_maywrite = true;                               ///< mm.writable_asks_maywrite
  bool dirtying_fault_unlocks = true;                               ///< mm.dirtying_fault_unlocks
  bool filemap_fault_locks = true;                                  ///< mm.filemap_fault_locks
  SealLocks seal_locks = SealLocks::iolock_mmaplock;                ///< xfs.map_direct.seal_locks
  MapDirect map_direct = MapDirect::seal;                           ///< fs.map_direct
  bool invalidate_reads_vma = true;                         ///< fs.map_direct.invalidate_reads_vma
  bool direct_refuses_reflink = true;                       ///< xfs.map_direct.refuses_reflink
  std::uint64_t lease_break_time = 45;                      ///< fs.lease_break_time, seconds
  bool remap_breaks_leases = true;                          ///< xfs.remap_breaks_leases
  bool uffd_vma_lock = true;                                ///< mm.uffd_vma_lock
  DaxFlagSwitch dax_flag_switch = DaxFlagSwitch::deferred;  ///< xfs.dax_flag_switch
  bool reflink_dax = true;                                  ///< xfs.reflink_dax
  bool remap_demotes_source = true;                         ///< xfs.remap_demotes_source
  XfsExchange exchange = XfsExchange::exchange_range;       ///< xfs.exchange
  ExtsizeCheck extsize_check = ExtsizeCheck::extents;       ///< xfs.extsize_check
  DioUnaligned dio_unaligned = DioUnaligned::overwrite_shared;  ///< xfs.dio_unaligned
  bool longterm_refuses_fsdax = true;                           ///< mm.longterm_refuses_fsdax
  bool busy_scan_needs_mapping = true;                          ///< fs.busy_scan_needs_mapping
  bool discard_keeps_page = true;                               ///< fs.discard_keeps_page
  bool inactivates_later = true;                                ///< xfs.inactivates_later
  bool cil_throttles = true;                                    ///< xfs.cil_throttles
  bool freeze_covers_log = true;                                ///< xfs.freeze_covers_log
  bool known_events_only = false;                               ///< trace.known_events_only
  HugetlbMode hugetlb = HugetlbMode::empty;                     ///< hugetlb
  OvercommitMode overcommit = OvercommitMode::guess;            ///< mm.overcommit_memory
  std::uint64_t overcommit_ratio = 50;                          ///< mm.overcommit_ratio, percent
  std::uint64_t wakeup_preemption = 0;                          ///< sched.wakeup_preemption_ns
  WakePlacementMode wake_placement = WakePlacementMode::least_loaded;  ///< sched.wake_placement
  bool dax_recovery_write = true;                                      ///< fs.dax_recovery_write
};

enum class KnobKind : std::uint8_t { boolean, number, word };

struct Knob {
  std::string_view name;
  KnobKind type;
  std::string_view words;     ///< for a word: the choices, joined by '|'
  std::string_view fallback;  ///< default in linux-6.12, as text
  std::string_view sentence;
  void (*set)(Profile& profile, std::uint64_t value);  ///< a word's value is its place in `words`
};

/// All knobs, in the order of the table.
std::span<const Knob> all_knobs();

/// A knob and its value, as text.
struct KnobValue {
  std::string_view name;
  std::string_view value;
};
/// Where linux-7.1 differs from the defaults; sim/kernel/profiles/linux_7_1.cpp.
std::span<const KnobValue> linux_7_1_values();

/// Where linux-4.13+map-direct-v6 differs from them; sim/kernel/profiles/linux_4_13.cpp.
std::span<const KnobValue> linux_4_13_map_direct_v6_values();
std::span<const KnobValue> linux_4_13_map_direct_v5_values();
std::span<const KnobValue> linux_4_13_map_direct_v7_values();
/// Where linux-7.1+map-direct differs from the defaults; sim/kernel/profiles/linux_7_1.cpp.
std::span<const KnobValue> linux_7_1_map_direct_values();

/// One line per profile: name, what it is, which knobs it sets.
struct ProfileRow {
  std::string_view name;
  std::string_view sentence;
  std::span<const KnobValue> values;  ///< where it differs from the defaults
};
std::span<const ProfileRow> all_profiles();

/// The profile of that name with its defaults; nothing if it is unknown or not built.
std::optional<Profile> find_profile(std::string_view name);

/// Sets one knob. `number` for booleans and numbers, `word` for words. False if there is no such
/// knob or the word is not one of its choices.
bool set_knob(Profile& profile, std::string_view name, std::uint64_t number, std::string_view word);

}  // namespace faultline
