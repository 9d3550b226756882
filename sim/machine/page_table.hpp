// x86-64 page tables as real radix tables: 512 entries of 64 bits each, linked by frame number, in
// the order pgd -> p4d -> pud -> pmd -> pte. With four levels the p4d is folded: the root holds its
// entries. TablePool owns the memory of all tables of a World, PageTables is the tree of one mm.
// What Linux does with them (who locks what, who wins a race of two allocations) is the kernel
// layer's. Source: arch/x86/include/asm/pgtable*.h and mm/memory.c free_pgd_range(), 6.12. Left
// out: per-table reference counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <faultline/types.hpp>
#include <memory>
#include <vector>

#include "machine/frames.hpp"
#include "machine/page_entry.hpp"

namespace faultline {

/// Level of a table and of the entries in it.
enum class PtLevel : std::uint8_t { pte = 0, pmd = 1, pud = 2, p4d = 3, pgd = 4 };
inline constexpr unsigned PT_LEVELS = 5;  ///< how many there can be

inline constexpr unsigned PTRS_PER_TABLE = 512;
inline constexpr unsigned P4D_SHIFT = 39;
inline constexpr std::uint64_t P4D_SIZE = 1ULL << P4D_SHIFT;

/// log2 of the bytes one entry of a level covers.
constexpr unsigned level_shift(PtLevel l) { return PAGE_SHIFT + 9 * unsigned(l); }
/// Index of the entry of a level that translates `va`.
constexpr unsigned level_index(Vaddr va, PtLevel l) {
  return unsigned(va.v >> level_shift(l)) & (PTRS_PER_TABLE - 1);
}
/// The bits from the highest translated one up (47 with four levels, 56 with five) all equal: what
/// the hardware accepts as an address (#GP otherwise, not #PF).
constexpr bool canonical(Vaddr va, unsigned levels = 4) {
  const unsigned unused = 64 - PAGE_SHIFT - 9 * levels;
  return std::uint64_t(std::int64_t(va.v << unused) >> unused) == va.v;
}

/// Bookkeeping of one page-table page: what Linux keeps in its ptdesc. It lives in the same aligned
/// chunk as the entries, so that any entry address leads to it.
struct PageTable {
  std::uint32_t index{};  ///< number in the pool; the frame number follows from it
  std::uint32_t id{};     ///< n-th table of its mm, counted from 1 (the pgd); stable
  std::uint32_t mm_id{};  ///< owner
  PtLevel level{};
  std::uint8_t reserved[3]{};
  std::uint32_t lock_index{};  ///< for the kernel layer: split page-table lock; 0 on allocation
  std::uint32_t deposited{};   ///< for the kernel layer: index of a deposited table; 0: none
  void* lock{};                ///< for the kernel layer: lock object; null on allocation
  std::uint64_t pad[4]{};

  std::uint64_t* entries();
};
static_assert(sizeof(PageTable) == 64);

/// Memory of all page tables of a World. Chunks are 256 KiB, aligned to their size: page 0 holds
/// the 64 PageTable records, pages 1..63 the tables. Chunks are never given back before the end, so
/// a stale paging-structure cache reads old table memory, as stale hardware does, never host
/// memory that is gone.
class TablePool {
 public:
  static constexpr std::size_t CHUNK_BYTES = 64 * PAGE_SIZE;

  /// Takes frames for tables from the top of `frames`, which must outlive the pool.
  explicit TablePool(FrameAllocator& frames) : frames_(&frames) {}

  /// A zeroed table, or null when the simulated DRAM is used up.
  PageTable* alloc(PtLevel level, std::uint32_t mm_id, std::uint32_t id);
  /// Gives a table back. Its entries are not looked at.
  void free(PageTable* table);

  Pfn pfn(const PageTable* t) const { return Pfn(frames_->top().v - t->index); }
  PageTable* table(Pfn pfn) const { return record(std::uint32_t(frames_->top().v - pfn.v)); }
  /// Entries of the table at frame `pfn`; the frame must be one that this pool handed out.
  std::uint64_t* entries(Pfn pfn) const {
    const auto index = std::uint32_t(frames_->top().v - pfn.v);
    return reinterpret_cast<std::uint64_t*>(chunks_[index >> 6].get() + (index & 63) * PAGE_SIZE);
  }
  PageTable* record(std::uint32_t index) const {
    return reinterpret_cast<PageTable*>(chunks_[index >> 6].get()) + (index & 63);
  }
  /// The table that an entry lies in. Host addresses only lead to records here; none is compared
  /// or printed.
  static PageTable* table_of(const std::uint64_t* entry) {
    const auto address =
        reinterpret_cast<std::uintptr_t>(entry);  // not in output: finds the record
    auto* base = reinterpret_cast<PageTable*>(address & ~std::uint64_t{CHUNK_BYTES - 1});
    return base + ((address >> PAGE_SHIFT) & 63);
  }

  std::uint64_t live() const { return live_; }  ///< tables in use
  std::uint64_t host_bytes() const {
    return chunks_.empty() ? 0 : (chunks_.size() - 1) * CHUNK_BYTES;
  }

 private:
  struct ChunkDelete {
    void operator()(std::byte* p) const;
  };
  FrameAllocator* frames_;
  std::vector<std::unique_ptr<std::byte[], ChunkDelete>> chunks_;
  std::vector<std::uint32_t> free_;  // last in, first out: deterministic
  std::uint32_t next_ = 64;          // next index never used; & 63 == 0: a chunk is needed
  std::uint64_t live_ = 0;
};

inline std::uint64_t* PageTable::entries() {
  const auto address = reinterpret_cast<std::uintptr_t>(this);  // not in output: finds the table
  const auto base = address & ~std::uint64_t{TablePool::CHUNK_BYTES - 1};
  return reinterpret_cast<std::uint64_t*>(base +
                                          ((address - base) / sizeof(PageTable)) * PAGE_SIZE);
}

/// What free_pgtables did. `stale` counts entries that were not empty in a freed table: Linux would
/// report a bad page table; the caller decides.
struct FreedTables {
  std::uint32_t pte{}, pmd{}, pud{}, p4d{};
  std::uint32_t stale{};
  std::uint32_t total() const { return pte + pmd + pud + p4d; }
};

/// The deepest entry a look-up reached. `level` is its level; `entry` is never null. The caller
/// looks at the word: empty, a leaf, or (never on return) a pointer to a lower table.
struct EntryAt {
  std::uint64_t* entry{};
  PtLevel level{};
};

/// The page tables of one mm. Tables are made with alloc_table and linked with *_populate; that is
/// two steps because Linux allocates outside the lock and links under it.
class PageTables {
 public:
  /// Allocates the pgd. `mm_id` is 1 or more, unique in the World for as long as a TLB may hold
  /// entries of it. `levels` is 4 or 5. Check ok() when the DRAM may be exhausted.
  PageTables(TablePool& pool, std::uint32_t mm_id, unsigned levels = 4);
  ~PageTables();
  PageTables(const PageTables&) = delete;
  PageTables& operator=(const PageTables&) = delete;

  bool ok() const { return pgd_ != nullptr; }
  std::uint32_t mm_id() const { return mm_id_; }
  unsigned levels() const { return unsigned(top_) + 1; }
  /// The level of the root's entries: pgd, or p4d where that is folded into it.
  PtLevel top() const { return top_; }
  bool l5_enabled() const { return top_ == PtLevel::pgd; }
  unsigned pgdir_shift() const { return level_shift(top_); }
  std::uint64_t pgdir_size() const { return 1ULL << pgdir_shift(); }
  TablePool& pool() const { return *pool_; }
  std::uint64_t* pgd_entries() const { return pgd_entries_; }
  PageTable* pgd_table() const { return pgd_; }
  /// As /proc/PID/status VmPTE counts: linked pte, pmd and pud tables, without the pgd, in bytes.
  std::uint64_t pgtables_bytes() const { return pgtables_bytes_; }
  void add_pgtables_bytes(std::int64_t n) { pgtables_bytes_ += std::uint64_t(n); }

  /// An unlinked zeroed table, or null when there is no memory.
  PageTable* alloc_table(PtLevel level) { return pool_->alloc(level, mm_id_, ++next_id_); }
  /// Gives an unlinked table back (the loser of an allocation race).
  void free_table(PageTable* t) { pool_->free(t); }

  /// P4D tables are not counted in pgtables_bytes, as in Linux.
  void pgd_populate(pgd_ptr p, PageTable* p4d_table) {
    link(p.word(), p4d_table);
    pgtables_bytes_ -= PAGE_SIZE;
  }
  /// With four levels p4d_populate writes the pgd's word. Each counts pgtables_bytes.
  void p4d_populate(p4d_ptr p, PageTable* pud_table) { link(p.word(), pud_table); }
  void pud_populate(pud_ptr p, PageTable* pmd_table) { link(p.word(), pmd_table); }
  void pmd_populate(pmd_ptr p, PageTable* pte_table) { link(p.word(), pte_table); }

  pgd_ptr pgd_offset(Vaddr va) const { return pgd_ptr(pgd_entries_ + level_index(va, top_)); }
  /// A folded p4d is always "there": whether a PUD table exists is asked of the p4d entry then,
  /// which is the pgd's word.
  bool pgd_none(pgd_t e) const { return l5_enabled() && e.v == 0; }
  /// The entry must not be none.
  p4d_ptr p4d_offset(pgd_ptr pgd, Vaddr va) const {
    return p4d_ptr(l5_enabled() ? below(pgd.word(), va, PtLevel::p4d) : pgd.word());
  }
  /// The entry must be present and not a leaf; so for pmd_offset and pte_offset.
  pud_ptr pud_offset(p4d_ptr p, Vaddr va) const {
    return pud_ptr(below(p.word(), va, PtLevel::pud));
  }
  pmd_ptr pmd_offset(pud_ptr p, Vaddr va) const {
    return pmd_ptr(below(p.word(), va, PtLevel::pmd));
  }
  pte_ptr pte_offset(pmd_ptr p, Vaddr va) const {
    return pte_ptr(below(p.word(), va, PtLevel::pte));
  }

  /// The PTE table a non-leaf pmd points to: its lock is Linux' pte_lockptr(mm, pmd).
  PageTable* pte_table(pmd_t e) const { return pool_->table(pmd_pfn(e)); }
  /// The table an entry lies in: for pmd_lockptr(mm, pmd).
  template <class Entry>
  static PageTable* table_of(EntryPtr<Entry> p) {
    return TablePool::table_of(p.word());
  }

  /// One load a level at most; no side effect.
  EntryAt lookup(Vaddr va) const;

  /// free_pgd_range(): frees every table that meets [start, end) and lies wholly in
  /// [floor, ceiling); `ceiling` 0 means the end of the address space. Lower tables first.
  FreedTables free_pgtables(Vaddr start, Vaddr end, Vaddr floor, Vaddr ceiling);

 private:
  std::uint64_t* below(const std::uint64_t* entry, Vaddr va, PtLevel l) const {
    return pool_->entries(Pfn((*entry & PTE_PFN_MASK) >> PAGE_SHIFT)) + level_index(va, l);
  }
  void link(std::uint64_t* entry, PageTable* t) {
    *entry = (pool_->pfn(t).v << PAGE_SHIFT) | PTE_TABLE;
    pgtables_bytes_ += PAGE_SIZE;
  }
  struct FreeRange {
    std::uint64_t start, last, floor, ceiling;  // last and ceiling inclusive: no wrap at 2^64
  };
  void free_level(std::uint64_t* table, PtLevel level, std::uint64_t base, const FreeRange& range,
                  FreedTables& out);
  void release(std::uint64_t* entry, PtLevel child, FreedTables& out);

  TablePool* pool_;
  PageTable* pgd_;
  std::uint64_t* pgd_entries_ = nullptr;
  std::uint64_t pgtables_bytes_ = 0;
  std::uint32_t mm_id_;
  std::uint32_t next_id_ = 0;
  PtLevel top_;
};

inline EntryAt PageTables::lookup(Vaddr va) const {
  std::uint64_t* entry = pgd_entries_ + level_index(va, top_);
  auto level = top_;
  while (level != PtLevel::pte && (*entry & PTE_P) && !(*entry & PTE_PS)) {
    level = PtLevel(unsigned(level) - 1);
    entry = below(entry, va, level);
  }
  return {entry, level};
}

}  // namespace faultline
