// What XFS answers a write to the page cache: the mapping that is there, or a reservation of
// blocks. Linux 6.12 fs/xfs/xfs_iomap.c xfs_buffered_write_iomap_begin; xfs_bmap_util.c users of
// zeroing. Blocks that are shared get a reservation in the CoW fork to be copied to. A file with an
// extent-size hint gets its blocks at once. Left out: taking back what a failed copy had reserved.
#include <algorithm>
#include <cerrno>

#include "kernel/fs/dax.hpp"
#include "kernel/fs/iomap_write.hpp"
#include "kernel/fs/xfs/xfs_delalloc.hpp"
#include "kernel/fs/xfs/xfs_hints.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_iomap.hpp"
#include "kernel/fs/xfs/xfs_reflink.hpp"
#include "kernel/mm/truncate.hpp"

namespace faultline::xfs {

namespace {

constexpr std::uint64_t to_fsb(std::uint64_t bytes) {
  return (bytes + (1ULL << block_log) - 1) >> block_log;
}

template <Event E>
void trace_iomap(Kernel& k, const inode& ip, std::uint64_t offset, std::uint64_t count,
                 const Extent& imap) {
  k.trace<E>(ip.i_sb->s_dev, ip.i_ino, ip.xfs->i_disk_size, offset, count, 0 /* data fork */,
             imap.off, imap.start, imap.len);
}

// Blocks to reserve behind the write, rounded so that the file ends at a multiple of them.
std::uint64_t prealloc_blocks(const inode& ip, std::uint64_t offset, std::uint64_t count,
                              std::uint64_t end_fsb) {
  constexpr std::uint64_t align = 16;  // of the default allocation size, 64 KiB
  const std::uint64_t blocks = xfs_iomap_prealloc_size(ip, offset, count);
  if (blocks == 0) return 0;
  const std::uint64_t last = (offset + count - 1) >> block_log;
  std::uint64_t end = last / align * align + blocks;
  if (const std::uint64_t stripe = xfs_eof_alignment(ip); stripe != 0) {
    end = (end + stripe - 1) / stripe * stripe;
  }
  return end > end_fsb ? end - end_fsb : 0;
}

// What a request meets in the extent map.
struct Found {
  Extent imap;  // as a whole; a hole ends where the next mapping or the request does
  bool hole = false;
  bool eof = false;  // nothing behind it
};

Found look_up(const ExtentMap& map, std::uint64_t offset_fsb, std::uint64_t end_fsb) {
  Found found;
  const std::optional<Extent> got = map.get(map.lookup(offset_fsb));
  found.eof = !got;
  found.hole = !got || got->off > offset_fsb;
  if (!found.hole) {
    found.imap = *got;
    return found;
  }
  const std::uint64_t end = got ? got->off : end_fsb;
  const std::uint64_t len = std::min<std::uint64_t>(end - offset_fsb, ~ExtLen{0});
  found.imap = {offset_fsb, HOLESTARTBLOCK, static_cast<ExtLen>(len), ExtState::written};
  return found;
}

// A reservation for the hole that the request begins in.
HelperPath<std::int64_t> reserve(Kernel& k, inode& ip, std::uint64_t offset, std::uint64_t count,
                                 Found& found) {
  constexpr std::uint64_t max_bytes = 1024 * PAGE_SIZE;
  const std::uint64_t capped = std::min(count, max_bytes);
  const std::uint64_t offset_fsb = offset >> block_log;
  const std::uint64_t end_fsb = to_fsb(offset + capped);
  const bool extends = found.eof && offset + capped > ip.i_size;
  const std::uint64_t more = extends ? prealloc_blocks(ip, offset, capped, end_fsb) : 0;
  Extent got;
  const std::int64_t error = co_await xfs_bmapi_reserve_delalloc(k, ip, Fork::data, offset_fsb,
                                                                 end_fsb - offset_fsb, more, got);
  if (error) co_return error;
  found.imap = got;
  trace_iomap<Event::xfs_iomap_alloc>(k, ip, offset, capped, got);
  co_return 0;
}

// The part of a mapping in [off, end).
Extent cut(Extent e, std::uint64_t off, std::uint64_t end) {
  const std::uint64_t from = std::max(e.off, off);
  const std::uint64_t to = std::min(e.end(), end);
  if (e.start != HOLESTARTBLOCK && !e.delalloc()) e.start = e.start + (from - e.off);
  e.off = from;
  e.len = static_cast<ExtLen>(to - from);
  return e;
}

/// A write's target and, if that is not where the data are, its source.
struct Target {
  iomap& map;
  iomap& srcmap;
};

// The write goes to the copy's place. Where the file has a hole there is nothing to copy.
// `reserved`: IOMAP_F_NEW for a place that was not there before.
void found_cow(const inode& ip, std::uint64_t offset_fsb, const Found& data, Extent cmap,
               const Target& to, std::uint16_t reserved) {
  if (!data.hole) {
    xfs_bmbt_to_iomap(ip, to.srcmap, data.imap, 0);
  } else {
    cmap = cut(cmap, offset_fsb, data.imap.end());
  }
  xfs_bmbt_to_iomap(ip, to.map, cmap, IOMAP_F_SHARED | reserved);
}

// A place in the CoW fork for what the request meets of shared blocks. False: nothing is shared.
HelperPath<std::int64_t> fork_shared(Kernel& k, inode& ip, std::uint64_t offset,
                                     std::uint64_t length, Found& found, const Target& to,
                                     bool* shared) {
  const std::uint64_t offset_fsb = offset >> block_log;
  found.imap = cut(found.imap, offset_fsb, to_fsb(offset + length));
  *shared = co_await xfs_reflink_trim_around_shared(k, ip, found.imap);
  if (!*shared) co_return 0;
  Extent cmap;
  const std::int64_t error = co_await xfs_bmapi_reserve_delalloc(
      k, ip, Fork::cow, offset_fsb, found.imap.end() - offset_fsb, 0, cmap);
  if (error) co_return error;
  k.trace<Event::xfs_iomap_alloc>(ip.i_sb->s_dev, ip.i_ino, ip.xfs->i_disk_size, offset, length,
                                  2 /* CoW fork */, cmap.off, cmap.start, cmap.len);
  found_cow(ip, offset_fsb, found, cmap, to, IOMAP_F_NEW);
  co_return 0;
}

HelperPath<std::int64_t> find_or_reserve(Kernel& k, inode& ip, std::uint64_t offset,
                                         std::uint64_t length, unsigned flags, const Target& to) {
  const std::uint64_t offset_fsb = offset >> block_log;
  Found found = look_up(ip.xfs->df.map, offset_fsb, to_fsb(offset + length));
  // Zeroing or unsharing needs no blocks where there are none.
  if (found.hole && (flags & (IOMAP_ZERO | IOMAP_UNSHARE))) {
    xfs_bmbt_to_iomap(ip, to.map, found.imap, 0);
    to.map.flags = 0;
    co_return 0;
  }
  if ((flags & IOMAP_ZERO) && found.imap.delalloc()) {  // what is behind the end is not zeroed
    const std::uint64_t end = std::min(to_fsb(offset + length), to_fsb(ip.i_size));
    if (end < to_fsb(offset + length)) found.imap = cut(found.imap, offset_fsb, end);
  }
  if (ip.xfs->reflink) {
    const ExtentMap& cow = ip.xfs->cow.map;
    const std::optional<Extent> copy = cow.get(cow.lookup(offset_fsb));
    if (copy && copy->off <= offset_fsb) {
      found_cow(ip, offset_fsb, found, *copy, to, 0);
      co_return 0;
    }
  }
  if (found.hole) {
    const std::int64_t error = co_await reserve(k, ip, offset, length, found);
    if (!error) xfs_bmbt_to_iomap(ip, to.map, found.imap, IOMAP_F_NEW);
    co_return error;
  }
  const bool empty = found.imap.state == ExtState::unwritten;
  if (ip.xfs->reflink && !((flags & IOMAP_ZERO) && empty)) {
    bool shared = false;
    const std::int64_t error = co_await fork_shared(k, ip, offset, length, found, to, &shared);
    if (error || shared) co_return error;
  }
  trace_iomap<Event::xfs_iomap_found>(k, ip, offset, length, found.imap);
  xfs_bmbt_to_iomap(ip, to.map, found.imap, 0);
  co_return 0;
}

// A reservation behind the block that the file ends in: nothing of it has been written.
bool reserved_behind_eof(const inode& ip, std::uint64_t offset) {
  const std::uint64_t fsb = offset >> block_log;
  const ExtentMap& map = ip.xfs->df.map;
  const std::optional<Extent> got = map.get(map.lookup(fsb));
  return got && got->off <= fsb && got->delalloc() && fsb >= to_fsb(ip.i_size);
}

// Such a reservation gets unwritten blocks, which read as zeros without being written.
HelperPath<std::int64_t> convert_behind_eof(Kernel& k, inode& ip, std::uint64_t offset,
                                            std::uint64_t length, iomap& map) {
  const ExtentMap& fork = ip.xfs->df.map;
  const Extent imap = *fork.get(fork.lookup(offset >> block_log));
  co_await truncate_pagecache(k, ip, offset);
  Extent got;
  const std::int64_t error = co_await xfs_bmapi_convert_delalloc(k, ip, Fork::data, offset, got);
  if (error) co_return error;
  xfs_bmbt_to_iomap(ip, map, got, 0);
  trace_iomap<Event::xfs_iomap_alloc>(k, ip, offset, length, imap);
  co_return 0;
}

Path<std::int64_t> xfs_buffered_write_iomap_begin(Kernel& k, inode& ip, std::uint64_t offset,
                                                  std::uint64_t length, unsigned flags, iomap& map,
                                                  iomap& srcmap) {
  if (xfs_get_extsz_hint(ip) != 0) {
    const std::int64_t direct =
        co_await xfs_direct_write_iomap_begin(k, ip, offset, length, flags, map, srcmap);
    co_return direct;
  }
  co_await k.engine.spend(k.costs.iomap_begin);
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_ilock_for_iomap");
  const Target to{map, srcmap};
  if ((flags & IOMAP_ZERO) && reserved_behind_eof(ip, offset)) {
    xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_buffered_write_iomap_begin");
    const std::int64_t failed = co_await convert_behind_eof(k, ip, offset, length, map);
    co_return failed;
  }
  const std::int64_t error = co_await find_or_reserve(k, ip, offset, length, flags, to);
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_buffered_write_iomap_begin");
  co_return error;
}

}  // namespace

const iomap_ops xfs_page_mkwrite_iomap_ops{"xfs_page_mkwrite_iomap_ops",
                                           xfs_buffered_write_iomap_begin, nullptr};
const iomap_ops xfs_buffered_write_iomap_ops{"xfs_buffered_write_iomap_ops",
                                             xfs_buffered_write_iomap_begin, nullptr};

Path<std::int64_t> xfs_zero_range(Kernel& k, inode& ip, std::uint64_t pos, std::uint64_t len,
                                  bool& did_zero) {
  if (ip.dax) return dax_zero_range(k, ip, pos, len, did_zero, xfs_dax_write_iomap_ops);
  return iomap_zero_range(k, ip, pos, len, did_zero, xfs_buffered_write_iomap_ops);
}

Path<std::int64_t> xfs_truncate_page(Kernel& k, inode& ip, std::uint64_t pos, bool& did_zero) {
  if (ip.dax) return dax_truncate_page(k, ip, pos, did_zero, xfs_dax_write_iomap_ops);
  return iomap_truncate_page(k, ip, pos, did_zero, xfs_buffered_write_iomap_ops);
}

}  // namespace faultline::xfs
