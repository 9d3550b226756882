// Zeroing a part of a file in the page cache. Linux 6.12 fs/iomap/buffered-io.c iomap_zero_range,
// iomap_zero_iter, iomap_truncate_page: holes and unwritten blocks are zero on the device, but a
// dirty page over them may say otherwise, so the first one met has the range written back and is
// looked up again.
#include <algorithm>

#include "kernel/fs/iomap_write.hpp"
#include "kernel/mm/filemap.hpp"

namespace faultline {

namespace {

// filemap_range_needs_writeback()
bool range_needs_writeback(Kernel& k, const address_space& mapping, std::uint64_t pos,
                           std::uint64_t end) {
  std::uint64_t index = pos >> PAGE_SHIFT;
  const std::uint64_t last = end >> PAGE_SHIFT;
  while (folio* const f = next_folio(k, mapping, &index, last)) {
    if (f->dirty || folio_test_writeback(k, *f) || folio_test_locked(k, *f)) return true;
  }
  return false;
}

HelperPath<std::int64_t> zero_mapped(Kernel& k, iomap_iter& iter, std::uint64_t length) {
  std::uint64_t pos = iter.pos;
  for (std::uint64_t left = length; left > 0;) {
    folio* f = nullptr;
    const std::int64_t error = co_await iomap_write_begin(k, iter, pos, left, f);
    if (error) co_return error;
    const std::uint64_t offset = pos - (f->index << PAGE_SHIFT);
    const std::uint64_t bytes = std::min(left, (f->pages() << PAGE_SHIFT) - offset);
    if (k.profile.writeback_by_folio) {
      const inode& host = *iter.host;
      k.trace<Event::iomap_zero_iter>(host.i_sb->s_dev, host.i_ino, host.i_size, pos, bytes);
    }
    k.dram.zero((f->pfn.v << PAGE_SHIFT) + offset, bytes);
    k.engine.charge(k.costs.page_zero);
    co_await iomap_write_end(k, *f, pos, bytes);
    folio_unlock(k, *f);
    folio_put(k, *f);
    pos += bytes;
    left -= bytes;
  }
  co_return static_cast<std::int64_t>(length);
}

HelperPath<std::int64_t> iomap_zero_iter(Kernel& k, iomap_iter& iter, bool& did_zero,
                                         bool& range_dirty) {
  const iomap& source = iter.srcmap.type == IOMAP_HOLE ? iter.map : iter.srcmap;
  const std::uint64_t length = iomap_length(iter);
  if (source.type == IOMAP_HOLE || source.type == IOMAP_UNWRITTEN) {
    if (!range_dirty) co_return static_cast<std::int64_t>(length);
    range_dirty = false;
    iter.map.flags |= IOMAP_F_STALE;
    const std::int64_t error = co_await filemap_write_and_wait_range(k, iter.host->i_data, iter.pos,
                                                                     iter.pos + iter.len - 1);
    co_return error;
  }
  const std::int64_t done = co_await zero_mapped(k, iter, length);
  if (done > 0) did_zero = true;
  co_return done;
}

}  // namespace

Path<std::int64_t> iomap_zero_range(Kernel& k, inode& host, std::uint64_t pos, std::uint64_t len,
                                    bool& did_zero, const iomap_ops& ops) {
  iomap_iter iter;
  iter.host = &host;
  iter.pos = pos;
  iter.len = len;
  iter.flags = IOMAP_ZERO;
  // Dirty already: zeroed there, whatever lies below, since it will be written back anyway.
  const std::uint64_t part = std::min(len, PAGE_SIZE - (pos & ~PAGE_MASK));
  if (k.profile.writeback_by_folio && (pos & ~PAGE_MASK) != 0 &&
      range_needs_writeback(k, host.i_data, pos, pos + part - 1)) {
    iter.len = part;
    std::int64_t more = co_await iomap_iter_next(k, iter, ops, "iomap_zero_range");
    while (more > 0) {
      iter.processed = co_await zero_mapped(k, iter, iomap_length(iter));
      if (iter.processed > 0) did_zero = true;
      more = co_await iomap_iter_next(k, iter, ops, "iomap_zero_range");
    }
    const std::uint64_t left = len - (iter.pos - pos);
    if (more < 0 || left == 0) co_return more;
    iter.len = left;
    iter.map = iter.srcmap = iomap();
    iter.started = false;
  }
  bool range_dirty = range_needs_writeback(k, host.i_data, iter.pos, iter.pos + iter.len - 1);
  for (;;) {
    const std::int64_t more = co_await iomap_iter_next(k, iter, ops, "iomap_zero_range");
    if (more <= 0) co_return more;
    iter.processed = co_await iomap_zero_iter(k, iter, did_zero, range_dirty);
  }
}

Path<std::int64_t> iomap_truncate_page(Kernel& k, inode& host, std::uint64_t pos, bool& did_zero,
                                       const iomap_ops& ops) {
  const std::uint64_t off = pos & ~PAGE_MASK;
  if (off == 0) co_return 0;
  const std::int64_t error =
      co_await iomap_zero_range(k, host, pos, PAGE_SIZE - off, did_zero, ops);
  co_return error;
}

}  // namespace faultline
