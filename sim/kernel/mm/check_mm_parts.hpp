// The checks of check_mm.hpp that look at page tables and at what processes share, for check_mm()
// to ask when they can be.
#pragma once

#include "kernel/mm/check_mm.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

std::string range_text(const vm_area_struct& vma);
/// A process whose last task has left is taken apart, by some versions without any lock.
bool being_torn_down(const Kernel& k, const mm_struct& mm);

/// An entry of a page table that maps something.
struct Leaf {
  Vaddr at{};
  unsigned shift = PAGE_SHIFT;
  pte_t entry{};
  std::uint64_t pages() const { return 1ULL << (shift - PAGE_SHIFT); }
  bool ordinary() const { return !pte_special(entry) && !pte_devmap(entry); }
  Pfn pfn() const {
    if (shift == PUD_SHIFT) return pud_pfn(pud_t{entry.v});
    return shift == PMD_SHIFT ? pmd_pfn(pmd_t{entry.v}) : pte_pfn(entry);
  }
};

template <class See>
void each_leaf(const PageTables& tables, const std::uint64_t* table, PtLevel level, Vaddr base,
               std::uint64_t& cost, See& see) {
  cost += 16;
  const unsigned shift = level_shift(level);
  const unsigned n = level == tables.top() ? PTRS_PER_TABLE / 2 : PTRS_PER_TABLE;
  for (unsigned i = 0; i < n; ++i) {
    const std::uint64_t word = table[i];
    if (word == 0) continue;
    const Vaddr at = base + (std::uint64_t{i} << shift);
    if (level == PtLevel::pte || (word & PTE_PS)) {
      ++cost;
      see(Leaf{at, shift, pte_t{word}});
    } else {
      const std::uint64_t* const below =
          tables.pool().entries(Pfn((word & PTE_PFN_MASK) >> PAGE_SHIFT));
      each_leaf(tables, below, PtLevel(unsigned(level) - 1), at, cost, see);
    }
  }
}

/// Calls `see` for each of them, in order of address; what that took is added to `cost`.
template <class See>
void each_leaf(const mm_struct& mm, std::uint64_t& cost, See see) {
  each_leaf(*mm.pgtables, mm.pgtables->pgd_entries(), mm.pgtables->top(), Vaddr(0), cost, see);
}

/// Entries outside of VMAs, and the resident counters.
void check_pages(const Kernel& k, const mm_struct& mm, MmLook& look);
/// Pages of drivers and of the page cache, and anonymous ones, against the entries of all.
void check_page_references(const Kernel& k, MmLook& look);
/// What the TLBs of CPUs still translate.
void check_translations(const Kernel& k, MmLook& look);
void check_reverse_maps(const Kernel& k, MmLook& look);
void check_file_references(const Kernel& k, MmLook& look);
void check_committed(const Kernel& k, MmLook& look);

}  // namespace faultline
