// Copy on write: the new blocks live in the CoW fork until they are written, then one transaction
// after another unmaps the old ones, changes the reference counts and maps the new ones. Linux 6.12
// fs/xfs/xfs_reflink.c. Left out: quota.
#include "kernel/fs/xfs/xfs_reflink.hpp"

#include <algorithm>
#include <cerrno>

#include "kernel/fs/xfs/xfs_alloc_run.hpp"
#include "kernel/fs/xfs/xfs_bmap.hpp"
#include "kernel/fs/xfs/xfs_bmap_item.hpp"
#include "kernel/fs/xfs/xfs_delalloc.hpp"
#include "kernel/fs/xfs/xfs_hints.hpp"
#include "kernel/fs/xfs/xfs_icache.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_refcount_item.hpp"

namespace faultline::xfs {

namespace {

template <Event E>
void trace_irec(Kernel& k, const inode& ip, const Extent& e) {
  k.trace<E>(ip.i_sb->s_dev, ip.i_ino, e.off, e.len, e.start,
             e.state == ExtState::unwritten ? 1 : 0);
}

// xfs_trim_extent()
Extent trimmed(Extent e, std::uint64_t off, std::uint64_t count) {
  const std::uint64_t first = std::max(e.off, off);
  const std::uint64_t end = std::min(e.end(), off + count);
  if (e.start != HOLESTARTBLOCK && !e.delalloc()) e.start = e.start + (first - e.off);
  e.off = first;
  e.len = end > first ? static_cast<ExtLen>(end - first) : 0;
  return e;
}

// xfs_find_trim_cow_extent(): looks into the CoW fork first. True: the copy has its place already.
HelperPath<bool> find_trim_cow_extent(Kernel& k, inode& ip, CowMapping& cow) {
  const ExtentMap& map = ip.xfs->cow.map;
  const auto got = map.get(map.lookup(cow.imap.off));
  if (got && got->off <= cow.imap.off) {
    cow.shared = true;
    cow.cmap = trimmed(*got, cow.imap.off, cow.imap.len);
    co_return true;
  }
  if (got) cow.imap = trimmed(cow.imap, cow.imap.off, got->off - cow.imap.off);
  cow.shared = co_await xfs_reflink_trim_around_shared(k, ip, cow.imap);
  co_return false;
}

// xfs_reflink_convert_cow_locked() of one mapping: it is about to be written.
void convert_cow_extent(inode& ip, const Extent& cmap) {
  AllocTrans no_buffers;
  ForkEdit edit(ip.xfs->i_mount->space, no_buffers, ip.xfs->cow);
  Extent written = cmap;
  written.state = ExtState::written;
  edit.add_extent_unwritten_real(written);
}

// xfs_reflink_convert_unwritten(): only what is about to be written becomes a candidate for the
// move to the data fork.
void xfs_reflink_convert_unwritten(Kernel& k, inode& ip, CowMapping& cow, bool convert_now) {
  cow.cmap = trimmed(cow.cmap, cow.imap.off, cow.imap.len);
  if (!convert_now || cow.cmap.state == ExtState::written) return;
  trace_irec<Event::xfs_reflink_convert_cow>(k, ip, cow.cmap);
  convert_cow_extent(ip, cow.cmap);
  cow.cmap.state = ExtState::written;
}

// xfs_bmapi_write() into the CoW fork.
HelperPath<std::int64_t> allocate(Kernel& k, xfs_trans& tp, inode& ip, CowMapping& cow) {
  xfs_mount& mp = *tp.mp;
  const bool sealed = co_await is_iomap_sealed(ip);
  if (sealed) co_return -ETXTBSY;
  tp.alloc.busy_seq = mp.log.current_seq();
  const ExtLen hint = xfs_get_cowextsz_hint(ip);
  BtallocWalk walk(mp.space, tp.alloc,
                   bmap_request(*ip.xfs, ip.xfs->cow, tp, cow.imap.off, cow.imap.len, hint));
  co_await run_walk(k, tp, walk);
  if (walk.result() == null_fsblock) co_return -ENOSPC;
  trace_vextent_finish(k, mp, walk.args(), tp.alloc.highest_agno);
  const Extent added{walk.offset(), walk.result(), walk.length(), ExtState::unwritten};
  ForkEdit edit(mp.space, tp.alloc, ip.xfs->cow);
  edit.add_extent_hole_real(added);
  tp.blk_res_used += added.len;
  tp.redo.push_back(extent_redo(RedoKind::free_del, ip, added));
  xfs_refcount_alloc_cow_extent(tp, added);
  cow.cmap = trimmed(added, cow.imap.off, cow.imap.len);
  co_await perform_steps(k, tp);
  co_return 0;
}

HelperPath<std::int64_t> xfs_reflink_fill_cow_hole(Kernel& k, inode& ip, CowMapping& cow) {
  const Geometry& geo = ip.xfs->i_mount->space.geo;
  const ExtLen hint = xfs_get_cowextsz_hint(ip);
  const std::uint64_t first = cow.imap.off / hint * hint;
  const std::uint64_t end = (cow.imap.end() + hint - 1) / hint * hint;
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_reflink_fill_cow_hole");
  xfs_trans tp;
  std::int64_t error = co_await xfs_trans_alloc_inode(
      k, ip, TransType::write, xfs_diostrat_space_res(geo, end - first), false, tp);
  if (error) {
    cow.locked = false;
    co_return error;
  }
  // ILOCK was given up: another task may have been here.
  const bool found = co_await find_trim_cow_extent(k, ip, cow);
  if (found || !cow.shared) {
    co_await xfs_trans_cancel(k, tp, "xfs_reflink_fill_cow_hole");
    co_return 0;
  }
  error = co_await allocate(k, tp, ip, cow);
  if (error) {
    co_await xfs_trans_cancel(k, tp, "xfs_reflink_fill_cow_hole");
    co_return error;
  }
  co_await xfs_blockgc_set_iflag(k, ip, XFS_ICOWBLOCKS);
  co_await xfs_trans_commit(k, tp);
  co_return 0;
}

// xfs_reflink_fill_delalloc(): what a write to the page cache has reserved gets its blocks.
HelperPath<std::int64_t> xfs_reflink_fill_delalloc(Kernel& k, inode& ip, CowMapping& cow) {
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_reflink_fill_delalloc");
  Extent got;
  std::int64_t error =
      co_await xfs_bmapi_convert_delalloc(k, ip, Fork::cow, cow.cmap.off << block_log, got);
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_reflink_fill_delalloc");
  if (error) co_return error;
  // ILOCK was given up: another task may have been here.
  const bool found = co_await find_trim_cow_extent(k, ip, cow);
  if (found && cow.cmap.delalloc()) error = -EAGAIN;
  co_return error;
}

// The first written mapping of the CoW fork that meets [off, end).
std::optional<Extent> written_cow_extent(const ExtentMap& map, std::uint64_t off,
                                         std::uint64_t end) {
  auto at = map.lookup(off);
  for (auto got = map.get(at); got && got->off < end; got = map.next(at)) {
    if (got->state == ExtState::written && !got->delalloc()) return trimmed(*got, off, end - off);
  }
  return std::nullopt;
}

// Remaps as much as is one mapping in both forks; `off` moves on.
Path<std::int64_t> xfs_reflink_end_cow_extent(Kernel& k, inode& ip, std::uint64_t& off,
                                              std::uint64_t end) {
  xfs_mount& mp = *ip.xfs->i_mount;
  if (ip.xfs->cow.map.empty()) {
    off = end;
    co_return 0;
  }
  xfs_trans tp;
  const std::int64_t error =
      co_await xfs_trans_alloc(k, mp, TransType::write, xfs_extentadd_space_res(mp.space.geo),
                               XFS_TRANS_RESERVE, tp, "xfs_reflink_end_cow_extent");
  if (error) co_return error;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_reflink_end_cow_extent");
  tp.joined = &ip;
  std::optional<Extent> del = written_cow_extent(ip.xfs->cow.map, off, end);
  if (!del) {
    off = end;
    co_await xfs_trans_cancel(k, tp, "xfs_reflink_end_cow_extent");
    xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_reflink_end_cow_extent");
    co_return 0;
  }
  const Extent data = xfs_bmapi_read(ip.xfs->df.map, del->off, del->len);
  del->len = data.len;
  trace_irec<Event::xfs_reflink_cow_remap_from>(k, ip, *del);
  trace_irec<Event::xfs_reflink_cow_remap_to>(k, ip, data);
  if (data.start != HOLESTARTBLOCK && !data.delalloc()) {
    xfs_bmap_unmap_extent(tp, ip, data);
    xfs_refcount_decrease_extent(tp, data);
  } else if (data.start != HOLESTARTBLOCK) {  // reserved before the neighbourhood was forked
    bool done = false;
    co_await xfs_bunmapi(k, tp, ip, del->off, del->end(), 1, done);
  }
  xfs_refcount_free_cow_extent(tp, *del);
  xfs_bmap_map_extent(tp, ip, *del);
  ForkEdit edit(mp.space, tp.alloc, ip.xfs->cow);
  edit.on_unmap = OnUnmap::keep;
  edit.bunmapi(del->off, del->end(), 1);
  off = del->end();
  co_await xfs_trans_commit(k, tp);
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_reflink_end_cow_extent");
  co_return 0;
}

}  // namespace

Path<bool> xfs_reflink_trim_around_shared(Kernel& k, inode& ip, Extent& imap) {
  const bool real = imap.start != HOLESTARTBLOCK && !imap.delalloc();
  if (!ip.xfs->reflink || !real || imap.state == ExtState::unwritten) co_return false;
  trace_irec<Event::xfs_reflink_trim_around_shared>(k, ip, imap);
  xfs_mount& mp = *ip.xfs->i_mount;
  const BlockRun run = co_await xfs_reflink_find_shared(k, mp, imap.start, imap.len);
  if (run.len == 0) co_return false;
  const AgBlock first = mp.space.geo.agbno(imap.start);
  imap.len = run.bno == first ? run.len : run.bno - first;
  co_return run.bno == first;
}

Path<std::int64_t> xfs_reflink_allocate_cow(Kernel& k, inode& ip, CowMapping& cow,
                                            bool convert_now) {
  const bool found = co_await find_trim_cow_extent(k, ip, cow);
  if (!cow.shared) co_return 0;
  std::int64_t error = 0;
  if (!found) {
    error = co_await xfs_reflink_fill_cow_hole(k, ip, cow);
  } else if (cow.cmap.delalloc()) {
    error = co_await xfs_reflink_fill_delalloc(k, ip, cow);
  }
  if (error || !cow.shared) co_return error;
  xfs_reflink_convert_unwritten(k, ip, cow, convert_now);
  co_return 0;
}

Path<std::int64_t> xfs_reflink_convert_cow(Kernel& k, inode& ip, std::uint64_t offset,
                                           std::uint64_t count) {
  std::uint64_t off = offset >> block_log;
  const std::uint64_t end = (offset + count + (1ULL << block_log) - 1) >> block_log;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_reflink_convert_cow");
  const bool sealed = co_await is_iomap_sealed(ip);  // 4.13: xfs_bmapi_write()
  const ExtentMap& map = ip.xfs->cow.map;
  while (off < end && !sealed) {
    const std::optional<Extent> got = map.get(map.lookup(off));
    if (!got || got->off >= end) break;
    const Extent part = trimmed(*got, off, end - off);
    off = part.end();
    if (part.delalloc() || part.state == ExtState::written) continue;
    convert_cow_extent(ip, part);
  }
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_reflink_convert_cow");
  co_return sealed ? -ETXTBSY : 0;
}

Path<std::int64_t> xfs_reflink_end_cow(Kernel& k, inode& ip, std::uint64_t offset,
                                       std::uint64_t count) {
  k.trace<Event::xfs_reflink_end_cow>(ip.i_sb->s_dev, ip.i_ino, ip.i_size, ip.xfs->i_disk_size,
                                      offset, count);
  std::uint64_t off = offset >> block_log;
  const std::uint64_t end = (offset + count + (1ULL << block_log) - 1) >> block_log;
  while (off < end) {
    const std::int64_t error = co_await xfs_reflink_end_cow_extent(k, ip, off, end);
    if (error) co_return error;
  }
  co_return 0;
}

}  // namespace faultline::xfs
