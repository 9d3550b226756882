// Unsharing through iomap. See the header: the file system answers with a place for the copy and
// with where the data are; what it does not call shared is passed over.
#include "kernel/fs/iomap_unshare.hpp"

#include <algorithm>

#include "kernel/fs/dax.hpp"
#include "kernel/fs/iomap_write.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/tlb.hpp"

namespace faultline {

namespace {

bool nothing_to_copy(const iomap_iter& iter) {
  const bool shared = iter.map.flags & IOMAP_F_SHARED;
  const bool empty = iter.srcmap.type == IOMAP_HOLE || iter.srcmap.type == IOMAP_UNWRITTEN;
  return !shared || empty;
}

// Every folio is read, if need be, and becomes dirty.
HelperPath<std::int64_t> iomap_unshare_iter(Kernel& k, iomap_iter& iter) {
  const std::uint64_t length = iomap_length(iter);
  if (nothing_to_copy(iter)) co_return static_cast<std::int64_t>(length);
  std::uint64_t pos = iter.pos;
  for (std::uint64_t left = length; left > 0;) {
    folio* f = nullptr;
    const std::int64_t error = co_await iomap_write_begin(k, iter, pos, left, f);
    if (error) co_return error;
    const std::uint64_t offset = pos - (f->index << PAGE_SHIFT);
    const std::uint64_t bytes = std::min(left, (f->pages() << PAGE_SHIFT) - offset);
    co_await iomap_write_end(k, *f, pos, bytes);
    folio_unlock(k, *f);
    folio_put(k, *f);
    co_await k.engine.spend(Nanos{});
    pos += bytes;
    left -= bytes;
  }
  co_return static_cast<std::int64_t>(length);
}

// The blocks are copied whole, after what is mapped of the old ones is gone.
HelperPath<std::int64_t> dax_unshare_iter(Kernel& k, const iomap_iter& iter) {
  const std::uint64_t length = iomap_length(iter);
  if (nothing_to_copy(iter)) co_return static_cast<std::int64_t>(length);
  const std::uint64_t first = iter.pos & PAGE_MASK;
  const std::uint64_t end = (iter.pos + length + PAGE_SIZE - 1) & PAGE_MASK;
  co_await invalidate_inode_pages2_range(k, iter.host->i_data, Pgoff(first >> PAGE_SHIFT),
                                         Pgoff((end - 1) >> PAGE_SHIFT));
  PmemDevice& device = *iter.host->i_sb->s_daxdev;
  k.locks.acquiring(k.dax_srcu, HoldMode::shared);
  k.locks.acquired(k.dax_srcu, HoldMode::shared, false);
  k.locks.annotate(k.dax_srcu, HoldMode::shared);  // the look-up of either side takes it again
  k.locks.annotate(k.dax_srcu, HoldMode::shared);
  for (std::uint64_t at = first; at < end; at += PAGE_SIZE) {
    const std::uint64_t to = iter.map.addr + (at - iter.map.offset);
    const std::uint64_t from = iter.srcmap.addr + (at - iter.srcmap.offset);
    copy_page(k, device.pfn(to), device.pfn(from));
    k.engine.charge(k.costs.page_copy);
  }
  co_await k.engine.spend(Nanos{});
  k.locks.released(k.dax_srcu);
  co_return static_cast<std::int64_t>(length);
}

enum class Kind : std::uint8_t { cached, dax };

HelperPath<std::int64_t> unshare(Kernel& k, iomap_iter& iter, const iomap_ops& ops, Kind kind) {
  const bool dax = kind == Kind::dax;
  for (;;) {
    const std::int64_t more =
        co_await iomap_iter_next(k, iter, ops, dax ? "dax_file_unshare" : "iomap_file_unshare");
    if (more <= 0) co_return more;
    iter.processed =
        dax ? co_await dax_unshare_iter(k, iter) : co_await iomap_unshare_iter(k, iter);
  }
}

iomap_iter range_of(inode& host, std::uint64_t pos, std::uint64_t len) {
  iomap_iter iter;
  iter.host = &host;
  iter.pos = pos;
  iter.len = pos >= host.i_size ? 0 : std::min(len, host.i_size - pos);
  iter.flags = IOMAP_WRITE | IOMAP_UNSHARE;
  return iter;
}

}  // namespace

Path<std::int64_t> iomap_file_unshare(Kernel& k, inode& host, std::uint64_t pos, std::uint64_t len,
                                      const iomap_ops& ops) {
  iomap_iter iter = range_of(host, pos, len);
  const std::int64_t error = co_await unshare(k, iter, ops, Kind::cached);
  co_return error;
}

Path<std::int64_t> dax_file_unshare(Kernel& k, inode& host, std::uint64_t pos, std::uint64_t len,
                                    const iomap_ops& ops) {
  iomap_iter iter = range_of(host, pos, len);
  iter.flags |= IOMAP_DAX;
  const std::int64_t error = co_await unshare(k, iter, ops, Kind::dax);
  co_return error;
}

}  // namespace faultline
