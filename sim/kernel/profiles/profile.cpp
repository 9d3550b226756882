// The tables of profiles and knobs. Defaults are those of the running 6.12.117 whose traces the
// model is checked against.
#include "kernel/profiles/profile.hpp"

#include <array>

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
    Knob{"hugetlb", KnobKind::word, "empty|off", "empty",
         "Reserved huge pages: a pool without pages (MAP_HUGETLB is ENOMEM), or none built "
         "(EINVAL)."},
    Knob{"mm.overcommit_memory", KnobKind::word, "guess|always|never", "guess",
         "vm.overcommit_memory: how much private writable memory may be promised."},
    Knob{"mm.overcommit_ratio", KnobKind::number, "", "50",
         "vm.overcommit_ratio: the share of memory, in percent, that mode never promises."},
};

constexpr std::array profiles{
    ProfileRow{"linux-6.12", "Linux 6.12.117, checked line by line against traces of that kernel."},
};

}  // namespace

std::span<const Knob> all_knobs() { return knobs; }
std::span<const ProfileRow> all_profiles() { return profiles; }

std::optional<Profile> find_profile(std::string_view name) {
  for (const ProfileRow& row : profiles) {
    if (row.name == name) {
      Profile profile;
      profile.name = std::string(name);
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
