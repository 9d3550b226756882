// Zeroing a part of a DAX file in place. Linux 6.12 fs/dax.c dax_zero_range, dax_zero_iter,
// dax_truncate_page: holes and unwritten blocks read as zeroes already; the rest is cleared on the
// device and its cache lines flushed.
#include <algorithm>
#include <cerrno>
#include <optional>

#include "kernel/fs/dax.hpp"
#include "kernel/fs/iomap_write.hpp"
#include "kernel/mm/tlb.hpp"

namespace faultline {

namespace {

// One page or a part of it: dax_zero_page_range() for a whole one, dax_memzero() else. Both leave
// the zeroes written back. `source`: the page is that of a copy, and what is not zeroed of it comes
// from there (dax_iomap_copy_around).
void zero_piece(Kernel& k, PmemDevice& device, std::uint64_t at, std::uint64_t size,
                std::optional<Pfn> source) {
  k.locks.acquiring(k.dax_srcu, HoldMode::shared);
  k.locks.acquired(k.dax_srcu, HoldMode::shared, false);
  if (source) {
    k.locks.annotate(k.dax_srcu, HoldMode::shared);
    copy_page(k, device.pfn(at & PAGE_MASK), *source);
    k.engine.charge(k.costs.page_copy);
  }
  k.engine.charge(device.zero(k.now(), size));
  device.content().zero(at, size);
  device.clear_bad_blocks(at, size);
  k.engine.charge(device.write_back(k.now(), (size + 63) / 64));
  k.locks.released(k.dax_srcu);
}

HelperPath<std::int64_t> dax_zero_iter(Kernel& k, const iomap_iter& iter, bool& did_zero) {
  const iomap& map = iter.map;
  const bool copies = iter.srcmap.type != IOMAP_HOLE;
  const std::uint16_t type = copies ? iter.srcmap.type : map.type;
  const std::uint64_t length = iomap_length(iter);
  if (type == IOMAP_HOLE || type == IOMAP_UNWRITTEN) co_return static_cast<std::int64_t>(length);
  if (map.flags & IOMAP_F_SHARED) {
    const Pgoff last((iter.pos + length - 1) >> PAGE_SHIFT);
    co_await invalidate_inode_pages2_range(k, iter.host->i_data, Pgoff(iter.pos >> PAGE_SHIFT),
                                           last);
  }
  if (map.type != IOMAP_MAPPED) co_return -EIO;
  PmemDevice& device = *iter.host->i_sb->s_daxdev;
  std::uint64_t pos = iter.pos;
  for (std::uint64_t left = length; left > 0;) {
    const std::uint64_t size = std::min(left, PAGE_SIZE - (pos & ~PAGE_MASK));
    // A whole page is healed by the driver; a part of a bad one cannot be reached.
    const std::uint64_t page = (map.addr + (pos - map.offset)) & PAGE_MASK;
    if (size != PAGE_SIZE && device.bad_block(page, PAGE_SIZE)) co_return -EIO;
    std::optional<Pfn> source;
    if (size != PAGE_SIZE && copies && (map.flags & IOMAP_F_SHARED)) {
      source = device.pfn(iter.srcmap.addr + ((pos & PAGE_MASK) - iter.srcmap.offset));
    }
    zero_piece(k, device, map.addr + (pos - map.offset), size, source);
    co_await k.engine.spend(Nanos{});
    pos += size;
    left -= size;
  }
  did_zero = true;
  co_return static_cast<std::int64_t>(length);
}

}  // namespace

Path<std::int64_t> dax_zero_range(Kernel& k, inode& host, std::uint64_t pos, std::uint64_t len,
                                  bool& did_zero, const iomap_ops& ops) {
  iomap_iter iter;
  iter.host = &host;
  iter.pos = pos;
  iter.len = len;
  iter.flags = IOMAP_DAX | IOMAP_ZERO;
  for (;;) {
    const std::int64_t more = co_await iomap_iter_next(k, iter, ops, "dax_zero_range");
    if (more <= 0) co_return more;
    iter.processed = co_await dax_zero_iter(k, iter, did_zero);
  }
}

Path<std::int64_t> dax_truncate_page(Kernel& k, inode& host, std::uint64_t pos, bool& did_zero,
                                     const iomap_ops& ops) {
  const std::uint64_t off = pos & ~PAGE_MASK;
  if (off == 0) co_return 0;
  const std::int64_t error = co_await dax_zero_range(k, host, pos, PAGE_SIZE - off, did_zero, ops);
  co_return error;
}

}  // namespace faultline
