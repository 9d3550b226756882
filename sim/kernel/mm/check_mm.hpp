// What must be true of every process's memory, looked at from outside: the set of VMAs and what the
// mm counts of it, the reverse map, page tables and resident counts, references of files and pages,
// promised memory. mmap_path.md section 15 in terms of state. A pure look, for runs that ask for it
// (--check-invariants); nothing here is on any path of the modelled kernel.
//
// A rule holds whenever nobody is in the middle of a change. Who is, the locks tell: a process's
// VMAs change under its mmap_lock, and a munmap that has downgraded it is still at work, so they
// are looked at while nobody holds that lock; page tables also change under the VMA's own lock, but
// always under a page-table lock; references are counted when no task holds any lock and none is
// inside a system call. What has to be passed over is looked at when it is still again.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernel/kernel.hpp"

namespace faultline {

enum class MmRule : std::uint8_t {
  vma_order,          ///< VMAs are sorted, apart, aligned and not empty
  vma_state,          ///< a VMA in the tree is attached, of that mm, and write-locked by nobody
  map_count,          ///< as many as the tree has
  vm_counters,        ///< total_vm, data_vm, exec_vm, stack_vm, locked_vm are sums over the VMAs
  reverse_map,        ///< i_mmap holds exactly the VMAs of its file, in order
  writable_mappings,  ///< i_mmap_writable is how many of them may write the file
  file_references,    ///< one of each VMA, one of each descriptor
  page_outside_vma,   ///< an entry is present only where a VMA is
  resident_pages,  ///< the rss counters are the entries of ordinary pages; special ones count not
  stale_translation,  ///< no CPU has a translation to a free frame in the address space it uses
  page_references,    ///< a page counts the entries that map it, and is not free
  committed_pages,    ///< what is promised is what accountable mappings and shared memory have
  close_calls,        ///< a VMA that was in the tree is not freed with its close still to be called
  mapped_calls,       ///< mapped runs once for a VMA at most
};
/// As findings call it: "map-count".
std::string_view mm_rule_name(MmRule rule);

struct BrokenRule {
  MmRule rule = MmRule::vma_order;
  std::uint32_t mm = 0;  ///< its id; 0: of the kernel as a whole
  std::string text;
};

struct MmLook {
  std::vector<BrokenRule> broken;
  std::uint64_t cost = 0;  ///< VMAs, tables and pages looked at
};

/// `in_syscall`: some task is inside a system call and may hold references of its own.
MmLook check_mm(const Kernel& k, bool in_syscall);

}  // namespace faultline
