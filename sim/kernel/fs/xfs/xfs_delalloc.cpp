// Reservations in the extent map, and blocks for them. See the header. A reservation keeps the
// blocks that the tree may need for it in its start block. Left out: quota, giving
// preallocated blocks back at the last close.
#include "kernel/fs/xfs/xfs_delalloc.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>

#include "kernel/fs/xfs/xfs_alloc_run.hpp"
#include "kernel/fs/xfs/xfs_bmap.hpp"
#include "kernel/fs/xfs/xfs_hints.hpp"
#include "kernel/fs/xfs/xfs_icache.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_refcount_item.hpp"
#include "kernel/fs/xfs/xfs_reflink.hpp"

namespace faultline::xfs {

unsigned xfs_bmap_worst_indlen(const Geometry& geo, std::uint64_t len) {
  unsigned blocks = 0;
  for (unsigned level = 0; level < geo.bmap_maxlevels; ++level) {
    const std::uint64_t per_block = bmbt_maxrecs[level != 0];
    len = (len + per_block - 1) / per_block;
    blocks += static_cast<unsigned>(len);
    if (len == 1) return blocks + geo.bmap_maxlevels - level - 1;
  }
  return blocks;
}

std::uint64_t xfs_bmap_cut_delay(const Geometry& geo, ExtentMap& map, ExtentMap::Cursor at,
                                 std::uint64_t off, std::uint64_t end) {
  const Extent old = *map.get(at);
  const unsigned had = startblockval(old.start);
  unsigned left = had;
  const auto piece = [&](std::uint64_t from, std::uint64_t to) {
    const unsigned indlen = std::min(xfs_bmap_worst_indlen(geo, to - from), left);
    left -= indlen;
    return Extent{from, nullstartblock(indlen), static_cast<ExtLen>(to - from), old.state};
  };
  const bool front = old.off < off;
  const bool back = end < old.end();
  if (!front && !back) {
    map.remove(at);
    return left;
  }
  const Extent first = front ? piece(old.off, off) : piece(end, old.end());
  map.update(at, first);
  if (front && back) {
    map.next(at);
    map.insert(at, piece(end, old.end()));
  }
  return left;
}

namespace {

// xfs_bmap_add_extent_hole_delay(): joins neighbours that are reservations too. Blocks that their
// trees need no more.
std::uint64_t add_extent_hole_delay(const Geometry& geo, ExtentMap& map, Extent& added) {
  ExtentMap::Cursor at = map.lookup(added.off);
  const auto joins = [&](const std::optional<Extent>& e, std::uint64_t len) {
    return e && e->delalloc() && len + e->len <= max_extlen;
  };
  const std::optional<Extent> right = map.get(at);
  const std::optional<Extent> left = map.peek_prev(at);
  unsigned had = startblockval(added.start);
  const bool with_left = joins(left, added.len) && left->end() == added.off;
  const std::uint64_t so_far = added.len + (with_left ? left->len : 0);
  const bool with_right = joins(right, so_far) && right->off == added.end();
  if (!with_left && !with_right) {
    map.insert(at, added);
    return 0;
  }
  if (with_right) {
    had += startblockval(right->start);
    added.len += right->len;
    map.remove(at);
  }
  if (with_left) {
    had += startblockval(left->start);
    added.off = left->off;
    added.len += left->len;
    map.prev(at);
    map.remove(at);
  }
  const unsigned needs = std::min(xfs_bmap_worst_indlen(geo, added.len), had);
  added.start = nullstartblock(needs);
  map.insert(at, added);
  return had - needs;
}

struct Range {
  std::uint64_t off, len;
};

// xfs_bmap_extsize_align(): from multiple to multiple of the hint. Where the next mapping is in the
// way the range moves towards the start, and where the one before is, it is cut.
Range extsize_align(Range range, const std::optional<Extent>& prev,
                    const std::optional<Extent>& next, std::uint64_t hint) {
  const std::uint64_t end = range.off + range.len;
  Range out{range.off / hint * hint, 0};
  out.len = (end - out.off + hint - 1) / hint * hint;
  if (next && out.off + out.len > next->off) {
    out.off = next->off > out.len ? next->off - out.len : 0;
  }
  const std::uint64_t first = prev ? prev->end() : 0;
  if (out.off < first) out.off = first;
  if (next) out.len = std::min(out.len, next->off - out.off);
  if (out.off + out.len < end) out.len = end - out.off;
  return out;
}

Path<std::int64_t> xfs_bmapi_convert_one_delalloc(Kernel& k, inode& ip, Fork fork,
                                                  std::uint64_t offset, Extent& got) {
  xfs_trans tp;
  std::int64_t error =
      co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::write, 0, XFS_TRANS_RESERVE, tp,
                               "xfs_bmapi_convert_one_delalloc");
  if (error) co_return error;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_bmapi_convert_one_delalloc");
  tp.joined = &ip;
  const ExtentMap& map = fork_of(ip, fork).map;
  const std::uint64_t fsb = offset >> block_log;
  const std::optional<Extent> there = map.get(map.lookup(fsb));
  if (!there || there->off > fsb) {
    error = -EAGAIN;  // truncated while ILOCK was not held
  } else if (there->delalloc()) {
    const bool sealed = co_await is_iomap_sealed(ip);  // xfs_bmapi_write() of MAP_DIRECT
    error = sealed ? -ETXTBSY : co_await xfs_bmapi_allocate_delayed(k, tp, ip, fork, *there);
  }
  const bool allocated = there && there->delalloc() && !error;
  if (!error) got = *map.get(map.lookup(fsb < there->off ? there->off : fsb));
  if (allocated) {
    co_await xfs_trans_commit(k, tp);
  } else {
    co_await xfs_trans_cancel(k, tp, "xfs_bmapi_convert_one_delalloc");
  }
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_bmapi_convert_one_delalloc");
  co_return error;
}

}  // namespace

HelperPath<std::int64_t> xfs_bmapi_allocate_delayed(Kernel& k, xfs_trans& tp, inode& ip, Fork which,
                                                    const Extent& delayed) {
  xfs_mount& mp = *tp.mp;
  DataFork& fork = fork_of(ip, which);
  tp.alloc.busy_seq = mp.log.current_seq();
  tp.logs_core = true;
  BmapAlloc request =
      bmap_request(*ip.xfs, fork, tp, delayed.off, delayed.len,
                   which == Fork::cow ? xfs_get_cowextsz_hint(ip) : xfs_get_extsz_hint(ip));
  request.wasdel = true;
  BtallocWalk walk(mp.space, tp.alloc, request);
  co_await run_walk(k, tp, walk);
  if (walk.result() == null_fsblock) co_return -ENOSPC;
  trace_vextent_finish(k, mp, walk.args(), tp.alloc.highest_agno);
  const Extent added{walk.offset(), walk.result(), walk.length(), ExtState::unwritten};
  const std::uint64_t nblocks = fork.nblocks;
  const Geometry& geo = mp.space.geo;
  mp.fdblocks +=
      xfs_bmap_cut_delay(geo, fork.map, fork.map.lookup(added.off), added.off, added.end());
  ForkEdit edit(mp.space, tp.alloc, fork);
  edit.add_extent_hole_real(added);
  // The data blocks were taken from the free ones when they were reserved; those of the tree were
  // not.
  tp.blk_res_used += grown_by(nblocks + added.len, fork.nblocks);
  if (which == Fork::data) {
    tp.redo.push_back(extent_redo(RedoKind::extent_add, ip, added));
  } else {
    xfs_refcount_alloc_cow_extent(tp, added);
  }
  tp.redo.push_back(extent_redo(RedoKind::free_del, ip, added));
  co_await perform_steps(k, tp);
  co_return 0;
}

Path<std::int64_t> xfs_bmapi_reserve_delalloc(Kernel& k, inode& ip, Fork fork, std::uint64_t off,
                                              std::uint64_t len, std::uint64_t prealloc,
                                              Extent& got) {
  xfs_mount& mp = *ip.xfs->i_mount;
  ExtentMap& map = fork_of(ip, fork).map;
  const Geometry& geo = mp.space.geo;
  k.engine.charge(k.costs.extent_lookup);
  const ExtentMap::Cursor at = map.lookup(off);
  const std::optional<Extent> next = map.get(at);
  for (;;) {
    Range range{off, std::min<std::uint64_t>(len + prealloc, max_extlen)};
    if (next) range.len = std::min(range.len, next->off - off);
    if (fork == Fork::cow)
      range = extsize_align(range, map.peek_prev(at), next, xfs_get_cowextsz_hint(ip));
    const unsigned indlen = xfs_bmap_worst_indlen(geo, range.len);
    if (mp.fdblocks < range.len + indlen) {
      // Blocks that nobody has asked for are given up first.
      if (prealloc == 0) co_return -ENOSPC;
      prealloc = 0;
      continue;
    }
    mp.fdblocks -= range.len + indlen;
    got = {range.off, nullstartblock(indlen), static_cast<ExtLen>(range.len), ExtState::written};
    mp.fdblocks += add_extent_hole_delay(geo, map, got);
    const bool more = range.len > len || range.off < off;
    const unsigned tag = fork == Fork::data ? XFS_IEOFBLOCKS : XFS_ICOWBLOCKS;
    if (more) co_await xfs_blockgc_set_iflag(k, ip, tag);
    co_return 0;
  }
}

Path<void> xfs_bmap_punch_delalloc_range(Kernel& k, inode& ip, std::uint64_t start,
                                         std::uint64_t end) {
  xfs_mount& mp = *ip.xfs->i_mount;
  ExtentMap& map = ip.xfs->df.map;
  std::uint64_t off = start >> block_log;
  const std::uint64_t last = (end + (1ULL << block_log) - 1) >> block_log;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_bmap_punch_delalloc_range");
  while (off < last) {
    const ExtentMap::Cursor at = map.lookup(off);
    const std::optional<Extent> got = map.get(at);
    if (!got || got->off >= last) break;
    const std::uint64_t next = got->end();
    if (got->delalloc()) {
      const std::uint64_t from = std::max(off, got->off);
      const std::uint64_t to = std::min(last, next);
      mp.fdblocks += xfs_bmap_cut_delay(mp.space.geo, map, at, from, to) + (to - from);
    }
    off = next;
  }
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_bmap_punch_delalloc_range");
}

Path<std::int64_t> xfs_bmapi_convert_delalloc(Kernel& k, inode& ip, Fork fork, std::uint64_t offset,
                                              Extent& got) {
  for (;;) {
    const std::int64_t error = co_await xfs_bmapi_convert_one_delalloc(k, ip, fork, offset, got);
    if (error) co_return error;
    if (!got.delalloc() && got.end() << block_log > offset) co_return 0;
  }
}

Path<std::int64_t> xfs_iomap_write_unwritten(Kernel& k, inode& ip, std::uint64_t offset,
                                             std::uint64_t count) {
  const Geometry& geo = ip.xfs->i_mount->space.geo;
  std::uint64_t off = offset >> block_log;
  const std::uint64_t end = (offset + count + (1ULL << block_log) - 1) >> block_log;
  const std::uint64_t resblks = xfs_diostrat_space_res(geo, 0) << 1;
  while (off < end) {
    xfs_trans tp;
    std::int64_t error = co_await xfs_trans_alloc_inode(k, ip, TransType::write, resblks, true, tp);
    if (error) co_return error;
    Extent imap;
    error = co_await xfs_bmapi_write(k, tp, ip, off, end - off, XFS_BMAPI_CONVERT, imap);
    if (error) {
      co_await xfs_trans_cancel(k, tp, "xfs_iomap_write_unwritten");
    } else {
      const std::uint64_t reached = std::min(imap.end() << block_log, offset + count);
      const std::uint64_t new_size = std::min(reached, ip.i_size);
      if (new_size > ip.xfs->i_disk_size) {
        ip.xfs->i_disk_size = new_size;
        RedoRecord record;
        record.kind = RedoKind::size;
        record.ino = ip.i_ino;
        record.a = new_size;
        tp.redo.push_back(record);
        xfs_trans_log_inode(tp);
      }
      co_await xfs_trans_commit(k, tp);
    }
    xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_iomap_write_unwritten");
    if (error) co_return error;
    off = imap.end();
  }
  co_return 0;
}

// What is preallocated shrinks as the file system fills: two steps at 5 %, one more at each
// percent below.
static unsigned low_space_shift(const xfs_mount& mp) {
  const std::uint64_t percent = mp.space.geo.dblocks / 100;
  if (mp.fdblocks >= 5 * percent) return 0;
  unsigned shift = 2;
  for (std::uint64_t p = 4; p >= 1; --p) shift += mp.fdblocks < p * percent ? 1 : 0;
  return shift;
}

std::uint64_t xfs_iomap_prealloc_size(const inode& ip, std::uint64_t offset, std::uint64_t count) {
  constexpr std::uint64_t allocsize_blocks = 16;  // 64 KiB, the default
  const xfs_mount& mp = *ip.xfs->i_mount;
  if (offset + count <= ip.i_size) return 0;
  if (ip.i_size < allocsize_blocks << block_log) return 0;
  if (ip.i_size < std::uint64_t{mp.m_dalign} << block_log) return allocsize_blocks;
  const ExtentMap& map = ip.xfs->df.map;
  const std::uint64_t off = offset >> block_log;
  ExtentMap::Cursor at = map.lookup(off);
  std::optional<Extent> prev = map.prev(at);
  if (!prev || prev->end() < off) return allocsize_blocks;
  std::uint64_t plen = prev->len;
  while (const std::optional<Extent> before = map.prev(at)) {
    const bool continues = !before->delalloc() && !prev->delalloc() && before->end() == prev->off &&
                           before->start + before->len == prev->start;
    if (plen > max_extlen / 2 || !continues) break;
    plen += before->len;
    prev = before;
  }
  std::uint64_t blocks = plen * 2;
  if (blocks > max_extlen) blocks = (offset + (1ULL << block_log) - 1) >> block_log;
  blocks = std::min(std::bit_ceil(std::uint64_t{max_extlen}), blocks) >> low_space_shift(mp);
  if (blocks != 0) blocks = std::min<std::uint64_t>(std::bit_floor(blocks), max_extlen);
  while (blocks != 0 && blocks >= mp.fdblocks) blocks >>= 4;
  return std::max(blocks, allocsize_blocks);
}

}  // namespace faultline::xfs
