// Changing a file's size: layouts are broken and mappings removed under MMAPLOCK, the part of the
// last page behind the new end is zeroed, then one chain of transactions sets the size and gives
// the blocks back. Linux 6.12 fs/xfs/xfs_iops.c xfs_vn_setattr, xfs_setattr_size. Left out: quota,
// other attributes.
#include "kernel/fs/xfs/xfs_setattr.hpp"

#include <cerrno>

#include "kernel/fs/inode.hpp"
#include "kernel/fs/xfs/xfs_icache.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_iomap.hpp"
#include "kernel/fs/xfs/xfs_itruncate.hpp"
#include "kernel/fs/xfs/xfs_layouts.hpp"
#include "kernel/fs/xfs/xfs_trans.hpp"
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/truncate.hpp"

namespace faultline::xfs {

namespace {

RedoRecord redo(const inode& ip, RedoKind kind, std::uint64_t value) {
  RedoRecord record;
  record.kind = kind;
  record.ino = ip.i_ino;
  record.a = value;
  return record;
}

// setattr_time(): the system call changes both times, whatever they were.
void setattr_time(Kernel& k, inode& ip, xfs_trans& tp) {
  ip.i_mtime = ip.i_ctime = k.coarse_time();
  tp.redo.push_back(redo(ip, RedoKind::times, ip.i_mtime.v));
  tp.redo.back().b = S_MTIME | S_CTIME;
}

// xfs_setattr_nonsize(): an empty file stays empty; only its times change.
Path<std::int64_t> xfs_setattr_nonsize(Kernel& k, inode& ip) {
  xfs_trans tp;
  const std::int64_t error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::ichange, 0, 0,
                                                      tp, "xfs_trans_alloc_ichange");
  if (error) co_return error;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_trans_alloc_ichange");
  tp.joined = &ip;
  tp.unlock_inode = true;
  setattr_time(k, ip, tp);
  xfs_trans_log_inode(tp);
  co_await xfs_trans_commit(k, tp);
  co_return 0;
}

HelperPath<std::int64_t> commit_size(Kernel& k, inode& ip, std::uint64_t newsize,
                                     std::uint64_t oldsize) {
  xfs_trans tp;
  std::int64_t error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::itruncate, 0, 0, tp,
                                                "xfs_setattr_size");
  if (error) co_return error;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_setattr_size");
  tp.joined = &ip;
  // The size on disk goes before the blocks, so that a crash shows none of what was cut off.
  ip.xfs->i_disk_size = newsize;
  tp.redo.push_back(redo(ip, RedoKind::size, newsize));
  xfs_trans_log_inode(tp);
  if (newsize <= oldsize) {
    error = co_await xfs_itruncate_extents(k, tp, ip, newsize);
    if (!error) ip.xfs->i_flags |= XFS_ITRUNCATED;
    if (!error) co_await xfs_blockgc_clear_iflag(k, ip, XFS_IEOFBLOCKS);
  }
  if (error) {
    co_await xfs_trans_cancel(k, tp, "xfs_setattr_size");
  } else {
    setattr_time(k, ip, tp);
    xfs_trans_log_inode(tp);
    co_await xfs_trans_commit(k, tp);
  }
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_setattr_size");
  co_return error;
}

}  // namespace

Path<std::int64_t> xfs_vn_setattr_size(Kernel& k, inode& ip, std::uint64_t newsize) {
  k.trace<Event::xfs_setattr>(ip.i_sb->s_dev, ip.i_ino, 0);
  // inode_newsize_ok(): the size of a sealed file stands, also for who asks for the one it has.
  const bool sealed = co_await is_iomap_sealed(ip);
  if (sealed) co_return -ETXTBSY;
  const std::uint64_t oldsize = ip.i_size;
  if (newsize == 0 && oldsize == 0 && ip.xfs->df.nextents == 0) {
    const std::int64_t error = co_await xfs_setattr_nonsize(k, ip);
    co_return error;
  }
  co_await inode_dio_wait(k, ip);
  bool did_zeroing = false;
  std::int64_t error = 0;
  if (newsize > oldsize) {
    error = co_await xfs_zero_range(k, ip, oldsize, newsize - oldsize, did_zeroing);
  } else {
    error = co_await xfs_truncate_page(k, ip, newsize, did_zeroing);
  }
  if (error) co_return error;
  co_await truncate_setsize(k, ip, newsize);
  // A size on disk beyond data that are not there yet would show stale blocks after a crash.
  const std::uint64_t disk_size = ip.xfs->i_disk_size;
  if (did_zeroing || (newsize > disk_size && oldsize != disk_size)) {
    error = co_await filemap_write_and_wait_range(k, ip.i_data, disk_size, newsize - 1);
    if (error) co_return error;
  }
  error = co_await commit_size(k, ip, newsize, oldsize);
  co_return error;
}

Path<std::int64_t> xfs_vn_setattr(Kernel& k, inode& ip, std::uint64_t newsize) {
  co_await xfs_ilock(k, ip, XFS_MMAPLOCK_EXCL, "xfs_vn_setattr");
  unsigned iolock = XFS_IOLOCK_EXCL | XFS_MMAPLOCK_EXCL;
  std::int64_t error = co_await xfs_break_layouts(k, ip, iolock, LayoutBreak::unmap);
  if (!error) error = co_await xfs_vn_setattr_size(k, ip, newsize);
  xfs_iunlock(k, ip, XFS_MMAPLOCK_EXCL, "xfs_vn_setattr");
  co_return error;
}

}  // namespace faultline::xfs
