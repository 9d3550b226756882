// The paging-structure caches of one CPU (SDM volume 3, section 4.10.3): which table a walk may
// begin at instead of the root. One fully associative cache for each level of entry, tagged with
// the address space as a PCID does, replaced in least-recently-used order. Beside them, the data
// caches as the last 64-byte line of entries read at each level: enough to make sequential faults
// cheap and far jumps dear. The bits that a cached entry combines (RW, US, NX of the levels above)
// are left out: Linux sets upper entries to allow everything.
#pragma once

#include <array>
#include <cstdint>
#include <faultline/types.hpp>
#include <vector>

#include "machine/page_table.hpp"
#include "machine/tlb_geometry.hpp"

namespace faultline {

class WalkCache {
 public:
  /// Holds host addresses of pool memory, but compares them for equality only, which is the same
  /// as comparing table numbers.
  std::array<const std::uint64_t*, PT_LEVELS> line{};  ///< entry line read last, per level

  explicit WalkCache(const TlbGeometry& g = tlb_geometry(DEFAULT_PRESET))
      : caches_{Cache(g.pde), Cache(g.pdpte), Cache(g.pml4e), Cache(g.pml5e)} {}

  static std::uint64_t tag_of(std::uint32_t mm_id, Vaddr va, PtLevel table) {
    const std::uint64_t high = (va.v & ((1ULL << 57) - 1)) >> (level_shift(table) + 9);
    return (std::uint64_t(mm_id) << TAG_SHIFT) | high;
  }

  /// The entries of the table of level `table` that translates `va`; null: the walk has to look
  /// further up.
  std::uint64_t* find(std::uint32_t mm_id, Vaddr va, PtLevel table) {
    Cache& cache = caches_[unsigned(table)];
    const std::uint64_t tag = tag_of(mm_id, va, table);
    if (cache.live == 0) return nullptr;
    if (cache.ways[cache.newest].tag == tag) return cache.ways[cache.newest].entries;
    return cache.absent(tag) ? nullptr : find_older(cache, tag);
  }
  void put(std::uint32_t mm_id, Vaddr va, PtLevel table, std::uint64_t* entries) {
    Cache& cache = caches_[unsigned(table)];
    if (cache.size == 0) return;
    const std::uint64_t tag = tag_of(mm_id, va, table);
    const unsigned way = cache.vacant < cache.size && cache.ways[cache.vacant].tag == 0
                             ? cache.vacant
                             : victim(cache);
    if (cache.ways[way].tag == 0) {
      ++cache.live;
    } else {
      --cache.count(cache.ways[way].tag);
    }
    ++cache.count(tag);
    cache.ways[way] = {tag, entries, ++clock_};
    cache.newest = way;
    ++cache.vacant;
  }
  /// What a page fault at `va` drops: the entries that a walk of it would use.
  void forget(std::uint32_t mm_id, Vaddr va);
  /// Everything of one address space, as INVLPG of any address of it does.
  void flush(std::uint32_t mm_id);
  void flush_all();

 private:
  static constexpr unsigned TAG_SHIFT = 36;  // bits of the largest part of an address, for a PDE
  struct Entry {
    std::uint64_t tag = 0;  // 0: empty
    std::uint64_t* entries = nullptr;
    std::uint64_t used = 0;
  };
  struct Cache {
    explicit Cache(std::uint32_t entries) : ways(entries), size(entries) {}
    // How many entries have a tag of this hash: a walk after a page fault finds none, and need not
    // search for that.
    std::uint16_t& count(std::uint64_t tag) { return counts[tag % 64]; }
    bool absent(std::uint64_t tag) { return count(tag) == 0; }
    std::array<std::uint16_t, 64> counts{};
    std::vector<Entry> ways;
    unsigned size;
    unsigned newest = 0;
    unsigned vacant = 0;  // where an empty way may be; the size: nothing is known
    unsigned live = 0;
  };
  std::uint64_t* find_older(Cache& cache, std::uint64_t tag);
  static unsigned victim(const Cache& cache);
  static void drop(Cache& cache, unsigned way) {
    --cache.count(cache.ways[way].tag);
    cache.ways[way].tag = 0;
    cache.vacant = way;
    --cache.live;
  }

  std::array<Cache, PT_LEVELS - 1> caches_;  // by level of the table pointed to
  std::uint64_t clock_ = 0;
};

}  // namespace faultline
