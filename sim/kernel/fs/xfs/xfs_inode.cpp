// Inode locking. Linux 6.12 fs/xfs/xfs_inode.c: the tracepoint fires before the locks are taken and
// after they are released.
#include "kernel/fs/xfs/xfs_inode.hpp"

namespace faultline::xfs {

Path<void> xfs_ilock(Kernel& k, inode& ip, unsigned flags, const char* caller) {
  k.trace<Event::xfs_ilock>(ip.i_sb->s_dev, ip.i_ino, flags, caller);
  if (flags & XFS_IOLOCK_EXCL) {
    co_await down_write(ip.i_rwsem);
  } else if (flags & XFS_IOLOCK_SHARED) {
    co_await down_read(ip.i_rwsem);
  }
  if (flags & XFS_MMAPLOCK_EXCL) {
    co_await down_write(ip.i_data.invalidate_lock);
  } else if (flags & XFS_MMAPLOCK_SHARED) {
    co_await down_read(ip.i_data.invalidate_lock);
  }
  if (flags & XFS_ILOCK_EXCL) {
    co_await down_write(ip.xfs->i_lock);
  } else if (flags & XFS_ILOCK_SHARED) {
    co_await down_read(ip.xfs->i_lock);
  }
}

void xfs_iunlock(Kernel& k, inode& ip, unsigned flags, const char* caller) {
  if (flags & XFS_IOLOCK_EXCL) up_write(ip.i_rwsem);
  if (flags & XFS_IOLOCK_SHARED) up_read(ip.i_rwsem);
  if (flags & XFS_MMAPLOCK_EXCL) up_write(ip.i_data.invalidate_lock);
  if (flags & XFS_MMAPLOCK_SHARED) up_read(ip.i_data.invalidate_lock);
  if (flags & XFS_ILOCK_EXCL) up_write(ip.xfs->i_lock);
  if (flags & XFS_ILOCK_SHARED) up_read(ip.xfs->i_lock);
  k.trace<Event::xfs_iunlock>(ip.i_sb->s_dev, ip.i_ino, flags, caller);
}

}  // namespace faultline::xfs
