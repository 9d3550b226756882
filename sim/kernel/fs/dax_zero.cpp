// Zeroing a part of a DAX file in place. Linux 6.12 fs/dax.c dax_zero_range, dax_zero_iter,
// dax_truncate_page: holes and unwritten blocks read as zeroes already; the rest is cleared on the
// device and its cache lines flushed.
#include <algorithm>
#include <cerrno>

#include "kernel/fs/dax.hpp"

namespace faultline {

namespace {

// One page or a part of it: dax_zero_page_range() for a whole one, dax_memzero() else. Both leave
// the zeroes written back.
void zero_piece(Kernel& k, PmemDevice& device, std::uint64_t at, std::uint64_t size) {
  k.locks.acquiring(k.dax_srcu, HoldMode::shared);
  k.locks.acquired(k.dax_srcu, HoldMode::shared, false);
  k.engine.charge(device.zero(k.now(), size));
  device.content().zero(at, size);
  device.clear_bad_blocks(at, size);
  k.engine.charge(device.write_back(k.now(), (size + 63) / 64));
  k.locks.released(k.dax_srcu);
}

HelperPath<std::int64_t> dax_zero_iter(Kernel& k, const iomap_iter& iter, bool& did_zero) {
  const iomap& map = iter.map;
  const std::uint64_t length = std::min(iter.len, map.offset + map.length - iter.pos);
  if (map.type == IOMAP_HOLE || map.type == IOMAP_UNWRITTEN) {
    co_return static_cast<std::int64_t>(length);
  }
  if (map.type != IOMAP_MAPPED) co_return -EIO;
  PmemDevice& device = *iter.host->i_sb->s_daxdev;
  std::uint64_t pos = iter.pos;
  for (std::uint64_t left = length; left > 0;) {
    const std::uint64_t size = std::min(left, PAGE_SIZE - (pos & ~PAGE_MASK));
    // A whole page is healed by the driver; a part of a bad one cannot be reached.
    const std::uint64_t page = (map.addr + (pos - map.offset)) & PAGE_MASK;
    if (size != PAGE_SIZE && device.bad_block(page, PAGE_SIZE)) co_return -EIO;
    zero_piece(k, device, map.addr + (pos - map.offset), size);
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
