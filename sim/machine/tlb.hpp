// The TLB of one CPU: two levels of set-associative arrays whose sizes a machine preset gives, each
// set in exact least-recently-used order, tagged by mm id as a PCID does; plus the CPU's
// paging-structure caches. 4 KiB and 2 MiB pages share the second level, 1 GiB pages have arrays of
// their own. Invalidation is that of the SDM, volume 3, section 4.10.4; arch/x86/mm/tlb.c (6.12)
// gives the full-flush ceiling. Left out: the instruction TLB, global entries, entries that
// hardware fills on speculation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <faultline/types.hpp>
#include <vector>

#include "machine/page_walk.hpp"
#include "machine/tlb_geometry.hpp"

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

/// One array: sets of ways in order of last use, the newest first. A tag of 0 is an empty way;
/// empty ways are always last in their set.
class TlbArray {
 public:
  struct Way {
    std::uint64_t tag = 0, entry = 0;
  };

  explicit TlbArray(TlbArrayGeometry g)
      : ways_(g.sets() * g.ways), mask_(g.sets() == 0 ? 0 : g.sets() - 1), ways_per_set_(g.ways) {}

  bool present() const { return !ways_.empty(); }
  unsigned ways() const { return ways_per_set_; }
  /// The first way of the set that a page belongs to. Only of an array that is present.
  Way* set(std::uint64_t page) { return ways_.data() + (page & mask_) * ways_per_set_; }
  const Way* set(std::uint64_t page) const { return ways_.data() + (page & mask_) * ways_per_set_; }
  /// The way of a tag in its set; ways() if it is in none.
  unsigned find(const Way* set, std::uint64_t tag) const {
    unsigned w = 0;
    while (w < ways_per_set_ && set[w].tag != tag) ++w;
    return w;
  }
  /// Puts an entry first, moving those before `w` back by one. What way `w` held is dropped.
  static void put_first(Way* set, unsigned w, Way entry) {
    // The last way of the arrays that most processors have: moved without a loop.
    if (w == 3) {
      move_back<3>(set);
    } else if (w == 11) {
      move_back<11>(set);
    } else {
      std::copy_backward(set, set + w, set + w + 1);
    }
    set[0] = entry;
  }
  /// Closes the gap that a dropped way leaves.
  void erase(Way* set, unsigned w) const;
  std::vector<Way>& all() { return ways_; }
  const std::vector<Way>& all() const { return ways_; }

 private:
  template <unsigned n>
  static void move_back(Way* set) {
    Way old[n];
    std::copy_n(set, n, old);
    std::copy_n(old, n, set + 1);
  }

  std::vector<Way> ways_;
  std::uint64_t mask_;
  unsigned ways_per_set_;
};

/// TLB of one CPU. Addresses given to it are canonical. With four levels of page tables mm ids are
/// 1 .. 2^26-1, with five 1 .. 2^17-1. Nothing allocates after construction.
class Tlb {
 public:
  /// tlb_single_page_flush_ceiling: more pages than this are flushed by flushing the whole mm.
  static constexpr std::uint64_t FLUSH_CEILING = 33;

  explicit Tlb(const TlbGeometry& geometry = tlb_geometry(DEFAULT_PRESET), unsigned levels = 4);

  WalkCache walk_cache;  ///< of this CPU; give it to walk()

  /// Looks `va` up for an access and renews its place in the LRU order.
  TlbLookup lookup(std::uint32_t mm_id, Vaddr va, Access access, bool user);

  /// Fills both levels after a successful walk; replaces an entry of the same page.
  void insert(std::uint32_t mm_id, Vaddr va, PageSize size, std::uint64_t entry);

  /// INVLPG: drops the entries of every size that translate `va`, and the mm's paging-structure
  /// caches as a whole.
  void invalidate_page(std::uint32_t mm_id, Vaddr va);
  /// What a #PF at `va` drops: the same entries, and of the paging-structure caches those that a
  /// walk of `va` would use.
  void page_fault(std::uint32_t mm_id, Vaddr va);
  /// Drops [start, end) stride by stride, or the whole mm beyond FLUSH_CEILING strides. Returns the
  /// number of strides invalidated, or FLUSH_ALL, as Linux' tlb_flush event counts them.
  std::uint64_t invalidate_range(std::uint32_t mm_id, Vaddr start, Vaddr end,
                                 unsigned stride_shift = PAGE_SHIFT);
  static constexpr std::uint64_t FLUSH_ALL = ~std::uint64_t(0);
  void flush_mm(std::uint32_t mm_id);
  void flush_all();

  /// What the TLB holds for `va`, without touching the LRU order: for the stale-TLB oracle.
  TlbLookup peek(std::uint32_t mm_id, Vaddr va) const;
  /// Calls f(mm_id, first Vaddr, PageSize, entry) for each entry, in the order of the arrays and
  /// sets. An entry in both levels comes twice.
  template <class F>
  void for_each(F&& f) const;
  /// How many ways for_each looks at.
  std::size_t capacity() const;

 private:
  /// Where the entries of one page size are.
  struct Key {
    PageSize size;
    std::uint64_t page, tag;
  };
  Key key(std::uint32_t mm_id, Vaddr va, PageSize size) const {
    const std::uint64_t page = va.v >> page_shift(size) & page_mask_ >> 9 * (unsigned(size) - 1);
    const std::uint64_t sized = std::uint64_t(unsigned(size) - 1) << (mm_shift_ - 2);
    return {size, page, std::uint64_t(mm_id) << mm_shift_ | sized | page};
  }
  TlbArray& l1(PageSize size) { return l1_[unsigned(size) - 1]; }
  const TlbArray& l1(PageSize size) const { return l1_[unsigned(size) - 1]; }
  TlbArray& stlb(PageSize size) { return size == PageSize::giant ? stlb_giant_ : stlb_; }
  const TlbArray& stlb(PageSize size) const {
    return size == PageSize::giant ? stlb_giant_ : stlb_;
  }
  static TlbResult check(std::uint64_t entry, Access access, bool user, TlbResult hit);
  TlbLookup lookup_slow(std::uint32_t mm_id, Vaddr va, Access access, bool user);
  // `known` false: the array is known not to have the tag.
  void put(TlbArray& array, const Key& key, std::uint64_t entry, bool known);
  void note_large(PageSize size, std::uint64_t dropped);
  void erase(TlbArray& array, const Key& key);
  void erase_mm(TlbArray& array, std::uint32_t mm_id);
  void drop_page(std::uint32_t mm_id, Vaddr va);
  void drop_large(std::uint32_t mm_id, Vaddr va);
  std::uint16_t& count(std::uint64_t tag) { return counts_[(tag ^ tag >> 31) % COUNTS]; }
  bool absent(std::uint64_t tag) { return count(tag) == 0; }
  template <class F>
  void each_of(const TlbArray& array, F& f) const;

  TlbArray l1_[3];  // by page size
  TlbArray stlb_, stlb_giant_;
  unsigned mm_shift_;        // of the mm id in a tag; two bits below it say the size
  std::uint64_t page_mask_;  // of the number of a 4 KiB page
  // How many entries of all arrays have a tag of this hash: most look-ups that miss need no
  // search.
  static constexpr std::size_t COUNTS = 4096;
  std::vector<std::uint16_t> counts_;
  std::uint32_t large_ = 0;    // entries of all arrays whose page is not a 4 KiB one
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
  const std::uint64_t page = va.v >> PAGE_SHIFT & page_mask_;
  const std::uint64_t tag = std::uint64_t(mm_id) << mm_shift_ | page;
  const TlbArray::Way& newest = *l1_[0].set(page);
  if (newest.tag == tag) [[likely]] {
    return {check(newest.entry, access, user, TlbResult::l1), PageSize::small, newest.entry};
  }
  if (large_ == 0 && absent(tag)) return {};
  return lookup_slow(mm_id, va, access, user);
}

template <class F>
void Tlb::each_of(const TlbArray& array, F& f) const {
  for (const TlbArray::Way& way : array.all()) {
    if (way.tag == 0) continue;
    const auto size = PageSize(1 + (way.tag >> (mm_shift_ - 2) & 3));
    const std::uint64_t page = way.tag & page_mask_;
    const unsigned unused = 64 - (mm_shift_ - 2) - PAGE_SHIFT;
    const std::uint64_t va = page << page_shift(size) << unused;
    f(std::uint32_t(way.tag >> mm_shift_), Vaddr(std::uint64_t(std::int64_t(va) >> unused)), size,
      way.entry);
  }
}

template <class F>
void Tlb::for_each(F&& f) const {
  for (const TlbArray& array : l1_) each_of(array, f);
  each_of(stlb_, f);
  each_of(stlb_giant_, f);
}

}  // namespace faultline
