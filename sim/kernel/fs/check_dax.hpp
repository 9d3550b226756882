// What must be true of DAX files and their mappings, looked at from outside: fault_path.md section
// 10 (9 and 10) and, for MAP_DIRECT, that the block map of a sealed file stays as it is and that
// seal and count agree with the mappings. A pure look, for runs that ask for it
// (--check-invariants).
//
// Looked at while nobody holds a page-table lock, i_pages, a DAX entry, an MMAPLOCK or an ILOCK:
// whoever changes a block map, or the mappings of it, holds one of them. Counts of direct mappings
// are compared while nobody holds any lock.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/fs/xfs/xfs_iext.hpp"
#include "kernel/kernel.hpp"

namespace faultline {

enum class DaxRule : std::uint8_t {
  mapped_entry,    ///< where a block or the zero page is mapped, i_pages has an entry
  writable_clean,  ///< what is mapped writable and shared is marked dirty
  zero_writable,   ///< zero pages are never mapped writable
  mapped_block,    ///< what is mapped is the file's block of that offset: not one that was freed
  sealed_map,      ///< no block of a sealed file comes, goes or moves
  direct_count,    ///< i_mapdcount is the number of direct mappings
  seal_lost,       ///< a file that has direct mappings is sealed
  seal_left,       ///< one that has none is not
  sealed_size,     ///< nor does its size change
  direct_page,     ///< a direct mapping shows blocks or zeros, no page of memory
  flags_lost,      ///< S_SYNC and S_NOATIME of i_flags are what the flags of the file say
  seal_shared,     ///< while a file is sealed no client of a server has its blocks
  lease_gone,      ///< no page of a direct mapping is mapped whose lease has been taken away
};
std::string_view dax_rule_name(DaxRule rule);

struct BrokenDaxRule {
  DaxRule rule;
  std::string text;
};

struct DaxLook {
  std::vector<BrokenDaxRule> broken;
  std::uint64_t cost = 0;  ///< tables, pages and extents looked at
};

/// Sealed files as they were when the seal was first seen, by index of the inode.
struct DaxHistory {
  struct Sealed {
    std::vector<xfs::Extent> blocks;
    std::uint64_t size = 0;
  };
  std::map<std::uint32_t, Sealed> sealed;
};

/// At the end of a run in which nobody is in the middle of anything: files that have direct
/// mappings and no seal, or a seal and no mapping that would ever lift it, or have lost a flag.
std::vector<BrokenDaxRule> check_seals(const Kernel& k);

DaxLook check_dax(const Kernel& k, DaxHistory& history);

}  // namespace faultline
