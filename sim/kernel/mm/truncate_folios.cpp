// Taking folios out of the page cache because the file changes under them, with the folios at the
// ends of the range kept in part: zeroed there, and split if that can be. Linux 6.12 mm/truncate.c
// (truncate_inode_pages_range, truncate_inode_partial_folio) and mm/huge_memory.c (split of a file
// folio). Left out: splitting into pieces larger than a page, as later kernels do.
#include <algorithm>

#include "kernel/mm/filemap.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/truncate.hpp"

namespace faultline {

namespace {

constexpr std::size_t folio_batch_size = 31;

// With i_pages held: nobody finds the folio any more.
void filemap_remove_locked(Kernel& k, address_space& mapping, folio& f) {
  const inode& host = *mapping.host;
  k.trace<Event::mm_filemap_delete_from_page_cache>(host.i_sb->s_dev, host.i_ino, f.pfn,
                                                    f.index << PAGE_SHIFT, f.order);
  mapping.i_pages.store(f.index, f.order, 0);
  mapping.nrpages -= f.pages();
  folio_detach(f);
}

Path<void> unmap_mapping_folio(Kernel& k, folio& f) {
  co_await unmap_mapping_pages(k, *f.mapping, Pgoff(f.index), f.pages(), false);
}

// truncate_cleanup_folio(): nothing refers to its content any more.
HelperPath<void> cleanup_folio(Kernel& k, address_space& mapping, folio& f) {
  if (f.mapcount != 0) co_await unmap_mapping_folio(k, f);
  if (f.ifs) mapping.a_ops->invalidate_folio(k, f, 0, f.pages() << PAGE_SHIFT);
  f.dirty = false;
}

// truncate_inode_folio()
HelperPath<void> truncate_inode_folio(Kernel& k, address_space& mapping, folio& f) {
  if (f.mapping != &mapping) co_return;
  co_await cleanup_folio(k, mapping, f);
  co_await spin_lock(mapping.xa_lock);
  filemap_remove_locked(k, mapping, f);
  spin_unlock(mapping.xa_lock);
}

// The pages of a folio become folios of their own; those behind the end of the file go at once.
void split_locked(Kernel& k, address_space& mapping, folio& f) {
  const std::uint64_t pages = f.pages();
  const std::uint64_t end = (mapping.host->i_size + PAGE_SIZE - 1) >> PAGE_SHIFT;
  f.order = 0;
  mapping.i_pages.store(f.index, 0, folio_entry(f));
  for (std::uint64_t n = 1; n < pages; ++n) {
    folio& tail = k.folios.make(&mapping, f.index + n, f.pfn + n, 0);
    tail.uptodate = f.uptodate;
    mapping.i_pages.store(tail.index, 0, folio_entry(tail));
    if (tail.index < end) continue;
    folio_get(tail);
    filemap_remove_locked(k, mapping, tail);
    folio_put(k, tail);
  }
}

// split_folio(): into single pages. False if its file system or somebody's reference forbids it.
Path<bool> split_folio(Kernel& k, address_space& mapping, folio& f) {
  if (f.ifs && !mapping.a_ops->release_folio(k, f)) co_return false;
  co_await down_read(mapping.i_mmap_rwsem);
  const bool mine = f.refs == f.mapcount + 1;
  if (mine) {
    co_await try_to_unmap(k, f, RmapLock::held);
    co_await spin_lock(mapping.xa_lock);
    split_locked(k, mapping, f);
    spin_unlock(mapping.xa_lock);
  }
  up_read(mapping.i_mmap_rwsem);
  co_return mine;
}

// try_folio_split_or_unmap(): a folio that stays whole must not keep pages behind the end of the
// file mapped, where an access has to fail.
HelperPath<bool> split_or_unmap(Kernel& k, address_space& mapping, folio& f) {
  const bool split = co_await split_folio(k, mapping, f);
  if (!split) co_await try_to_unmap(k, f, RmapLock::takes);
  co_return split;
}

// False if pages of the range are still in the locked folio, which stays as it is.
Path<bool> truncate_inode_partial_folio(Kernel& k, address_space& mapping, folio& f,
                                        std::uint64_t start, std::uint64_t end) {
  const std::uint64_t pos = f.index << PAGE_SHIFT;
  const std::uint64_t size = f.pages() << PAGE_SHIFT;
  const std::uint64_t offset = pos < start ? start - pos : 0;
  const std::uint64_t length = pos + size <= end ? size - offset : end + 1 - pos - offset;
  co_await folio_wait_writeback(k, f);
  if (length == size) {
    co_await truncate_inode_folio(k, mapping, f);
    co_return true;
  }
  k.dram.zero((f.pfn.v << PAGE_SHIFT) + offset, length);
  k.engine.charge(k.costs.page_zero);
  if (f.ifs) mapping.a_ops->invalidate_folio(k, f, offset, length);
  if (f.order == 0) co_return true;
  const bool split = co_await split_or_unmap(k, mapping, f);
  if (split) co_return true;
  if (f.dirty) co_return false;
  co_await truncate_inode_folio(k, mapping, f);
  co_return true;
}

// Pages that are left of a range, [start, end).
struct PageRange {
  std::uint64_t start = 0, end = 0;
};

// The folio that holds page `index`, which lies at an end of the range.
HelperPath<void> truncate_edge(Kernel& k, address_space& mapping, std::uint64_t index,
                               std::uint64_t lstart, std::uint64_t lend, PageRange& left,
                               bool at_start) {
  folio* const f = filemap_get_folio(k, mapping, index);
  if (!f) co_return;
  folio_get(*f);
  co_await folio_lock(k, *f);
  if (f->mapping == &mapping) {
    const std::uint64_t first = f->index;
    const std::uint64_t next = first + f->pages();
    const bool holds_end = lend < next << PAGE_SHIFT;
    const bool whole = co_await truncate_inode_partial_folio(k, mapping, *f, lstart, lend);
    if (!whole && at_start) left.start = next;
    if (!whole && (!at_start || holds_end)) left.end = first;
  }
  folio_unlock(k, *f);
  folio_put(k, *f);
}

// find_lock_entries(): whole folios of the range that can be had without waiting.
std::vector<folio*> lock_batch(Kernel& k, address_space& mapping, PageRange range,
                               std::uint64_t* index) {
  std::vector<folio*> batch;
  while (batch.size() < folio_batch_size) {
    folio* const f = next_folio(k, mapping, index, range.end - 1);
    if (!f) break;
    const bool inside = f->index >= range.start && f->index + f->pages() - 1 <= range.end - 1;
    if (!inside || folio_test_writeback(k, *f) || !folio_trylock(k, *f)) continue;
    folio_get(*f);
    batch.push_back(f);
  }
  return batch;
}

HelperPath<void> truncate_without_waiting(Kernel& k, address_space& mapping, PageRange range) {
  std::uint64_t index = range.start;
  for (;;) {
    const std::vector<folio*> batch = lock_batch(k, mapping, range, &index);
    if (batch.empty()) co_return;
    if (!mapping.a_ops) {  // shmem_undo_range() takes them one by one
      for (folio* const f : batch) {
        co_await truncate_inode_folio(k, mapping, *f);
        folio_unlock(k, *f);
        folio_put(k, *f);
      }
      continue;
    }
    for (folio* const f : batch) co_await cleanup_folio(k, mapping, *f);
    co_await spin_lock(mapping.xa_lock);  // delete_from_page_cache_batch()
    for (folio* const f : batch) filemap_remove_locked(k, mapping, *f);
    spin_unlock(mapping.xa_lock);
    for (folio* const f : batch) {
      folio_unlock(k, *f);
      folio_put(k, *f);
    }
  }
}

// What others had locked or under write-back; again until nothing is left.
HelperPath<void> truncate_waiting(Kernel& k, address_space& mapping, PageRange range) {
  std::uint64_t index = range.start;
  while (range.start < range.end) {
    folio* const f = next_folio(k, mapping, &index, range.end - 1);
    if (!f && index == range.start) co_return;
    if (!f) {
      index = range.start;
      continue;
    }
    folio_get(*f);
    co_await folio_lock(k, *f);
    co_await folio_wait_writeback(k, *f);
    co_await truncate_inode_folio(k, mapping, *f);
    folio_unlock(k, *f);
    folio_put(k, *f);
  }
}

}  // namespace

HelperPath<void> truncate_folios(Kernel& k, address_space& mapping, std::uint64_t lstart,
                                 std::uint64_t lend) {
  constexpr std::uint64_t to_the_end = ~0ULL;
  const std::uint64_t end =
      lend == to_the_end ? to_the_end >> PAGE_SHIFT : (lend + 1) >> PAGE_SHIFT;
  PageRange range{(lstart + PAGE_SIZE - 1) >> PAGE_SHIFT, end};
  if (range.start < range.end) co_await truncate_without_waiting(k, mapping, range);
  const std::uint64_t first = lstart >> PAGE_SHIFT;
  const std::uint64_t last = lend >> PAGE_SHIFT;
  const folio* const at_start = filemap_get_folio(k, mapping, first);
  const bool same = first == last || (at_start && last < at_start->index + at_start->pages());
  co_await truncate_edge(k, mapping, first, lstart, lend, range, true);
  if (!same) co_await truncate_edge(k, mapping, last, lstart, lend, range, false);
  co_await truncate_waiting(k, mapping, range);
}

}  // namespace faultline
