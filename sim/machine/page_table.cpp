// Memory of page tables, and free_pgd_range() (mm/memory.c, 6.12) restated as one rule: a table
// goes when its whole span lies between floor and ceiling. Left out: deferred freeing through the
// mmu gather (the caller flushes TLBs before it calls).
#include "machine/page_table.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/bug.hpp"

namespace faultline {

void TablePool::ChunkDelete::operator()(std::byte* p) const {
  ::operator delete[](p, std::align_val_t(CHUNK_BYTES));
}

PageTable* TablePool::alloc(PtLevel level, std::uint32_t mm_id, std::uint32_t id) {
  std::uint32_t index;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else {
    if ((next_ & 63) == 0) {
      // Chunk 0 is never used, so that index 0, and with it frame top(), stays invalid.
      const std::uint64_t frames = chunks_.empty() ? 128 : 64;
      if (!frames_->claim_top(frames)) return nullptr;
      if (chunks_.empty()) chunks_.emplace_back();
      auto* raw =
          static_cast<std::byte*>(::operator new[](CHUNK_BYTES, std::align_val_t(CHUNK_BYTES)));
      chunks_.emplace_back(raw);
      ++next_;  // page 0 holds the records
    }
    index = next_++;
  }
  auto* t = new (record(index)) PageTable{};
  t->index = index;
  t->id = id;
  t->mm_id = mm_id;
  t->level = level;
  std::memset(t->entries(), 0, PAGE_SIZE);
  ++live_;
  return t;
}

void TablePool::free(PageTable* table) {
  free_.push_back(table->index);
  --live_;
}

PageTables::PageTables(TablePool& pool, std::uint32_t mm_id, unsigned levels)
    : pool_(&pool), mm_id_(mm_id), top_(PtLevel(levels - 1)) {
  FL_ASSERT(levels == 4 || levels == 5);
  FL_ASSERT(mm_id != 0 && mm_id < (1U << 27));
  pgd_ = alloc_table(top_);
  if (pgd_ != nullptr) pgd_entries_ = pgd_->entries();
}

PageTables::~PageTables() {
  if (pgd_ == nullptr) return;
  free_pgtables(Vaddr(0), Vaddr(0), Vaddr(0), Vaddr(0));
  pool_->free(pgd_);
}

// Unlinks and frees the table an entry points to.
void PageTables::release(std::uint64_t* entry, PtLevel child, FreedTables& out) {
  PageTable* t = pool_->table(Pfn((*entry & PTE_PFN_MASK) >> PAGE_SHIFT));
  const std::uint64_t* words = t->entries();
  out.stale += std::uint32_t(PTRS_PER_TABLE - std::count(words, words + PTRS_PER_TABLE, 0U));
  *entry = 0;
  pool_->free(t);
  if (child != PtLevel::p4d) pgtables_bytes_ -= PAGE_SIZE;
  switch (child) {
    case PtLevel::pte:
      ++out.pte;
      break;
    case PtLevel::pmd:
      ++out.pmd;
      break;
    case PtLevel::pud:
      ++out.pud;
      break;
    case PtLevel::p4d:
      ++out.p4d;
      break;
    case PtLevel::pgd:
      FL_BUG("a pgd is nobody's child");
  }
}

// `table` is of `level`, its first entry translates `base`.
void PageTables::free_level(std::uint64_t* table, PtLevel level, std::uint64_t base,
                            const FreeRange& range, FreedTables& out) {
  const unsigned shift = level_shift(level);
  const auto child = PtLevel(unsigned(level) - 1);
  // Where the range leaves this table, the table's edge stands in.
  const std::uint64_t table_last = base + (std::uint64_t(PTRS_PER_TABLE) << shift) - 1;
  const std::uint64_t from = std::max(range.start, base);
  const std::uint64_t to = std::min(range.last, table_last);
  for (std::uint64_t i = (from - base) >> shift; i <= (to - base) >> shift; ++i) {
    std::uint64_t* entry = table + i;
    if (!(*entry & PTE_P) || (*entry & PTE_PS)) continue;
    const std::uint64_t first = base + (i << shift);
    const std::uint64_t last = first + (1ULL << shift) - 1;
    if (child != PtLevel::pte) {
      free_level(pool_->entries(Pfn((*entry & PTE_PFN_MASK) >> PAGE_SHIFT)), child, first, range,
                 out);
    }
    if (first >= range.floor && last <= range.ceiling) release(entry, child, out);
  }
}

FreedTables PageTables::free_pgtables(Vaddr start, Vaddr end, Vaddr floor, Vaddr ceiling) {
  // User addresses only: the kernel half of the pgd is never populated here.
  const std::uint64_t user_last = (pgdir_size() << 8) - 1;
  FreedTables out;
  FreeRange range{start.v, end.v - 1, floor.v, ceiling.v - 1};  // 0 - 1: up to the very end
  range.last = std::min(range.last, user_last);
  if (range.start > range.last) return out;
  free_level(pgd_entries_, top_, 0, range, out);
  return out;
}

}  // namespace faultline
