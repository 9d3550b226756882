// State of a folio's blocks; blocks are pages. See the header. Linux 6.12 fs/iomap/buffered-io.c.
#include "kernel/fs/iomap_folio.hpp"

#include <algorithm>

#include "kernel/mm/filemap.hpp"

namespace faultline {

iomap_folio_state* ifs_alloc(folio& f) {
  if (f.order == 0) return nullptr;
  if (!f.ifs) {
    f.ifs = std::make_unique<iomap_folio_state>();
    f.ifs->uptodate.assign(f.pages(), f.uptodate);
    f.ifs->dirty.assign(f.pages(), f.dirty);
  }
  return f.ifs.get();
}

void iomap_set_range_uptodate(folio& f, std::uint64_t offset, std::uint64_t length) {
  if (!f.ifs) {
    f.uptodate = true;
    return;
  }
  std::vector<bool>& blocks = f.ifs->uptodate;
  // Blocks that the range covers only in part were read or zeroed before.
  const std::uint64_t end =
      std::min<std::uint64_t>((offset + length + PAGE_SIZE - 1) >> PAGE_SHIFT, blocks.size());
  for (std::uint64_t b = offset >> PAGE_SHIFT; b < end; ++b) blocks[b] = true;
  f.uptodate = f.uptodate || std::find(blocks.begin(), blocks.end(), false) == blocks.end();
}

bool iomap_block_is_uptodate(const folio& f, std::uint64_t block) {
  return f.uptodate || (f.ifs && f.ifs->uptodate[block]);
}

void iomap_clear_range_dirty(folio& f) {
  if (f.ifs) std::fill(f.ifs->dirty.begin(), f.ifs->dirty.end(), false);
}

std::uint64_t iomap_find_dirty_range(const folio& f, std::uint64_t* pos, std::uint64_t end) {
  if (*pos >= end) return 0;
  if (!f.ifs) return end - *pos;
  const std::uint64_t base = f.index << PAGE_SHIFT;
  const std::vector<bool>& dirty = f.ifs->dirty;
  const std::uint64_t last = (end - base) >> PAGE_SHIFT;
  std::uint64_t first = (*pos - base) >> PAGE_SHIFT;
  while (first < last && !dirty[first]) ++first;
  std::uint64_t stop = first;
  while (stop < last && dirty[stop]) ++stop;
  *pos = base + (first << PAGE_SHIFT);
  return (stop - first) << PAGE_SHIFT;
}

void iomap_set_range_dirty(folio& f, std::uint64_t offset, std::uint64_t length) {
  iomap_folio_state* const ifs = ifs_alloc(f);
  if (!ifs) return;
  const std::uint64_t end = (offset + length + PAGE_SIZE - 1) >> PAGE_SHIFT;
  for (std::uint64_t b = offset >> PAGE_SHIFT; b < end; ++b) ifs->dirty[b] = true;
}

HelperPath<void> iomap_dirty_range(Kernel& k, folio& f, std::uint64_t offset,
                                   std::uint64_t length) {
  // A write of the whole folio needs no state of its blocks.
  if (f.ifs) iomap_set_range_dirty(f, offset, length);
  co_await filemap_dirty_folio(k, f);
}

HelperPath<bool> iomap_dirty_folio(Kernel& k, folio& f) {
  iomap_set_range_dirty(f, 0, f.pages() << PAGE_SHIFT);
  const bool was_clean = co_await filemap_dirty_folio(k, f);
  co_return was_clean;
}

void iomap_invalidate_folio(Kernel& k, folio& f, std::uint64_t offset, std::uint64_t length) {
  const inode& host = *f.mapping->host;
  k.trace<Event::iomap_invalidate_folio>(host.i_sb->s_dev, host.i_ino, host.i_size,
                                         (f.index << PAGE_SHIFT) + offset, length);
  if (offset != 0 || length != f.pages() << PAGE_SHIFT) return;
  f.dirty = false;
  f.ifs.reset();
}

bool iomap_release_folio(Kernel& k, folio& f) {
  const inode& host = *f.mapping->host;
  k.trace<Event::iomap_release_folio>(host.i_sb->s_dev, host.i_ino, host.i_size,
                                      f.index << PAGE_SHIFT, f.pages() << PAGE_SHIFT);
  // Which blocks are dirty would be forgotten.
  if (f.dirty) return false;
  f.ifs.reset();
  return true;
}

}  // namespace faultline
