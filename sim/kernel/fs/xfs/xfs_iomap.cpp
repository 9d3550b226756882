// xfs_read_iomap_begin and xfs_direct_write_iomap_begin: a look-up under ILOCK and, for a write
// that meets a hole or unwritten blocks, the allocating transaction. Linux 6.12 fs/xfs/xfs_iomap.c.
// The answers to the page cache are in xfs_buffered_iomap.cpp. Left out: quota.
#include "kernel/fs/xfs/xfs_iomap.hpp"

#include <algorithm>
#include <cerrno>

#include "kernel/fs/dax.hpp"
#include "kernel/fs/xfs/xfs_bmap.hpp"
#include "kernel/fs/xfs/xfs_hints.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_reflink.hpp"
#include "kernel/fs/xfs/xfs_reflink_cancel.hpp"
#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

static constexpr unsigned block_shift = 12;

void xfs_bmbt_to_iomap(const inode& ip, iomap& map, const Extent& imap, std::uint16_t flags) {
  const xfs_mount& mp = *ip.xfs->i_mount;
  map.addr = IOMAP_NULL_ADDR;
  if (imap.start == HOLESTARTBLOCK) {
    map.type = IOMAP_HOLE;
  } else if (imap.delalloc()) {
    map.type = IOMAP_DELALLOC;
  } else {
    map.addr = mp.space.geo.device_offset(imap.start).v;
    map.type = imap.state == ExtState::unwritten ? IOMAP_UNWRITTEN : IOMAP_MAPPED;
  }
  map.offset = imap.off << block_shift;
  map.length = std::uint64_t{imap.len} << block_shift;
  map.flags = flags;
  // An fsync has more to do than timestamps: a synchronous fault must know.
  if (ip.xfs->core_in_cil && ip.xfs->pinned()) map.flags |= IOMAP_F_DIRTY;
}

namespace {

constexpr std::uint64_t to_fsb(std::uint64_t bytes) {
  return (bytes + (1u << block_shift) - 1) >> block_shift;
}

template <Event E>
void trace_iomap(Kernel& k, const inode& ip, std::uint64_t offset, std::uint64_t count,
                 const Extent& imap) {
  k.trace<E>(ip.i_sb->s_dev, ip.i_ino, ip.xfs->i_disk_size, offset, count, 0 /* data fork */,
             imap.off, imap.start, imap.len);
}

// A write that DAX may not do in place. Zeroing allocates nothing: holes are zero.
bool imap_needs_alloc(const inode& ip, const Extent& imap, unsigned flags) {
  if (flags & IOMAP_ZERO) return false;
  if (imap.start == HOLESTARTBLOCK || imap.delalloc()) return true;
  return ip.dax && imap.state == ExtState::unwritten;
}

// xfs_ilock_for_iomap(): the extent list is in memory, so shared is enough, unless a write may have
// to change the CoW fork.
Path<void> xfs_ilock_for_iomap(Kernel& k, inode& ip, unsigned mode) {
  return xfs_ilock(k, ip, mode, "xfs_ilock_for_iomap");
}

Path<std::int64_t> xfs_read_iomap_begin(Kernel& k, inode& ip, std::uint64_t offset,
                                        std::uint64_t length, unsigned flags, iomap& map, iomap&) {
  co_await k.engine.spend(k.costs.iomap_begin);
  const std::uint64_t offset_fsb = offset >> block_shift;
  const std::uint64_t end_fsb = to_fsb(offset + length);
  co_await xfs_ilock_for_iomap(k, ip, XFS_ILOCK_SHARED);
  Extent imap = xfs_bmapi_read(ip.xfs->df.map, offset_fsb, end_fsb - offset_fsb);
  bool shared = false;
  const bool tells = ip.dax || (flags & IOMAP_REPORT);
  if (ip.xfs->reflink && tells) shared = co_await xfs_reflink_trim_around_shared(k, ip, imap);
  xfs_iunlock(k, ip, XFS_ILOCK_SHARED, "xfs_read_iomap_begin");
  trace_iomap<Event::xfs_iomap_found>(k, ip, offset, length, imap);
  xfs_bmbt_to_iomap(ip, map, imap, shared ? IOMAP_F_SHARED : 0);
  co_return 0;
}

// Allocates or converts [offset_fsb, +count_fsb) in a transaction of its own; the blocks are zeroed
// and marked written before the commit, since a DAX mapping shows them at once. A hint rounds what
// is reserved here, and what is allocated unless it is written at once.
Path<std::int64_t> xfs_iomap_write_direct(Kernel& k, inode& ip, std::uint64_t offset_fsb,
                                          std::uint64_t count_fsb, Extent& imap) {
  const Geometry& geo = ip.xfs->i_mount->space.geo;
  const bool unwritten =
      ip.dax && imap.start != HOLESTARTBLOCK && imap.state == ExtState::unwritten;
  const std::uint64_t dblocks =
      unwritten ? xfs_diostrat_space_res(geo, 0) << 1
                : xfs_diostrat_space_res(
                      geo, xfs_aligned_fsb_count(offset_fsb, count_fsb, xfs_get_extsz_hint(ip)));
  xfs_trans tp;
  std::int64_t error =
      co_await xfs_trans_alloc_inode(k, ip, TransType::write, dblocks, unwritten, tp);
  if (error) co_return error;
  // Blocks that are not mapped at once are written by the time they stop being unwritten.
  const unsigned bmapi = ip.dax ? XFS_BMAPI_CONVERT | XFS_BMAPI_ZERO : XFS_BMAPI_PREALLOC;
  error = co_await xfs_bmapi_write(k, tp, ip, offset_fsb, count_fsb, bmapi, imap);
  if (error) {
    co_await xfs_trans_cancel(k, tp, "xfs_iomap_write_direct");
  } else {
    co_await xfs_trans_commit(k, tp);
  }
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_iomap_write_direct");
  co_return error;
}

// Holes and unwritten blocks are nobody else's when they are only zeroed.
bool imap_needs_cow(const inode& ip, const Extent& imap, unsigned flags) {
  if (!ip.xfs->reflink) return false;
  const bool empty = imap.start == HOLESTARTBLOCK || imap.state == ExtState::unwritten;
  return !((flags & (IOMAP_UNSHARE | IOMAP_ZERO)) && empty);
}

// The write goes to the blocks of the CoW fork, its surroundings come from the old ones.
void found_cow(Kernel& k, const inode& ip, std::uint64_t offset, const CowMapping& cow, iomap& map,
               iomap& srcmap) {
  const std::uint64_t end = cow.cmap.end() << block_shift;
  k.trace<Event::xfs_iomap_found>(ip.i_sb->s_dev, ip.i_ino, ip.xfs->i_disk_size, offset,
                                  end - offset, 2 /* CoW fork */, cow.cmap.off, cow.cmap.start,
                                  cow.cmap.len);
  if (cow.imap.start != HOLESTARTBLOCK) xfs_bmbt_to_iomap(ip, srcmap, cow.imap, 0);
  xfs_bmbt_to_iomap(ip, map, cow.cmap, IOMAP_F_SHARED);
}

// Whether a write is one mapping's, all of it (imap_spans_range), and needs nothing zeroed around
// it.
bool overwrites(const Extent& imap, std::uint64_t offset, std::uint64_t length) {
  const bool whole = ((offset | length) & ((1u << block_shift) - 1)) == 0;
  return imap.end() >= to_fsb(offset + length) && (whole || imap.state == ExtState::written);
}

// Larger allocations would hold ILOCK for too long.
constexpr std::uint64_t max_alloc = 1024 * PAGE_SIZE;

// Where an allocation for a write of `length` bytes ends.
std::uint64_t allocation_end(const inode& ip, std::uint64_t offset, std::uint64_t length,
                             const Extent& imap) {
  const std::uint64_t end_fsb = to_fsb(offset + length);
  if (offset + length > ip.i_size) return xfs_iomap_eof_align_last_fsb(ip, end_fsb);
  return imap.start == HOLESTARTBLOCK ? std::min(end_fsb, imap.end()) : end_fsb;
}

}  // namespace

std::uint64_t xfs_iomap_eof_align_last_fsb(const inode& ip, std::uint64_t end_fsb) {
  const std::uint64_t hint = xfs_get_extsz_hint(ip);
  std::uint64_t align = xfs_eof_alignment(ip);
  if (hint != 0) align = align != 0 ? (align + hint - 1) / hint * hint : hint;
  if (align == 0) return end_fsb;
  const std::uint64_t aligned = (end_fsb + align - 1) / align * align;
  const ExtentMap& map = ip.xfs->df.map;
  const std::optional<Extent> last = map.peek_prev(map.end());
  return !last || aligned >= last->end() ? aligned : end_fsb;
}

Path<std::int64_t> xfs_direct_write_iomap_begin(Kernel& k, inode& ip, std::uint64_t offset,
                                                std::uint64_t length, unsigned flags, iomap& map,
                                                iomap& srcmap) {
  co_await k.engine.spend(k.costs.iomap_begin);
  const std::uint16_t iomap_flags = offset + length > ip.i_size ? IOMAP_F_DIRTY : 0;
  const std::uint64_t offset_fsb = offset >> block_shift;
  const std::uint64_t end_fsb = to_fsb(offset + length);
  const unsigned lockmode = ip.xfs->reflink ? XFS_ILOCK_EXCL : XFS_ILOCK_SHARED;
  co_await xfs_ilock_for_iomap(k, ip, lockmode);
  Extent imap = xfs_bmapi_read(ip.xfs->df.map, offset_fsb, end_fsb - offset_fsb);
  if (imap_needs_cow(ip, imap, flags)) [[unlikely]] {
    if (flags & IOMAP_NOWAIT) {
      xfs_iunlock(k, ip, lockmode, "xfs_direct_write_iomap_begin");
      co_return -EAGAIN;
    }
    CowMapping cow;
    cow.imap = imap;
    const bool now = ip.dax || (flags & IOMAP_DIRECT);
    const std::int64_t failed = co_await xfs_reflink_allocate_cow(k, ip, cow, now);
    if (!failed && cow.shared) found_cow(k, ip, offset, cow, map, srcmap);
    if (failed || cow.shared) {
      if (cow.locked) xfs_iunlock(k, ip, lockmode, "xfs_direct_write_iomap_begin");
      co_return failed;
    }
    imap = cow.imap;
    length = (imap.end() << block_shift) - offset;
  }
  xfs_iunlock(k, ip, lockmode, "xfs_direct_write_iomap_begin");
  if (!imap_needs_alloc(ip, imap, flags)) {
    if ((flags & IOMAP_OVERWRITE_ONLY) && !overwrites(imap, offset, length)) co_return -EAGAIN;
    trace_iomap<Event::xfs_iomap_found>(k, ip, offset, length, imap);
    xfs_bmbt_to_iomap(ip, map, imap, iomap_flags);
    co_return 0;
  }
  if (flags & (IOMAP_NOWAIT | IOMAP_OVERWRITE_ONLY)) co_return -EAGAIN;
  length = std::min(length, max_alloc);
  const std::uint64_t end = allocation_end(ip, offset, length, imap);
  const std::int64_t error =
      co_await xfs_iomap_write_direct(k, ip, offset_fsb, end - offset_fsb, imap);
  if (error) co_return error;
  trace_iomap<Event::xfs_iomap_alloc>(k, ip, offset, length, imap);
  xfs_bmbt_to_iomap(ip, map, imap, iomap_flags | IOMAP_F_NEW);
  co_return 0;
}

namespace {

// xfs_file_iomap_begin(): what 4.13 has instead of one function for each purpose. A direct write to
// shared blocks goes to the CoW fork.
Path<std::int64_t> xfs_file_iomap_begin(Kernel& k, inode& ip, std::uint64_t offset,
                                        std::uint64_t length, unsigned flags, iomap& map,
                                        iomap& srcmap) {
  co_await k.engine.spend(k.costs.iomap_begin);
  const std::uint64_t offset_fsb = offset >> block_shift;
  const std::uint64_t end_fsb = to_fsb(offset + length);
  const bool cow = ip.xfs->reflink && (flags & IOMAP_WRITE) && (flags & IOMAP_DIRECT);
  const unsigned lockmode = cow ? XFS_ILOCK_EXCL : XFS_ILOCK_SHARED;
  co_await xfs_ilock(k, ip, lockmode, cow ? "xfs_file_iomap_begin" : "xfs_ilock_data_map_shared");
  Extent imap = xfs_bmapi_read(ip.xfs->df.map, offset_fsb, end_fsb - offset_fsb);
  if (cow) {
    CowMapping copy;
    copy.imap = imap;
    const std::int64_t failed = co_await xfs_reflink_allocate_cow(k, ip, copy, true);
    if (!failed && copy.shared) found_cow(k, ip, offset, copy, map, srcmap);
    if (failed || copy.shared) {
      if (copy.locked) xfs_iunlock(k, ip, lockmode, "xfs_file_iomap_begin");
      co_return failed;
    }
    imap = copy.imap;
    length = (imap.end() << block_shift) - offset;
  }
  if (!(flags & IOMAP_WRITE) || !imap_needs_alloc(ip, imap, flags)) {
    xfs_iunlock(k, ip, lockmode, "xfs_file_iomap_begin");
    trace_iomap<Event::xfs_iomap_found>(k, ip, offset, length, imap);
    xfs_bmbt_to_iomap(ip, map, imap, 0);
    co_return 0;
  }
  // A file with mappings that hold a lease. Who writes has broken it; this is for faults.
  if (k.profile.map_direct == MapDirect::lease) {
    const std::int32_t direct = co_await ip.xfs->i_mapdcount->load();
    if (direct != 0) {
      xfs_iunlock(k, ip, lockmode, "xfs_file_iomap_begin");
      co_return -ETXTBSY;
    }
  }
  xfs_iunlock(k, ip, lockmode, "xfs_iomap_write_direct");
  length = std::min(length, max_alloc);
  const std::uint64_t end = allocation_end(ip, offset, length, imap);
  const std::int64_t error =
      co_await xfs_iomap_write_direct(k, ip, offset_fsb, end - offset_fsb, imap);
  if (error) co_return error;
  trace_iomap<Event::xfs_iomap_alloc>(k, ip, offset, length, imap);
  xfs_bmbt_to_iomap(ip, map, imap, IOMAP_F_NEW);
  co_return 0;
}

// Without shared extents there is nothing to finish; else what was written in the CoW fork moves.
Path<std::int64_t> xfs_dax_write_iomap_end(Kernel& k, inode& ip, std::uint64_t offset,
                                           std::uint64_t length, std::int64_t written, unsigned,
                                           iomap&) {
  const TailCall call(k);
  if (!ip.xfs->reflink) return call.with(std::int64_t{0});
  // Blocks for copies that nothing was written to are given up.
  if (written == 0) return call.to(xfs_reflink_cancel_cow_range(k, ip, offset, length, true));
  return call.to(xfs_reflink_end_cow(k, ip, offset, static_cast<std::uint64_t>(written)));
}

}  // namespace

const iomap_ops xfs_read_iomap_ops{"xfs_read_iomap_ops", xfs_read_iomap_begin, nullptr};
const iomap_ops xfs_dax_write_iomap_ops{"xfs_dax_write_iomap_ops", xfs_direct_write_iomap_begin,
                                        xfs_dax_write_iomap_end};
const iomap_ops xfs_direct_write_iomap_ops{"xfs_direct_write_iomap_ops",
                                           xfs_direct_write_iomap_begin, nullptr};
const iomap_ops xfs_iomap_ops{"xfs_iomap_ops", xfs_file_iomap_begin, nullptr};

}  // namespace faultline::xfs
