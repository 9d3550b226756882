// How large the caches of the MMU are: the TLB's levels by page size and the paging-structure
// caches, per machine preset, each number with its source. Every array is replaced in exact
// least-recently-used order within a set, which nobody publishes (processors approximate it). Left
// out: the instruction TLB, partitioning between hyper-threads, separate arrays for stores.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "machine/presets.hpp"

namespace faultline {

/// `entries` in sets of `ways`; the number of sets is a power of two. 0 entries: it is not there.
struct TlbArrayGeometry {
  std::uint32_t entries = 0, ways = 0;
  constexpr std::uint32_t sets() const { return entries == 0 ? 0 : entries / ways; }
};

struct TlbGeometry {
  TlbArrayGeometry l1_small, l1_huge, l1_giant;  ///< first level: 4 KiB, 2 MiB, 1 GiB pages
  TlbArrayGeometry stlb;                         ///< second level, shared by 4 KiB and 2 MiB pages
  TlbArrayGeometry stlb_giant;                   ///< second level of 1 GiB pages
  /// Paging-structure caches, fully associative: entries that point to PTE tables (PDE cache), to
  /// PMD tables (PDPTE cache), to PUD tables (PML4E cache) and, with five levels, to P4D tables.
  std::uint32_t pde = 0, pdpte = 0, pml4e = 0, pml5e = 0;
};

/// One line of what `faultline list presets` says of the MMU.
struct GeometryRow {
  std::string_view name;
  TlbArrayGeometry TlbGeometry::* array;  ///< exactly one of array and count is set
  std::uint32_t TlbGeometry::* count;
  std::string_view source[PRESETS];
  std::string_view what;
};
std::span<const GeometryRow> geometry_rows();

const TlbGeometry& tlb_geometry(Preset p);

}  // namespace faultline
