// Removing a file. See the header. A directory is a lock and no entries: its blocks are not
// modelled, nor are those of the inode trees behind their roots. An unlinked inode is on a list of
// its allocation group until it is freed. Left out: attribute forks, quota.
#include "kernel/fs/xfs/xfs_inactive.hpp"

#include "kernel/fs/dax.hpp"
#include "kernel/fs/inode.hpp"
#include "kernel/fs/iomap_writeback.hpp"
#include "kernel/fs/xfs/xfs_buf.hpp"
#include "kernel/fs/xfs/xfs_inode_pair.hpp"
#include "kernel/fs/xfs/xfs_itruncate.hpp"
#include "kernel/fs/xfs/xfs_layouts.hpp"
#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

namespace {

constexpr std::uint64_t root_ino = 0x80;

// Locks a buffer of the transaction and changes it.
HelperPath<void> log_buffer(Kernel& k, xfs_trans& tp, BufKind kind, Daddr daddr) {
  tp.alloc.bufs.read(kind, daddr);
  co_await xfs_buf_perform(k, *tp.mp, tp.alloc.bufs.take_steps(), "xfs_trans_brelse");
  tp.alloc.bufs.log(daddr);
  co_await xfs_buf_perform(k, *tp.mp, tp.alloc.bufs.take_steps(), "xfs_trans_brelse");
}

Daddr agi_of(const inode& ip) {
  const Geometry& geo = ip.xfs->i_mount->space.geo;
  return geo.agi_daddr(geo.agno(geo.inode_block(ip.i_ino)));
}

RedoRecord record_of(RedoKind kind, const inode& ip) {
  RedoRecord record;
  record.kind = kind;
  record.ino = ip.i_ino;
  return record;
}

RedoRecord ctime_of(Kernel& k, inode& ip) {
  ip.i_ctime = k.coarse_time();
  RedoRecord record = record_of(RedoKind::times, ip);
  record.a = ip.i_ctime.v;
  record.b = S_CTIME;
  return record;
}

// xfs_inactive_truncate()
HelperPath<void> inactive_truncate(Kernel& k, inode& ip) {
  xfs_trans tp;
  const std::int64_t error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::itruncate, 0,
                                                      0, tp, "xfs_inactive_truncate");
  if (error) co_return;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_inactive_truncate");
  xfs_trans_ijoin(tp, ip);
  ip.xfs->i_disk_size = 0;
  xfs_trans_log_inode(tp);
  const std::int64_t failed = co_await xfs_itruncate_extents(k, tp, ip, 0);
  if (failed) {
    co_await xfs_trans_cancel(k, tp, "xfs_inactive_truncate");
  } else {
    co_await xfs_trans_commit(k, tp);
  }
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_inactive_truncate");
}

// xfs_inactive_ifree(): off the unlinked list, and free in the trees of inodes.
HelperPath<void> inactive_ifree(Kernel& k, inode& ip) {
  const Geometry& geo = ip.xfs->i_mount->space.geo;
  xfs_trans tp;
  const std::int64_t error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::ifree, 0, 0,
                                                      tp, "xfs_inactive_ifree");
  if (error) co_return;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_inactive_ifree");
  xfs_trans_ijoin(tp, ip);
  const AgNumber agno = geo.agno(geo.inode_block(ip.i_ino));
  co_await log_buffer(k, tp, BufKind::agi, agi_of(ip));
  co_await log_buffer(k, tp, BufKind::inobt, geo.daddr(geo.fsb(agno, geo.inobt_root())));
  co_await log_buffer(k, tp, BufKind::inobt, geo.daddr(geo.fsb(agno, geo.finobt_root())));
  ip.i_mode = 0;
  xfs_trans_log_inode(tp);
  tp.redo.push_back(record_of(RedoKind::ifree, ip));
  co_await xfs_trans_commit(k, tp);
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_inactive_ifree");
}

Path<void> xfs_inactive(Kernel& k, inode& ip) {
  const bool has_data = ip.i_size != 0 || ip.xfs->df.nextents != 0 || !ip.xfs->df.map.empty();
  if (has_data) co_await inactive_truncate(k, ip);
  co_await inactive_ifree(k, ip);
}

Path<void> xfs_inodegc_worker(Kernel& k, iomap_ioend& work) {
  co_await xfs_inactive(k, *work.host);
}

}  // namespace

inode& xfs_root_directory(Kernel& k, super_block& sb) {
  xfs_mount& mp = *sb.mount;
  if (mp.m_rootip) return *mp.m_rootip;
  inode& root = k.inodes.emplace_back();
  mp.m_rootip = &root;
  root.i_ino = Ino(root_ino);
  root.index = k.next_kernel_inode++;
  root.name = "/";
  root.type = InodeType::directory;
  root.i_sb = &sb;
  init_inode_locks(k, root);
  k.locks.set_class(root.i_rwsem, k.cls.i_rwsem_dir);
  root.xfs = std::make_unique<xfs_inode>();
  root.xfs->i_mount = &mp;
  root.xfs->df.ino = root.xfs->cow.ino = root.i_ino;
  root.xfs->cow.in_core = true;
  init_lock(root.xfs->i_lock, k.locks, k.cls.ilock_dir, lock_id(LockOwner::inode, root.index, 2));
  return root;
}

Path<std::int64_t> xfs_remove(Kernel& k, inode& dp, inode& ip) {
  xfs_trans tp;
  const std::int64_t error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::remove, 0, 0,
                                                      tp, "xfs_trans_alloc_dir");
  if (error) co_return error;
  co_await xfs_ilock(k, dp, XFS_ILOCK_EXCL, "xfs_lock_two_inodes");
  k.locks.set_class(ip.xfs->i_lock, k.cls.ilock_second);
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL | XFS_ILOCK_SECOND, "xfs_lock_two_inodes");
  xfs_trans_ijoin(tp, dp);
  xfs_trans_ijoin(tp, ip);
  tp.unlock_inode = true;
  tp.redo.push_back(ctime_of(k, dp));
  tp.redo.push_back(ctime_of(k, ip));
  xfs_trans_log_inode(tp);
  --ip.i_nlink;
  if (ip.i_nlink == 0) {  // xfs_iunlink()
    co_await log_buffer(k, tp, BufKind::agi, agi_of(ip));
    tp.redo.push_back(record_of(RedoKind::unlinked, ip));
  }
  co_await xfs_trans_commit(k, tp);
  k.locks.set_class(ip.xfs->i_lock, k.cls.ilock);
  co_return 0;
}

Path<void> xfs_fs_evict_inode(Kernel& k, inode& ip) {
  if (!ip.dax || k.profile.busy_scan_needs_mapping) co_return;
  co_await dax_break_layout_final(k, ip);
}

Path<void> xfs_fs_destroy_inode(Kernel& k, inode& ip) {
  if (!k.profile.inactivates_later) {
    co_await xfs_inactive(k, ip);
    co_return;
  }
  auto work = std::make_unique<iomap_ioend>();
  work->host = &ip;
  work->done = k.now();
  work->finish = xfs_inodegc_worker;
  queue_completion(k, std::move(work));
}

}  // namespace faultline::xfs
