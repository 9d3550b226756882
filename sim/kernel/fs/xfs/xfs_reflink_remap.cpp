// Giving the blocks of one file to another as well. Linux 6.12 fs/xfs/xfs_file.c
// xfs_file_remap_range, xfs_reflink.c xfs_reflink_remap_prep and _remap_blocks: one extent of the
// source at a time, in one chain of transactions of the other file each. Left out: quota, realtime
// files, deduplication, hints for copies, reservations of the reverse-mapping tree.
#include <algorithm>
#include <cerrno>

#include "kernel/fs/remap_range.hpp"
#include "kernel/fs/xfs/xfs_bmap.hpp"
#include "kernel/fs/xfs/xfs_bmap_item.hpp"
#include "kernel/fs/xfs/xfs_bmap_util.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_inode_pair.hpp"
#include "kernel/fs/xfs/xfs_iomap.hpp"
#include "kernel/fs/xfs/xfs_log.hpp"
#include "kernel/fs/xfs/xfs_refcount_item.hpp"
#include "kernel/fs/xfs/xfs_reflink.hpp"

namespace faultline::xfs {

namespace {

template <Event E>
void trace_irec(Kernel& k, const inode& ip, const Extent& e) {
  k.trace<E>(ip.i_sb->s_dev, ip.i_ino, e.off, e.len, e.start,
             e.state == ExtState::unwritten ? 1 : 0);
}

bool is_real(const Extent& e) { return e.start != HOLESTARTBLOCK && !e.delalloc(); }

// Joins an inode to the transaction if its flag is to be set, else unlocks it.
void set_flag(Kernel& k, xfs_trans& tp, inode& ip) {
  if (ip.xfs->reflink) {
    xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_reflink_set_inode_flag");
    return;
  }
  k.trace<Event::xfs_reflink_set_inode_flag>(ip.i_sb->s_dev, ip.i_ino, 0);
  ip.xfs->reflink = true;
  xfs_trans_ijoin(tp, ip);
  xfs_trans_log_inode(tp);
}

Path<std::int64_t> xfs_reflink_set_inode_flag(Kernel& k, inode& src, inode& dest) {
  if (src.xfs->reflink && dest.xfs->reflink) co_return 0;
  xfs_trans tp;
  const std::int64_t error = co_await xfs_trans_alloc(k, *src.xfs->i_mount, TransType::ichange, 0,
                                                      0, tp, "xfs_reflink_set_inode_flag");
  if (error) co_return error;
  tp.unlock_inode = true;
  if (&src == &dest) {
    co_await xfs_ilock(k, src, XFS_ILOCK_EXCL, "xfs_reflink_set_inode_flag");
    set_flag(k, tp, src);
  } else {
    co_await xfs_lock_two_inodes(k, src, dest, XFS_ILOCK_EXCL);
    set_flag(k, tp, src);
    set_flag(k, tp, dest);
  }
  co_await xfs_trans_commit(k, tp);
  if (&src != &dest) forget_second_ilock(k, src, dest);
  co_return 0;
}

// The old mapping of the destination: what it maps loses a user, a reservation goes.
HelperPath<std::int64_t> unmap_old(Kernel& k, xfs_trans& tp, inode& ip, const Extent& smap) {
  if (is_real(smap)) {
    xfs_bmap_unmap_extent(tp, ip, smap);
    xfs_refcount_decrease_extent(tp, smap);
    co_return 0;
  }
  if (!smap.delalloc()) co_return 0;
  bool done = false;
  const std::int64_t error = co_await xfs_bunmapi(k, tp, ip, smap.off, smap.end(), 1, done);
  co_return error;
}

void update_size(Kernel& k, xfs_trans& tp, inode& ip, std::uint64_t newlen) {
  if (newlen <= ip.i_size) return;
  const std::uint64_t before = ip.i_size;
  ip.i_size = ip.xfs->i_disk_size = newlen;
  k.trace<Event::xfs_reflink_update_inode_size>(ip.i_sb->s_dev, ip.i_ino, before, newlen);
  RedoRecord record;
  record.kind = RedoKind::size;
  record.ino = ip.i_ino;
  record.a = newlen;
  tp.redo.push_back(record);
  xfs_trans_log_inode(tp);
}

// The blocks of `dmap` become those of its range of `ip`, as many as one mapping of it covers.
Path<std::int64_t> xfs_reflink_remap_extent(Kernel& k, inode& ip, Extent& dmap,
                                            std::uint64_t new_isize) {
  const std::uint64_t resblks = xfs_extentadd_space_res(ip.xfs->i_mount->space.geo);
  xfs_trans tp;
  std::int64_t error =
      co_await xfs_trans_alloc_inode(k, ip, TransType::write, resblks + dmap.len, false, tp);
  if (error == -ENOSPC) {
    error = co_await xfs_trans_alloc_inode(k, ip, TransType::write, resblks, false, tp);
  }
  if (error) co_return error;
  const Extent smap = xfs_bmapi_read(ip.xfs->df.map, dmap.off, dmap.len);
  dmap.len = std::min(dmap.len, smap.len);
  trace_irec<Event::xfs_reflink_remap_extent_dest>(k, ip, smap);
  // Both holes, both the same blocks, or nothing in either that could be read.
  const bool unwritten = dmap.state == ExtState::unwritten && smap.state == ExtState::unwritten;
  if (dmap.start == smap.start || (unwritten && is_real(dmap) && is_real(smap))) {
    co_await xfs_trans_cancel(k, tp, "xfs_reflink_remap_extent");
    xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_reflink_remap_extent");
    co_return 0;
  }
  error = co_await unmap_old(k, tp, ip, smap);
  if (!error && is_real(dmap) && dmap.state == ExtState::written) {
    xfs_refcount_increase_extent(tp, dmap);
    xfs_bmap_map_extent(tp, ip, dmap);
  }
  if (error) {
    co_await xfs_trans_cancel(k, tp, "xfs_reflink_remap_extent");
  } else {
    update_size(k, tp, ip, std::min(dmap.end() << block_log, new_isize));
    co_await xfs_trans_commit(k, tp);
  }
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_reflink_remap_extent");
  co_return error;
}

Path<std::int64_t> xfs_reflink_remap_blocks(Kernel& k, inode& src, inode& dest,
                                            const RemapRange& range) {
  std::uint64_t srcoff = range.pos_in >> block_log;
  std::uint64_t destoff = range.pos_out >> block_log;
  std::uint64_t len = (range.length + (1ULL << block_log) - 1) >> block_log;
  const std::uint64_t new_isize = range.pos_out + range.length;
  k.trace<Event::xfs_reflink_remap_blocks>(src.i_sb->s_dev, len, src.i_ino, srcoff, dest.i_ino,
                                           destoff);
  while (len > 0) {
    co_await xfs_ilock(k, src, XFS_ILOCK_SHARED, "xfs_ilock_data_map_shared");
    Extent imap = xfs_bmapi_read(src.xfs->df.map, srcoff, len);
    k.engine.charge(k.costs.extent_lookup);
    xfs_iunlock(k, src, XFS_ILOCK_SHARED, "xfs_reflink_remap_blocks");
    trace_irec<Event::xfs_reflink_remap_extent_src>(k, src, imap);
    imap.off += destoff - srcoff;
    const std::int64_t error = co_await xfs_reflink_remap_extent(k, dest, imap, new_isize);
    if (error) co_return error;
    if (fatal_signal_pending(k.current())) co_return -EINTR;
    srcoff += imap.len;
    destoff += imap.len;
    len -= imap.len;
  }
  co_return 0;
}

// Holes at the end of the range have not made the file longer yet.
Path<std::int64_t> xfs_reflink_update_dest(Kernel& k, inode& dest, std::uint64_t newlen) {
  if (newlen <= dest.i_size) co_return 0;
  xfs_trans tp;
  const std::int64_t error = co_await xfs_trans_alloc(k, *dest.xfs->i_mount, TransType::ichange, 0,
                                                      0, tp, "xfs_reflink_update_dest");
  if (error) co_return error;
  co_await xfs_ilock(k, dest, XFS_ILOCK_EXCL, "xfs_reflink_update_dest");
  xfs_trans_ijoin(tp, dest);
  tp.unlock_inode = true;
  update_size(k, tp, dest, newlen);
  co_await xfs_trans_commit(k, tp);
  co_return 0;
}

// Blocks behind the end of the file must not show what they held before.
Path<std::int64_t> xfs_reflink_zero_posteof(Kernel& k, inode& ip, std::uint64_t pos) {
  if (pos <= ip.i_size) co_return 0;
  bool did_zero = false;
  const std::int64_t error = co_await xfs_zero_range(k, ip, ip.i_size, pos - ip.i_size, did_zero);
  co_return error;
}

HelperPath<std::int64_t> prepare_locked(Kernel& k, inode& src, inode& dest, RemapRange& range) {
  // 4.13 refuses both kinds before anything else; later kernels only the mixture.
  const bool refused = k.profile.reflink_dax ? src.dax != dest.dax : src.dax || dest.dax;
  if (refused) co_return -EINVAL;
  std::int64_t error =
      co_await generic_remap_file_range_prep(k, src, dest, range, xfs_read_iomap_ops_of(k.profile));
  if (error || range.length == 0) co_return error;
  error = co_await xfs_reflink_zero_posteof(k, dest, range.pos_out);
  if (error) co_return error;
  error = co_await xfs_reflink_set_inode_flag(k, src, dest);
  if (error) co_return error;
  const std::uint64_t first = std::min(range.pos_out, dest.i_size);
  error = co_await xfs_flush_unmap_range(k, dest, first, range.pos_out + range.length - first);
  co_return error;
}

// Both inodes are locked when it returns 0 with something left to do.
Path<std::int64_t> xfs_reflink_remap_prep(Kernel& k, inode& src, inode& dest, RemapRange& range) {
  std::int64_t error = co_await xfs_ilock2_io_mmap(k, src, dest);
  if (error) co_return error;
  error = co_await prepare_locked(k, src, dest, range);
  if (error || range.length == 0) {
    xfs_iunlock2_io_mmap(k, src, dest);
    co_return error;
  }
  if (!k.profile.remap_demotes_source) co_return 0;
  src.xfs->i_flags |= XFS_IREMAPPING;
  if (&src != &dest) {
    xfs_ilock_demote(k, src, XFS_IOLOCK_EXCL | XFS_MMAPLOCK_EXCL, "xfs_reflink_remap_prep");
  }
  co_return 0;
}

}  // namespace

Path<std::int64_t> xfs_file_remap_range(Kernel& k, file& in, file& out, const RemapRange& asked) {
  inode& src = *in.f_inode;
  inode& dest = *out.f_inode;
  if (!src.xfs->i_mount->space.geo.reflink) co_return -EOPNOTSUPP;
  RemapRange range = asked;
  std::int64_t error = co_await xfs_reflink_remap_prep(k, src, dest, range);
  if (error || range.length == 0) co_return error;
  k.trace<Event::xfs_reflink_remap_range>(src.i_sb->s_dev, range.length, src.i_ino, src.i_size,
                                          src.xfs->i_disk_size, range.pos_in, dest.i_ino,
                                          dest.i_size, dest.xfs->i_disk_size, range.pos_out);
  error = co_await xfs_reflink_remap_blocks(k, src, dest, range);
  if (!error) {
    error = co_await xfs_reflink_update_dest(k, dest, range.pos_out + range.length);
  }
  const bool durable = xfs_file_sync_writes(in) || xfs_file_sync_writes(out);
  if (!error && durable && k.profile.remap_demotes_source) {
    co_await xfs_log_force_inode(k, dest);
  }
  if (k.profile.remap_demotes_source) {
    xfs_iunlock2_remapping(k, src, dest);
  } else {
    xfs_iunlock2_io_mmap(k, src, dest);
  }
  co_return error ? error : static_cast<std::int64_t>(range.length);
}

}  // namespace faultline::xfs
