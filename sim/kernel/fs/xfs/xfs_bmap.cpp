// xfs_bmapi_write as a path: it runs the allocator up to each wait, performs the buffer locks that
// the allocator took on the way, and logs what changed. Linux 6.12 fs/xfs/libxfs/xfs_bmap.c.
#include "kernel/fs/xfs/xfs_bmap.hpp"

#include <algorithm>
#include <cerrno>

#include "kernel/fs/xfs/xfs_alloc_run.hpp"
#include "kernel/fs/xfs/xfs_delalloc.hpp"
#include "kernel/fs/xfs/xfs_hints.hpp"

namespace faultline::xfs {

namespace {

// What stands before and behind `off` in the file, for the allocator's locality.
void find_neighbours(const ExtentMap& map, std::uint64_t off, BmapAlloc& ap) {
  const auto neighbour = [](const Extent& e) {
    return NeighbourExtent{e.off, e.delalloc() ? null_fsblock : e.start, e.len};
  };
  const ExtentMap::Cursor at = map.lookup(off);
  if (const auto next = map.get(at)) {
    ap.eof = false;
    ap.got = neighbour(*next);
  }
  if (const auto prev = map.peek_prev(at)) ap.prev = neighbour(*prev);
}

// xfs_bmap_isaeof(): the request lies behind the last block, or in a reservation at the end.
bool is_aeof(const ExtentMap& map, std::uint64_t off) {
  const std::optional<Extent> last = map.peek_prev(map.end());
  if (!last) return true;
  return off >= last->end() || (off >= last->off && last->delalloc());
}

// New blocks are zeroed before the transaction commits (XFS_BMAPI_ZERO).
void xfs_zero_extent(Kernel& k, const xfs_mount& mp, FsBlock start, std::uint64_t blocks) {
  PmemDevice& device = *mp.m_super->s_daxdev;
  const std::uint64_t bytes = blocks << block_log;
  k.engine.charge(device.zero(k.now(), bytes));
  device.content().zero(mp.space.geo.device_offset(start).v, bytes);
  device.clear_bad_blocks(mp.space.geo.device_offset(start).v, bytes);
}

HelperPath<std::int64_t> xfs_bmapi_allocate(Kernel& k, xfs_trans& tp, inode& ip, std::uint64_t off,
                                            std::uint64_t count, unsigned flags, Extent& imap) {
  xfs_mount& mp = *tp.mp;
  BmapAlloc request = bmap_request(*ip.xfs, ip.xfs->df, tp, off, count, xfs_get_extsz_hint(ip));
  request.converting = flags & XFS_BMAPI_CONVERT;
  BtallocWalk walk(mp.space, tp.alloc, request);
  co_await run_walk(k, tp, walk);
  if (walk.result() == null_fsblock) co_return -ENOSPC;
  trace_vextent_finish(k, mp, walk.args(), tp.alloc.highest_agno);
  const ExtState state = flags & XFS_BMAPI_PREALLOC ? ExtState::unwritten : ExtState::written;
  const Extent added{walk.offset(), walk.result(), walk.length(), state};
  if (flags & XFS_BMAPI_ZERO) xfs_zero_extent(k, mp, added.start, added.len);
  const std::uint64_t nblocks = ip.xfs->df.nblocks + added.len;
  ForkEdit edit(mp.space, tp.alloc, ip.xfs->df);
  edit.add_extent_hole_real(added);
  tp.blk_res_used += added.len + grown_by(nblocks, ip.xfs->df.nblocks);
  tp.redo.push_back(extent_redo(RedoKind::extent_add, ip, added));
  tp.redo.push_back(extent_redo(RedoKind::free_del, ip, added));
  imap = xfs_bmapi_read(ip.xfs->df.map, off, count);
  co_return 0;
}

HelperPath<std::int64_t> xfs_bmapi_convert_unwritten(Kernel& k, xfs_trans& tp, inode& ip,
                                                     Extent range, unsigned flags, Extent& imap) {
  xfs_mount& mp = *tp.mp;
  if (flags & XFS_BMAPI_ZERO) xfs_zero_extent(k, mp, range.start, range.len);
  const Extent written{range.off, range.start, range.len, ExtState::written};
  const unsigned blocks = bmbt_blocks_for_insert(mp.space.geo, ip.xfs->df, range.off,
                                                 conversion_adds(ip.xfs->df, written));
  // Cutting a mapping may split the file's tree: its blocks come from an AG held beforehand.
  const std::int64_t error = co_await prepare_bmbt_blocks(k, tp, blocks, range.start);
  if (error) co_return error;
  range.state = ExtState::written;
  const std::uint64_t nblocks = ip.xfs->df.nblocks;
  ForkEdit edit(mp.space, tp.alloc, ip.xfs->df);
  edit.add_extent_unwritten_real(range);
  tp.blk_res_used += grown_by(nblocks, ip.xfs->df.nblocks);
  tp.redo.push_back(extent_redo(RedoKind::extent_convert, ip, range));
  imap = xfs_bmapi_read(ip.xfs->df.map, range.off, range.len);
  co_return 0;
}

}  // namespace

BmapAlloc bmap_request(const xfs_inode& ip, const DataFork& fork, const xfs_trans& tp,
                       std::uint64_t off, std::uint64_t count, ExtLen hint) {
  BmapAlloc ap;
  ap.inode_block = ip.i_mount->space.geo.inode_block(ip.df.ino);
  ap.offset = off;
  ap.length = static_cast<ExtLen>(std::min<std::uint64_t>(count, max_extlen));
  ap.minleft = xfs_bmapi_minleft(fork, tp.alloc);
  ap.datatype = XFS_ALLOC_USERDATA | XFS_ALLOC_NOBUSY;
  if (off == 0) ap.datatype |= XFS_ALLOC_INITIAL_USER_DATA;
  ap.extsize = hint;
  ap.stripe = ip.i_mount->m_dalign;
  ap.aeof = ap.stripe != 0 && ap.length >= ap.stripe && is_aeof(fork.map, off);
  find_neighbours(fork.map, off, ap);
  return ap;
}

RedoRecord extent_redo(RedoKind kind, const inode& ip, const Extent& e) {
  RedoRecord r;
  r.kind = kind;
  r.ino = ip.i_ino;
  r.off = e.off;
  r.start = e.start;
  r.len = e.len;
  r.state = e.state;
  return r;
}

Path<std::int64_t> xfs_bmapi_write(Kernel& k, xfs_trans& tp, inode& ip, std::uint64_t off,
                                   std::uint64_t count, unsigned flags, Extent& imap) {
  if (const int err = k.inject.fails(FailPoint::xfs_bmapi_write)) co_return -err;
  const bool sealed = co_await is_iomap_sealed(ip);
  if (sealed) co_return -ETXTBSY;
  const Extent got = xfs_bmapi_read(ip.xfs->df.map, off, count);
  k.engine.charge(k.costs.extent_lookup);
  tp.alloc.busy_seq = tp.mp->log.current_seq();
  tp.logs_core = true;
  std::int64_t error = 0;
  if (got.start == HOLESTARTBLOCK) {
    error = co_await xfs_bmapi_allocate(k, tp, ip, off, got.len, flags, imap);
  } else if (got.state == ExtState::unwritten && (flags & XFS_BMAPI_CONVERT)) {
    error = co_await xfs_bmapi_convert_unwritten(k, tp, ip, got, flags, imap);
  } else if (got.delalloc()) {
    error = co_await xfs_bmapi_allocate_delayed(k, tp, ip, Fork::data, got);
    if (!error) imap = xfs_bmapi_read(ip.xfs->df.map, off, count);
  } else {
    imap = got;
  }
  co_await perform_steps(k, tp);
  co_return error;
}

}  // namespace faultline::xfs
