// The tables of profiles and knobs. Defaults are those of the running 6.12.117 whose traces the
// model is checked against.
#include "kernel/profiles/profile.hpp"

#include <array>
#include <charconv>

#include "base/bug.hpp"

namespace faultline {

namespace {

constexpr std::array knobs{
    Knob{"mm.per_vma_lock", KnobKind::boolean, "", "true",
         "User faults first try the lock of their VMA; off, every fault takes mmap_lock."},
    Knob{"mm.thp", KnobKind::word, "always|madvise|never", "always",
         "Transparent huge pages: which anonymous mappings may get a 2 MiB page at a fault."},
    Knob{"mm.fault_around_bytes", KnobKind::number, "", "65536",
         "Window in which a read fault maps pages of the page cache that are already there."},
    Knob{"mm.max_map_count", KnobKind::number, "", "65530",
         "vm.max_map_count: how many VMAs a process may have before mmap refuses."},
    Knob{"mm.mmap_min_addr", KnobKind::number, "", "65536",
         "vm.mmap_min_addr: hints below it are raised to it."},
    Knob{"mm.stack_guard_gap", KnobKind::number, "", "256",
         "Pages kept free below a stack when an address is searched."},
    Knob{"mm.vma_lock", KnobKind::word, "rwsem|refcount", "rwsem",
         "How a VMA is locked: by a rwsem of its own, or (6.15 and later) by a count in the VMA, "
         "which a fresh VMA's first writer need not touch."},
    Knob{"mm.mmap_prepare", KnobKind::boolean, "", "false",
         "Files prepare a mapping with f_op->mmap_prepare, before the merge attempt and before "
         "there is a VMA, instead of with f_op->mmap after both."},
    Knob{"mm.dax_folios", KnobKind::boolean, "", "false",
         "Pages of a DAX device are ordinary folios in page tables (6.15 and later): a dirty one "
         "that is unmapped flushes the TLB under the page-table lock."},
    Knob{"mm.copies_annotate", KnobKind::boolean, "", "true",
         "A copy to user memory tells lock debugging that it may fault, as the frame of a signal "
         "handler shows; a 7.1 kernel does not."},
    Knob{"fs.iomap_actor_advances", KnobKind::boolean, "", "false",
         "Who works on an iomap moves the iterator itself (6.15 and later), so that iomap_iter "
         "shows the new position and a status, not the bytes processed."},
    Knob{"xfs.fault_events", KnobKind::word, "filemap_fault|read_write", "filemap_fault",
         "Which tracepoints an XFS fault has: xfs_filemap_fault, or xfs_read_fault and "
         "xfs_write_fault."},
    Knob{"hugetlb", KnobKind::word, "empty|off", "empty",
         "Reserved huge pages: a pool without pages (MAP_HUGETLB is ENOMEM), or none built "
         "(EINVAL)."},
    Knob{"mm.overcommit_memory", KnobKind::word, "guess|always|never", "guess",
         "vm.overcommit_memory: how much private writable memory may be promised."},
    Knob{"mm.overcommit_ratio", KnobKind::number, "", "50",
         "vm.overcommit_ratio: the share of memory, in percent, that mode never promises."},
};

// Not constexpr: the values of later profiles lie in their own files.
const std::array profiles{
    ProfileRow{
        "linux-6.12", "Linux 6.12.117, checked line by line against traces of that kernel.", {}},
    ProfileRow{"linux-7.1", "Linux 7.1.5: mmap_prepare, VMA locks as counts, DAX pages as folios.",
               linux_7_1_values()},
};

// The value of a knob of a profile's table, by the knob's type.
void set_from_text(Profile& profile, const KnobValue& value) {
  std::uint64_t number = value.value == "true" ? 1 : 0;
  for (const Knob& knob : knobs) {
    if (knob.name != value.name || knob.type != KnobKind::number) continue;
    std::from_chars(value.value.data(), value.value.data() + value.value.size(), number);
  }
  const bool known = set_knob(profile, value.name, number, value.value);
  FL_ASSERT(known);
}

}  // namespace

std::span<const Knob> all_knobs() { return knobs; }
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

bool set_knob(Profile& p, std::string_view name, std::uint64_t number, std::string_view word) {
  if (name == "mm.per_vma_lock") {
    p.per_vma_lock = number != 0;
  } else if (name == "mm.thp") {
    if (word == "always") {
      p.thp = ThpMode::always;
    } else if (word == "madvise") {
      p.thp = ThpMode::madvise;
    } else if (word == "never") {
      p.thp = ThpMode::never;
    } else {
      return false;
    }
  } else if (name == "mm.fault_around_bytes") {
    p.fault_around_bytes = number;
  } else if (name == "mm.max_map_count") {
    p.max_map_count = number;
  } else if (name == "mm.mmap_min_addr") {
    p.mmap_min_addr = number;
  } else if (name == "mm.stack_guard_gap") {
    p.stack_guard_gap = number;
  } else if (name == "mm.vma_lock") {
    if (word != "rwsem" && word != "refcount") return false;
    p.vma_lock = word == "rwsem" ? VmaLock::rwsem : VmaLock::refcount;
  } else if (name == "mm.mmap_prepare") {
    p.mmap_prepare = number != 0;
  } else if (name == "mm.dax_folios") {
    p.dax_folios = number != 0;
  } else if (name == "mm.copies_annotate") {
    p.copies_annotate = number != 0;
  } else if (name == "fs.iomap_actor_advances") {
    p.iomap_actor_advances = number != 0;
  } else if (name == "xfs.fault_events") {
    if (word != "filemap_fault" && word != "read_write") return false;
    const bool one = word == "filemap_fault";
    p.xfs_fault_events = one ? XfsFaultEvents::filemap_fault : XfsFaultEvents::read_write;
  } else if (name == "hugetlb") {
    if (word != "empty" && word != "off") return false;
    p.hugetlb = word == "off" ? HugetlbMode::off : HugetlbMode::empty;
  } else if (name == "mm.overcommit_memory") {
    if (word == "guess") {
      p.overcommit = OvercommitMode::guess;
    } else if (word == "always") {
      p.overcommit = OvercommitMode::always;
    } else if (word == "never") {
      p.overcommit = OvercommitMode::never;
    } else {
      return false;
    }
  } else if (name == "mm.overcommit_ratio") {
    p.overcommit_ratio = number;
  } else {
    return false;
  }
  return true;
}

}  // namespace faultline
