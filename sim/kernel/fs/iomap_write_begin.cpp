// Getting at the folio of a write. Linux 6.12 fs/iomap/buffered-io.c (iomap_write_begin,
// __iomap_write_begin, iomap_write_end), mm/filemap.c (__filemap_get_folio). Left out: whether the
// mapping became stale before the folio was locked, inline data.
#include <algorithm>
#include <bit>
#include <cerrno>

#include "kernel/fs/iomap_folio.hpp"
#include "kernel/fs/iomap_write.hpp"
#include "kernel/mm/filemap.hpp"

namespace faultline {

namespace {

// The order of a new folio for `len` bytes at `index`: no larger than the write, and aligned.
unsigned order_for(std::uint64_t index, std::uint64_t len) {
  const std::uint64_t pages = std::max<std::uint64_t>(len >> PAGE_SHIFT, 1);
  const unsigned order = std::min(static_cast<unsigned>(std::bit_width(pages) - 1), PMD_ORDER);
  return index == 0 ? order : std::min(order, static_cast<unsigned>(std::countr_zero(index)));
}

// __filemap_get_folio(): found or made, locked and with a reference. Null when memory is out.
Path<folio*> iomap_get_folio(Kernel& k, address_space& mapping, std::uint64_t pos,
                             std::uint64_t len) {
  const std::uint64_t index = pos >> PAGE_SHIFT;
  for (;;) {
    folio* const cached = filemap_get_folio(k, mapping, index);
    if (!cached) {
      unsigned order = order_for(index, len);
      for (;; --order) {
        folio* const fresh = co_await filemap_add_folio(k, mapping, index, order);
        if (fresh) {
          folio_get(*fresh);
          co_return fresh;
        }
        if (order == 0) break;
      }
      if (mapping.i_pages.load(index) == 0) co_return nullptr;
      continue;
    }
    folio_get(*cached);
    co_await folio_lock(k, *cached);
    if (cached->mapping == &mapping) co_return cached;
    folio_unlock(k, *cached);
    folio_put(k, *cached);
  }
}

// iomap_block_needs_zeroing(): nothing on the device is to be seen there.
bool needs_zeroing(const iomap& map, const inode& host, std::uint64_t pos) {
  return map.type != IOMAP_MAPPED || (map.flags & IOMAP_F_NEW) || pos >= host.i_size;
}

// One block that the write covers only in part.
HelperPath<void> fill_block(Kernel& k, const iomap_iter& iter, folio& f, std::uint64_t block) {
  const iomap& map = iter.srcmap.type == IOMAP_HOLE ? iter.map : iter.srcmap;
  const std::uint64_t pos = (f.index + block) << PAGE_SHIFT;
  const std::uint64_t memory = (f.pfn.v + block) << PAGE_SHIFT;
  if (needs_zeroing(map, *iter.host, pos)) {
    k.dram.zero(memory, PAGE_SIZE);
    k.engine.charge(k.costs.page_zero);
    co_return;
  }
  BlockDevice& device = *iter.host->i_sb->s_bdev;
  const Nanos done = device.submit(k.now(), PAGE_SIZE);
  if (device.synchronous()) {
    co_await k.engine.spend(done - k.now());
  } else {
    co_await k.engine.block_until(done);  // iomap_read_folio_sync()
  }
  copy_content(k.dram, memory, device.content(), map.addr + (pos - map.offset), PAGE_SIZE);
}

// __iomap_write_begin()
HelperPath<void> prepare_blocks(Kernel& k, const iomap_iter& iter, folio& f, std::uint64_t pos,
                                std::uint64_t len) {
  const std::uint64_t start = f.index << PAGE_SHIFT;
  const bool keeps = iter.flags & IOMAP_UNSHARE;  // nothing new is written: all is to be read
  if (!keeps && pos <= start && pos + len >= start + (f.pages() << PAGE_SHIFT)) co_return;
  ifs_alloc(f);
  if (f.uptodate) co_return;
  const std::uint64_t first = (pos - start) >> PAGE_SHIFT;
  const std::uint64_t last = (pos + len - 1 - start) >> PAGE_SHIFT;
  for (std::uint64_t block = first; block <= last; ++block) {
    const std::uint64_t from = start + (block << PAGE_SHIFT);
    const bool covered = !keeps && pos <= from && pos + len >= from + PAGE_SIZE;
    if (covered || iomap_block_is_uptodate(f, block)) continue;
    co_await fill_block(k, iter, f, block);
    iomap_set_range_uptodate(f, block << PAGE_SHIFT, PAGE_SIZE);
  }
}

}  // namespace

Path<std::int64_t> iomap_write_begin(Kernel& k, iomap_iter& iter, std::uint64_t pos,
                                     std::uint64_t len, folio*& found) {
  found = co_await iomap_get_folio(k, iter.host->i_data, pos, len);
  if (!found) co_return -ENOMEM;
  const std::uint64_t end = (found->index + found->pages()) << PAGE_SHIFT;
  co_await prepare_blocks(k, iter, *found, pos, std::min(len, end - pos));
  co_return 0;
}

HelperPath<void> iomap_write_end(Kernel& k, folio& f, std::uint64_t pos, std::uint64_t len) {
  const std::uint64_t offset = pos - (f.index << PAGE_SHIFT);
  iomap_set_range_uptodate(f, offset, len);
  co_await iomap_dirty_range(k, f, offset, len);
}

}  // namespace faultline
