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

// Releases what `flags` names, without a record of XFS.
static void release(inode& ip, unsigned flags) {
  if (flags & XFS_IOLOCK_EXCL) up_write(ip.i_rwsem);
  if (flags & XFS_IOLOCK_SHARED) up_read(ip.i_rwsem);
  if (flags & XFS_MMAPLOCK_EXCL) up_write(ip.i_data.invalidate_lock);
  if (flags & XFS_MMAPLOCK_SHARED) up_read(ip.i_data.invalidate_lock);
  if (flags & XFS_ILOCK_EXCL) up_write(ip.xfs->i_lock);
  if (flags & XFS_ILOCK_SHARED) up_read(ip.xfs->i_lock);
}

Path<bool> xfs_ilock_nowait(Kernel& k, inode& ip, unsigned flags, const char* caller) {
  struct Lock {
    rw_semaphore& sem;
    unsigned exclusive, shared;
  };
  const Lock order[] = {{ip.i_rwsem, XFS_IOLOCK_EXCL, XFS_IOLOCK_SHARED},
                        {ip.i_data.invalidate_lock, XFS_MMAPLOCK_EXCL, XFS_MMAPLOCK_SHARED},
                        {ip.xfs->i_lock, XFS_ILOCK_EXCL, XFS_ILOCK_SHARED}};
  k.trace<Event::xfs_ilock_nowait>(ip.i_sb->s_dev, ip.i_ino, flags, caller);
  unsigned taken = 0;
  for (const Lock& lock : order) {
    const unsigned wanted = flags & (lock.exclusive | lock.shared);
    if (wanted == 0) continue;
    bool got = false;
    if (wanted & lock.exclusive) {
      got = co_await down_write_trylock(lock.sem);
    } else {
      got = co_await down_read_trylock(lock.sem);
    }
    if (!got) {
      release(ip, taken);
      co_return false;
    }
    taken |= wanted;
  }
  co_return true;
}

void xfs_ilock_demote(Kernel& k, inode& ip, unsigned flags, const char* caller) {
  if (flags & XFS_ILOCK_EXCL) downgrade_write(ip.xfs->i_lock);
  if (flags & XFS_MMAPLOCK_EXCL) downgrade_write(ip.i_data.invalidate_lock);
  if (flags & XFS_IOLOCK_EXCL) downgrade_write(ip.i_rwsem);
  k.trace<Event::xfs_ilock_demote>(ip.i_sb->s_dev, ip.i_ino, flags, caller);
}

void xfs_iunlock(Kernel& k, inode& ip, unsigned flags, const char* caller) {
  release(ip, flags);
  k.trace<Event::xfs_iunlock>(ip.i_sb->s_dev, ip.i_ino, flags, caller);
}

}  // namespace faultline::xfs
