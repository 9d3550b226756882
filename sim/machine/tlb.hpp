// The TLB of one CPU: first-level data TLB of 64 entries for 4 KiB and 32 for 2 MiB pages (both 4
// ways), second level of 1536 shared entries (12 ways), as reference sources give for Skylake; each
// set in exact least-recently-used order; tagged by mm id as a PCID does; plus the CPU's
// paging-structure cache, which every invalidation drops as INVLPG does. arch/x86/mm/tlb.c (6.12)
// gives the full-flush ceiling. Left out: the instruction TLB, 1 GiB entries, global entries.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <faultline/types.hpp>

#include "machine/page_walk.hpp"

namespace faultline {

enum class TlbResult : std::uint8_t {
  miss,         ///< walk the page tables
  l1,           ///< hit in the first level
  stlb,         ///< hit in the second level, now also in the first
  dirty_clear,  ///< hit, but a store through an entry whose D is clear: walk to set it
  denied        ///< hit, but the access is not permitted: #PF with X86_PF_PROT
};

/// Answer of a look-up. `entry` is the leaf as it was when inserted (0 on a miss): with a stale TLB
/// it may differ from the page table, and the access uses it, as hardware would.
struct TlbLookup {
  TlbResult result{};
  PageSize size{};
  std::uint64_t entry{};
  bool hit() const { return result == TlbResult::l1 || result == TlbResult::stlb; }
  Paddr phys(Vaddr va) const { return leaf_phys(entry, size, va); }
};

/// One set: ways in order of last use, the newest first. A tag of 0 is an empty way; empty ways
/// are always last.
template <unsigned Ways>
struct TlbSet {
  std::array<std::uint64_t, Ways> tag{};
  std::array<std::uint64_t, Ways> entry{};

  /// Makes way `w` the newest.
  void touch(unsigned w) {
    const std::uint64_t t = tag[w], e = entry[w];
    for (; w > 0; --w) tag[w] = tag[w - 1], entry[w] = entry[w - 1];
    tag[0] = t;
    entry[0] = e;
  }
  unsigned find(std::uint64_t t) const {
    unsigned w = 0;
    while (w < Ways && tag[w] != t) ++w;
    return w;
  }
  /// Puts an entry before way `w`, which is dropped; returns its tag.
  std::uint64_t insert(unsigned w, std::uint64_t t, std::uint64_t e) {
    const std::uint64_t dropped = tag[w];
    for (; w > 0; --w) tag[w] = tag[w - 1], entry[w] = entry[w - 1];
    tag[0] = t;
    entry[0] = e;
    return dropped;
  }
  /// The same before the last way: the shift has one length, which compilers make a few wide moves.
  std::uint64_t insert_newest(std::uint64_t t, std::uint64_t e) {
    const std::uint64_t dropped = tag.back();
    std::copy_backward(tag.begin(), tag.end() - 1, tag.end());
    std::copy_backward(entry.begin(), entry.end() - 1, entry.end());
    tag[0] = t;
    entry[0] = e;
    return dropped;
  }
  void erase(unsigned w) {
    for (; w + 1 < Ways; ++w) tag[w] = tag[w + 1], entry[w] = entry[w + 1];
    tag[Ways - 1] = entry[Ways - 1] = 0;
  }
};

/// TLB of one CPU. Addresses given to it are canonical; mm ids are 1 .. 2^27-1. Nothing allocates.
class Tlb {
 public:
  static constexpr unsigned L1_SETS = 16, L1_HUGE_SETS = 8, L1_WAYS = 4;
  static constexpr unsigned STLB_SETS = 128, STLB_WAYS = 12;
  /// tlb_single_page_flush_ceiling: more pages than this are flushed by flushing the whole mm.
  static constexpr std::uint64_t FLUSH_CEILING = 33;
  static constexpr std::uint32_t MAX_MM_ID = (1U << 27) - 1;

  WalkCache walk_cache;  ///< of this CPU; give it to walk()

  /// Looks `va` up for an access and renews its place in the LRU order.
  TlbLookup lookup(std::uint32_t mm_id, Vaddr va, Access access, bool user);

  /// Fills both levels after a successful walk; replaces an entry of the same page.
  void insert(std::uint32_t mm_id, Vaddr va, PageSize size, std::uint64_t entry);

  /// INVLPG: drops the 4 KiB and the 2 MiB entry that translate `va`. Also what a #PF does.
  void invalidate_page(std::uint32_t mm_id, Vaddr va);
  /// Drops [start, end) page by page, or the whole mm beyond FLUSH_CEILING strides. Returns the
  /// number of strides invalidated, or FLUSH_ALL, as Linux' tlb_flush event counts them.
  std::uint64_t invalidate_range(std::uint32_t mm_id, Vaddr start, Vaddr end,
                                 unsigned stride_shift = PAGE_SHIFT);
  static constexpr std::uint64_t FLUSH_ALL = ~std::uint64_t(0);
  void flush_mm(std::uint32_t mm_id);
  void flush_all();

  /// What the TLB holds for `va`, without touching the LRU order: for the stale-TLB oracle.
  TlbLookup peek(std::uint32_t mm_id, Vaddr va) const;
  /// Calls f(mm_id, first Vaddr, PageSize, entry) for each entry of the second level, in set order.
  template <class F>
  void for_each(F&& f) const;

 private:
  static std::uint64_t tag_of(std::uint32_t mm_id, std::uint64_t page, bool huge) {
    return (std::uint64_t(mm_id) << 37) | (std::uint64_t(huge) << 36) | page;
  }
  static std::uint64_t small_page(Vaddr va) { return (va.v >> PAGE_SHIFT) & ((1ULL << 36) - 1); }
  static std::uint64_t huge_page(Vaddr va) { return (va.v >> PMD_SHIFT) & ((1ULL << 27) - 1); }
  static TlbResult check(std::uint64_t entry, Access access, bool user, TlbResult hit);
  TlbLookup lookup_slow(std::uint32_t mm_id, Vaddr va, Access access, bool user);
  template <class Set>
  void put(Set& set, std::uint64_t tag, std::uint64_t entry);
  template <class Set>
  void erase_tag(Set& set, std::uint64_t tag);
  template <class Sets>
  void erase_mm(Sets& sets, std::uint32_t mm_id);
  std::uint16_t& count(std::uint64_t tag) { return counts_[(tag ^ tag >> 31) % COUNTS]; }
  bool absent(std::uint64_t tag) { return count(tag) == 0; }

  std::array<TlbSet<L1_WAYS>, L1_SETS> l1_{};
  std::array<TlbSet<L1_WAYS>, L1_HUGE_SETS> l1_huge_{};
  std::array<TlbSet<STLB_WAYS>, STLB_SETS> stlb_{};
  // How many entries of both levels have a tag of this hash: most look-ups that miss need no
  // search.
  static constexpr std::size_t COUNTS = 4096;
  std::array<std::uint16_t, COUNTS> counts_{};
  std::uint32_t sole_mm_ = 0;  // only mm with entries, 0: none; MIXED: more than one
  static constexpr std::uint32_t MIXED = ~0U;
};

inline TlbResult Tlb::check(std::uint64_t entry, Access access, bool user, TlbResult hit) {
  const std::uint64_t need = (access == Access::write ? PTE_RW : 0) | (user ? PTE_US : 0);
  if ((entry & need) != need) return TlbResult::denied;
  if (access == Access::exec && (entry & PTE_NX)) return TlbResult::denied;
  if (access == Access::write && !(entry & PTE_D)) return TlbResult::dirty_clear;
  return hit;
}

inline TlbLookup Tlb::lookup(std::uint32_t mm_id, Vaddr va, Access access, bool user) {
  const std::uint64_t page = small_page(va);
  const std::uint64_t tag = tag_of(mm_id, page, false);
  const auto& set = l1_[page & (L1_SETS - 1)];
  if (set.tag[0] == tag) [[likely]] {
    return {check(set.entry[0], access, user, TlbResult::l1), PageSize::small, set.entry[0]};
  }
  return lookup_slow(mm_id, va, access, user);
}

template <class F>
void Tlb::for_each(F&& f) const {
  for (const auto& set : stlb_) {
    for (unsigned w = 0; w < STLB_WAYS && set.tag[w] != 0; ++w) {
      const bool huge = (set.tag[w] >> 36) & 1;
      std::uint64_t va = (set.tag[w] & ((1ULL << 36) - 1)) << (huge ? PMD_SHIFT : PAGE_SHIFT);
      va = std::uint64_t(std::int64_t(va << 16) >> 16);
      f(std::uint32_t(set.tag[w] >> 37), Vaddr(va), huge ? PageSize::huge : PageSize::small,
        set.entry[w]);
    }
  }
}

}  // namespace faultline
