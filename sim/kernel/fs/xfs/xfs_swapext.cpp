// XFS_IOC_SWAPEXT, by which the defragmenter gives a file the blocks of its copy: both forks change
// places in one transaction. Linux 4.13 fs/xfs/xfs_ioctl.c xfs_ioc_swapext, xfs_bmap_util.c
// xfs_swap_extents. The caller's view of the file (size, times) is taken when the call begins; a
// change since then is EBUSY. The seal of MAP_DIRECT is looked at before any lock is held. Left
// out: reverse mapping, attribute forks, the owner in blocks of extent trees, quota.
#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "kernel/fs/inode.hpp"
#include "kernel/fs/xfs/xfs_bmap.hpp"
#include "kernel/fs/xfs/xfs_exchrange.hpp"
#include "kernel/fs/xfs/xfs_inode_pair.hpp"
#include "kernel/fs/xfs/xfs_trans.hpp"
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/truncate.hpp"

namespace faultline::xfs {

namespace {

/// What the caller knows of the target (xfs_bstat), and the range it asks for.
struct SwapExt {
  std::uint64_t offset = 0, length = 0;
  Nanos mtime{}, ctime{};
};

bool usable(const file& f) {
  return (f.f_mode & FMODE_READ) && (f.f_mode & FMODE_WRITE) && !(f.f_flags & O_APPEND);
}

// Nothing of the file may be cached when its blocks change.
Path<std::int64_t> xfs_swap_extent_flush(Kernel& k, inode& ip) {
  const std::int64_t error = co_await filemap_write_and_wait_range(k, ip.i_data, 0, ~0ULL >> 1);
  if (error) co_return error;
  co_await truncate_pagecache_range(k, ip, 0, ~0ULL);
  co_return ip.i_data.a_ops&& ip.i_data.nrpages != 0 ? -EINVAL : 0;
}

// Who asks for a swap wants fewer pieces; and what is inside an inode must fit there.
std::int64_t xfs_swap_extents_check_format(const inode& ip, const inode& tip) {
  const DataFork& to = ip.xfs->df;
  const DataFork& from = tip.xfs->df;
  if (to.nextents < from.nextents) return -EINVAL;
  return !to.btree && from.btree ? -EINVAL : 0;
}

void log_fork(xfs_trans& tp, const inode& ip, RedoKind kind) {
  const ExtentMap& map = ip.xfs->df.map;
  for (auto c = map.first(); const auto e = map.get(c); map.next(c)) {
    if (!e->delalloc()) tp.redo.push_back(extent_redo(kind, ip, *e));
  }
}

void swap_fork(DataFork& a, DataFork& b) {
  ExtentMap::exchange(a.map, b.map);
  std::swap(a.btree, b.btree);
  std::swap(a.bmbt, b.bmbt);
  std::swap(a.nextents, b.nextents);
  std::swap(a.nblocks, b.nblocks);
}

// xfs_swap_extent_forks(), with the flag of shared blocks and the CoW forks.
void xfs_swap_extent_forks(xfs_trans& tp, inode& ip, inode& tip) {
  for (const inode* const node : {&ip, &tip}) log_fork(tp, *node, RedoKind::extent_del);
  swap_fork(ip.xfs->df, tip.xfs->df);
  swap_fork(ip.xfs->cow, tip.xfs->cow);
  std::swap(ip.xfs->reflink, tip.xfs->reflink);
  for (const inode* const node : {&ip, &tip}) log_fork(tp, *node, RedoKind::extent_add);
  xfs_trans_log_inode(tp);
}

std::int64_t check_request(const inode& ip, const inode& tip, const SwapExt& sx) {
  const bool whole =
      sx.offset == 0 && sx.length == ip.xfs->i_disk_size && sx.length == tip.xfs->i_disk_size;
  if (!whole) return -EFAULT;
  if (const std::int64_t error = xfs_swap_extents_check_format(ip, tip)) return error;
  return ip.i_mtime != sx.mtime || ip.i_ctime != sx.ctime ? -EBUSY : 0;
}

HelperPath<std::int64_t> swap_locked(Kernel& k, inode& ip, inode& tip, const SwapExt& sx) {
  std::int64_t error = co_await xfs_swap_extent_flush(k, ip);
  if (!error) error = co_await xfs_swap_extent_flush(k, tip);
  xfs_trans tp;
  if (!error) {
    error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::write, 0, 0, tp,
                                     "xfs_swap_extents");
  }
  if (error) co_return error;
  co_await xfs_lock_two_inodes(k, ip, tip, XFS_ILOCK_EXCL);
  xfs_trans_ijoin(tp, ip);
  xfs_trans_ijoin(tp, tip);
  error = check_request(ip, tip, sx);
  if (error) {
    co_await xfs_trans_cancel(k, tp, "xfs_swap_extents");
  } else {
    k.engine.charge(k.costs.extent_lookup);
    xfs_swap_extent_forks(tp, ip, tip);
    co_await xfs_trans_commit(k, tp);
  }
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_swap_extents");
  xfs_iunlock(k, tip, XFS_ILOCK_EXCL, "xfs_swap_extents");
  forget_second_ilock(k, ip, tip);
  co_return error;
}

Path<std::int64_t> xfs_swap_extents(Kernel& k, inode& ip, inode& tip, const SwapExt& sx) {
  co_await lock_two_nondirectories(k, ip, tip);
  co_await xfs_lock_two_inodes(k, ip, tip, XFS_MMAPLOCK_EXCL);
  const std::int64_t error = co_await swap_locked(k, ip, tip, sx);
  xfs_iunlock(k, ip, XFS_MMAPLOCK_EXCL, "xfs_swap_extents");
  xfs_iunlock(k, tip, XFS_MMAPLOCK_EXCL, "xfs_swap_extents");
  unlock_two_nondirectories(k, ip, tip);
  co_return error;
}

}  // namespace

Path<std::int64_t> xfs_ioc_swapext(Kernel& k, file& target, file& tmp, const ExchangeRange& range) {
  inode& ip = *target.f_inode;
  inode& tip = *tmp.f_inode;
  // As the program saw it before the call.
  const SwapExt sx{range.file2_offset, range.length != 0 ? range.length : ip.i_size, ip.i_mtime,
                   ip.i_ctime};
  if (!usable(target) || !usable(tmp)) co_return -EBADF;
  const bool sealed = co_await is_iomap_sealed(ip);
  const bool tmp_sealed = co_await is_iomap_sealed(tip);
  if (sealed || tmp_sealed) co_return -EINVAL;
  if (!ip.xfs || !tip.xfs) co_return -EINVAL;
  if (ip.xfs->i_mount != tip.xfs->i_mount || &ip == &tip) co_return -EINVAL;
  if (ip.type != tip.type) co_return -EINVAL;
  const std::int64_t error = co_await xfs_swap_extents(k, ip, tip, sx);
  co_return error;
}

}  // namespace faultline::xfs
