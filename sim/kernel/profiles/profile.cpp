// The tables of profiles and knobs. Defaults are those of the running 6.12.117 whose traces the
// model is checked against.
#include "kernel/profiles/profile.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "base/bug.hpp"
#include "kernel/profiles/knob_setter.hpp"
#include "kernel/profiles/linux_4_13_knobs.hpp"
#include "kernel/profiles/mmap_knobs.hpp"

namespace faultline {

namespace {

// The place of `word` among the words of a knob; nothing if it is none of them.
std::optional<std::uint64_t> place_of(std::string_view words, std::string_view word) {
  for (std::uint64_t place = 0; !words.empty(); ++place) {
    const std::size_t end = std::min(words.find('|'), words.size());
    if (words.substr(0, end) == word) return place;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return std::nullopt;
}

constexpr std::array knobs{
    Knob{"mm.per_vma_lock", KnobKind::boolean, "", "true",
         "User faults first try the lock of their VMA; off, every fault takes mmap_lock.",
         set_member<&Profile::per_vma_lock>},
    Knob{"mm.thp", KnobKind::word, "always|madvise|never", "always",
         "Transparent huge pages: which anonymous mappings may get a 2 MiB page at a fault.",
         set_member<&Profile::thp>},
    Knob{"mm.tlb_asids", KnobKind::number, "", "6",
         "Address spaces whose translations a CPU keeps over switches to others, by PCID; 0: none.",
         set_member<&Profile::tlb_asids>},
    Knob{
        "mm.lazy_tlb_leaves", KnobKind::boolean, "", "false",
        "A CPU that idles in an mm leaves it at any flush; false: only when page tables are freed.",
        set_member<&Profile::lazy_tlb_leaves>},
    Knob{"mm.cpumask_outlives_switch", KnobKind::boolean, "", "false",
         "A CPU that leaves an mm stays a target of its flushes until one interrupts it.",
         set_member<&Profile::cpumask_outlives_switch>},
    Knob{"sched.wakeup_preemption_ns", KnobKind::number, "", "0",
         "A woken normal task takes the CPU from a normal one that has had it for so long; 0: it "
         "waits for the end of the slice, as RUN_TO_PARITY of 6.6 and later has it.",
         set_member<&Profile::wakeup_preemption>},
    Knob{"sched.wake_placement", KnobKind::word, "least_loaded|affine", "least_loaded",
         "Where a woken task that may run on several CPUs goes when its own is busy: where the "
         "fewest run, or the next idle one, else its waker's or its own.",
         set_member<&Profile::wake_placement>},
    Knob{"mm.fault_around_bytes", KnobKind::number, "", "65536",
         "Window in which a read fault maps pages of the page cache that are already there.",
         set_member<&Profile::fault_around_bytes>},
    Knob{"mm.max_map_count", KnobKind::number, "", "65530",
         "vm.max_map_count: how many VMAs a process may have before mmap refuses.",
         set_member<&Profile::max_map_count>},
    Knob{"mm.mmap_min_addr", KnobKind::number, "", "65536",
         "vm.mmap_min_addr: hints below it are raised to it.", set_member<&Profile::mmap_min_addr>},
    Knob{"mm.stack_guard_gap", KnobKind::number, "", "256",
         "Pages kept free below a stack when an address is searched.",
         set_member<&Profile::stack_guard_gap>},
    Knob{"mm.vma_lock", KnobKind::word, "rwsem|refcount|none", "rwsem",
         "How a VMA is locked: by a rwsem of its own, or (6.15 and later) by a count in the VMA, "
         "which a fresh VMA's first writer need not touch; or (before 6.4) not at all.",
         set_member<&Profile::vma_lock>},
    Knob{"mm.mmap_prepare", KnobKind::boolean, "", "false",
         "Files prepare a mapping with f_op->mmap_prepare, before the merge attempt and before "
         "there is a VMA, instead of with f_op->mmap after both.",
         set_member<&Profile::mmap_prepare>},
    Knob{"mm.dax_folios", KnobKind::boolean, "", "false",
         "Pages of a DAX device are ordinary folios in page tables (6.15 and later): a dirty one "
         "that is unmapped flushes the TLB under the page-table lock.",
         set_member<&Profile::dax_folios>},
    Knob{"mm.merges_untouched", KnobKind::boolean, "", "false",
         "A VMA that was never written may be extended over a neighbour that was (6.15 and later).",
         set_member<&Profile::merges_untouched>},
    Knob{"mm.ra_order_kept", KnobKind::boolean, "", "false",
         "Readahead remembers how large its folios are (6.18 and later): single pages at first, "
         "four "
         "times larger with each window; before, four pages at once.",
         set_member<&Profile::ra_order_kept>},
    Knob{
        "mm.huge_zero_replaced", KnobKind::boolean, "", "false",
        "A store to the huge zero page puts a huge page in its place (6.13 and later); before, the "
        "entry is split and one small page replaced.",
        set_member<&Profile::huge_zero_replaced>},
    Knob{"mm.dup_untracks_pfns", KnobKind::boolean, "", "true",
         "Copying a VMA of PFNs, to split it or to fork, changes the copy's flags under its lock "
         "before anything else is locked (until 6.16).",
         set_member<&Profile::dup_untracks_pfns>},
    Knob{"mm.fork_allocates_first", KnobKind::boolean, "", "false",
         "Fork allocates a child's anon_vma before it links the parent's to the child, not between "
         "(6.19 and later).",
         set_member<&Profile::fork_allocates_first>},
    Knob{"vvar_vclock", KnobKind::boolean, "", "false",
         "The clocks of virtual machines have a mapping of their own beside the vdso's data (6.14 "
         "and later).",
         set_member<&Profile::vvar_vclock>},
    Knob{
        "process_accounting", KnobKind::boolean, "", "false",
        "A kernel with BSD process accounting (as distributions build it): an exiting process sums "
        "up its VMAs under mmap_lock.",
        set_member<&Profile::process_accounting>},
    Knob{"mm.copies_annotate", KnobKind::boolean, "", "true",
         "Writing the frame of a signal handler, and the status that wait4 gives, tells lock "
         "debugging that it may fault; a 7.1 kernel does not.",
         set_member<&Profile::copies_annotate>},
    Knob{"fs.iomap_actor_advances", KnobKind::boolean, "", "false",
         "Who works on an iomap moves the iterator itself (6.15 and later), so that iomap_iter "
         "shows the new position and a status, not the bytes processed.",
         set_member<&Profile::iomap_actor_advances>},
    Knob{"xfs.fault_events", KnobKind::word, "filemap_fault|read_write|per_handler",
         "filemap_fault",
         "Which tracepoints an XFS fault has: xfs_filemap_fault; xfs_read_fault and "
         "xfs_write_fault; or, with the handlers of 4.13, one for each handler.",
         set_member<&Profile::xfs_fault_events>},
    Knob{"xfs.page_mkwrite_ops", KnobKind::boolean, "", "true",
         "A store to a mapped page of the page cache asks XFS with operations of its own, not with "
         "those of write(2) (until 6.15).",
         set_member<&Profile::page_mkwrite_ops>},
    Knob{"xfs.fsync_ilock", KnobKind::word, "when_pinned|always|never", "when_pinned",
         "When fsync looks under ILOCK which checkpoint it waits for: if the inode is pinned; "
         "always (until 5.12); never, since its log item says it (6.18 and later).",
         set_member<&Profile::fsync_ilock>},
    Knob{
        "xfs.trans_retries_enospc", KnobKind::boolean, "", "true",
        "A transaction that finds no blocks to reserve is cancelled, unused speculative blocks are "
        "given up, and it is tried once more (5.12 and later).",
        set_member<&Profile::trans_retries_enospc>},
    Knob{"fs.writeback_by_folio", KnobKind::boolean, "", "false",
         "Write-back has the tracepoints iomap_writeback_folio and iomap_add_to_ioend (6.17 and "
         "later), not iomap_writepage and iomap_writepage_map; zeroing has iomap_zero_iter, and a "
         "partial block that is dirty is zeroed in the page cache without writing it back first.",
         set_member<&Profile::writeback_by_folio>},
    Knob{"hugetlb", KnobKind::word, "empty|off", "empty",
         "Reserved huge pages: a pool without pages (MAP_HUGETLB is ENOMEM), or none built "
         "(EINVAL).",
         set_member<&Profile::hugetlb>},
    Knob{"mm.overcommit_memory", KnobKind::word, "guess|always|never", "guess",
         "vm.overcommit_memory: how much private writable memory may be promised.",
         set_member<&Profile::overcommit>},
    Knob{"mm.overcommit_ratio", KnobKind::number, "", "50",
         "vm.overcommit_ratio: the share of memory, in percent, that mode never promises.",
         set_member<&Profile::overcommit_ratio>},
};

// Not constexpr: the values of later profiles lie in their own files.
const std::array profiles{
    ProfileRow{
        "linux-6.12", "Linux 6.12.117, checked line by line against traces of that kernel.", {}},
    ProfileRow{"linux-7.1", "Linux 7.1.5: mmap_prepare, VMA locks as counts, DAX pages as folios.",
               linux_7_1_values()},
    ProfileRow{"linux-4.13+map-direct-v6",
               "Linux 4.13 with MAP_DIRECT as proposed in August 2017, version 6.",
               linux_4_13_map_direct_v6_values()},
    ProfileRow{"linux-4.13+map-direct-v5",
               "The same, version 5: MAP_DENYWRITE and MAP_EXECUTABLE are known flags.",
               linux_4_13_map_direct_v5_values()},
    ProfileRow{"linux-4.13+map-direct-v7",
               "The same, version 7 of October 2017: a lease on the block map instead of a seal.",
               linux_4_13_map_direct_v7_values()},
    ProfileRow{"linux-7.1+map-direct", "What version 6 of MAP_DIRECT would be on Linux 7.1.5.",
               linux_7_1_map_direct_values()},
};

// The value of a knob of a profile's table, by the knob's type.
void set_from_text(Profile& profile, const KnobValue& value) {
  std::uint64_t number = value.value == "true" ? 1 : 0;
  for (const Knob& knob : all_knobs()) {
    if (knob.name != value.name || knob.type != KnobKind::number) continue;
    std::from_chars(value.value.data(), value.value.data() + value.value.size(), number);
  }
  const bool known = set_knob(profile, value.name, number, value.value);
  FL_ASSERT(known);
}

}  // namespace

std::span<const Knob> all_knobs() {
  static const std::vector<Knob> all = [] {
    std::vector<Knob> list(knobs.begin(), knobs.end());
    for (const std::span<const Knob> more : {mmap_knobs(), linux_4_13_knobs()}) {
      list.insert(list.end(), more.begin(), more.end());
    }
    return list;
  }();
  return all;
}
std::span<const ProfileRow> all_profiles() { return profiles; }

std::optional<Profile> find_profile(std::string_view name) {
  for (const ProfileRow& row : profiles) {
    if (row.name == name) {
      Profile profile;
      profile.name = std::string(name);
      for (const KnobValue& value : row.values) set_from_text(profile, value);
      return profile;
    }
  }
  return std::nullopt;
}

bool set_knob(Profile& profile, std::string_view name, std::uint64_t number,
              std::string_view word) {
  for (const Knob& knob : all_knobs()) {
    if (knob.name != name) continue;
    const auto value = knob.type == KnobKind::word ? place_of(knob.words, word) : number;
    if (value) knob.set(profile, *value);
    return value.has_value();
  }
  return false;
}

}  // namespace faultline
