// Timestamp and size transactions: the smallest ones XFS has. ILOCK is joined to the transaction
// and released by its commit. Linux 6.12 fs/xfs/xfs_iops.c xfs_vn_update_time, xfs_aops.c
// xfs_setfilesize.
#include "kernel/fs/xfs/xfs_iops.hpp"

#include "kernel/fs/inode.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

Path<std::int64_t> xfs_vn_update_time(Kernel& k, inode& ip, unsigned flags) {
  k.trace<Event::xfs_update_time>(ip.i_sb->s_dev, ip.i_ino, 0);
  xfs_trans tp;
  const std::int64_t error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::fsyncts, 0, 0,
                                                      tp, "xfs_vn_update_time");
  if (error) co_return error;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_vn_update_time");
  const Nanos now = k.coarse_time();
  if (flags & S_ATIME) ip.i_atime = now;
  if (flags & S_MTIME) ip.i_mtime = now;
  if (flags & S_CTIME) ip.i_ctime = now;
  tp.joined = &ip;
  tp.unlock_inode = true;
  RedoRecord record;
  record.kind = RedoKind::times;
  record.ino = ip.i_ino;
  record.a = now.v;
  record.b = flags;
  tp.redo.push_back(record);
  co_await xfs_trans_commit(k, tp);
  co_return 0;
}

Path<std::int64_t> xfs_setfilesize(Kernel& k, inode& ip, std::uint64_t pos, std::uint64_t length) {
  xfs_trans tp;
  const std::int64_t error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::fsyncts, 0, 0,
                                                      tp, "xfs_setfilesize");
  if (error) co_return error;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_setfilesize");
  k.trace<Event::xfs_setfilesize>(ip.i_sb->s_dev, ip.i_ino, ip.i_size, ip.xfs->i_disk_size, pos,
                                  length);
  ip.xfs->i_disk_size = std::max(ip.xfs->i_disk_size, std::min(pos + length, ip.i_size));
  tp.joined = &ip;
  tp.unlock_inode = true;
  tp.logs_core = true;
  RedoRecord record;
  record.kind = RedoKind::size;
  record.ino = ip.i_ino;
  record.a = ip.xfs->i_disk_size;
  tp.redo.push_back(record);
  co_await xfs_trans_commit(k, tp);
  co_return 0;
}

}  // namespace faultline::xfs
