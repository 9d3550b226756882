// The physical address space of a World: DRAM frames from 0, page tables at its top growing down,
// DAX devices above it. A bump allocator with a last-in-first-out free list: deterministic, and the
// order in which frames are handed out is easy to follow in a trace. It stands for Linux' page
// allocator (mm/page_alloc.c) without zones, per-CPU lists, reclaim or fragmentation.
#pragma once

#include <array>
#include <cstdint>
#include <faultline/types.hpp>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace faultline {

/// Hands out 4 KiB and 2 MiB frames of simulated DRAM and places devices above it.
class FrameAllocator {
 public:
  /// First frame that is handed out: the first MiB belongs to the firmware.
  static constexpr std::uint64_t FIRST_PFN = 0x100;
  /// Device ranges start at a multiple of this (a Linux memory section, 128 MiB), in frames.
  static constexpr std::uint64_t SECTION_FRAMES = 1ULL << 15;

  /// `dram_bytes` is rounded down to frames; at most 16 TiB (frame numbers of DRAM are kept in 32
  /// bits), at least 2 MiB.
  explicit FrameAllocator(std::uint64_t dram_bytes);

  /// Keeps [first, first + n) from being handed out: a device is there. Before the first alloc.
  void reserve(Pfn first, std::uint64_t n);
  /// A frame with reference count 1, or nothing when DRAM is used up.
  std::optional<Pfn> alloc();
  /// 512 frames aligned to 2 MiB, counted by the first one; nothing when DRAM is used up.
  std::optional<Pfn> alloc_huge();
  /// 2^order frames aligned to their size (order at most 9) for a large folio; nothing when DRAM is
  /// used up. They are not counted: `free_folio` gives all of them back.
  std::optional<Pfn> alloc_folio(unsigned order);
  void free_folio(Pfn pfn, unsigned order);
  /// References: `get` adds one, `put` drops one and tells whether the frame was given back. A
  /// frame with one reference costs no memory. `pfn` is one that alloc or alloc_huge returned; any
  /// frame of a 2 MiB one stands for the whole.
  void get(Pfn pfn, std::uint32_t references = 1) { extra_[head(pfn).v] += references; }
  bool put(Pfn pfn);
  std::uint32_t count(Pfn pfn) const;
  /// Whether the frame is part of a 2 MiB one that alloc_huge returned.
  bool in_huge(Pfn pfn) const { return !huge_.empty() && huge_.contains(huge_head(pfn)); }

  /// The frame that is counted for `pfn`: the first one of a 2 MiB page.
  Pfn head(Pfn pfn) const { return in_huge(pfn) ? Pfn(huge_head(pfn)) : pfn; }
  /// Calls `see` for each frame that was given back and not handed out again: of a folio or a 2 MiB
  /// page the first.
  template <class See>
  void each_free(See see) const {
    for (const std::uint32_t pfn : free_) see(Pfn(pfn));
    for (const auto& list : free_folio_) {
      for (const std::uint32_t pfn : list) see(Pfn(pfn));
    }
    for (const std::uint32_t pfn : free_huge_) see(Pfn(pfn));
  }

  /// Claims `n` frames below the ones claimed before; false when they are in use. For TablePool.
  bool claim_top(std::uint64_t n);
  /// One past the last DRAM frame: table n of the pool has frame top() - n.
  Pfn top() const { return top_; }
  /// Places a device of `frames` frames above DRAM and all earlier devices; its first frame.
  Pfn add_device(std::uint64_t frames);

  bool is_dram(Pfn pfn) const { return pfn < top_; }
  std::uint64_t used() const { return used_; }    ///< frames handed out, without tables
  std::uint64_t total() const { return top_.v; }  ///< DRAM frames

 private:
  static std::uint64_t huge_head(Pfn pfn) { return pfn.v & ~((1ULL << PMD_ORDER) - 1); }
  struct Reserved {
    std::uint64_t first, end;
  };
  void skip_reserved(std::uint64_t from, std::uint64_t n);
  std::optional<std::uint64_t> next_aligned(std::uint64_t n);

  Pfn top_;
  std::vector<Reserved> reserved_;
  std::uint64_t next_ = FIRST_PFN;
  std::uint64_t floor_of_tables_;
  std::uint64_t next_device_;
  std::uint64_t used_ = 0;
  std::vector<std::uint32_t> free_;
  std::array<std::vector<std::uint32_t>, 10> free_folio_;  // by order, 1..9
  std::vector<std::uint32_t> free_huge_;
  std::map<std::uint64_t, std::uint32_t> extra_;  // references beyond the first
  std::set<std::uint64_t> huge_;                  // live 2 MiB frames
};

}  // namespace faultline
