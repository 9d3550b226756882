// The parts that the time of a page fault is accounted to.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace faultline {

enum class FaultPart : std::uint8_t {
  translation,  ///< the page walk that found no entry, before the exception
  entry,        ///< exception, finding the VMA, return
  memory,       ///< the memory manager: pages, copies, anon_vma
  page_table,   ///< tables and entries
  tlb,          ///< flushes
  filesystem,   ///< file system, DAX, page cache, log
  device,       ///< asleep until a device is done
  locks,        ///< waiting for locks
};
inline constexpr std::size_t fault_part_count = 8;
inline constexpr std::array<std::string_view, fault_part_count> fault_part_names{
    "translation", "entry", "memory", "page table", "tlb", "filesystem", "device", "locks"};

/// What one fault spent on each part, ns.
using FaultShares = std::array<std::uint64_t, fault_part_count>;

}  // namespace faultline
