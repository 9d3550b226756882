// The last close of an open XFS file: blocks that appending writes had preallocated behind the end
// of the file go, the first time that a writer closes it; and a file that was cut off and written
// to again begins to be written back, so that a crash leaves fewer files that are empty. Linux 6.12
// fs/xfs/xfs_file.c xfs_file_release.
#include "kernel/fs/xfs/xfs_aops.hpp"
#include "kernel/fs/xfs/xfs_eofblocks.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_setattr.hpp"

namespace faultline::xfs {

Path<void> xfs_file_release(Kernel& k, file& file) {
  inode& ip = *file.f_inode;
  if (ip.xfs->i_flags & XFS_ITRUNCATED) {
    ip.xfs->i_flags &= ~(XFS_ITRUNCATED | XFS_EOFBLOCKS_RELEASED);
    if (has_delayed_blocks(ip)) co_await xfs_filemap_flush(k, ip);
  }
  if (ip.i_nlink == 0 || !(file.f_mode & FMODE_WRITE) || ip.append) co_return;
  if (ip.xfs->i_flags & XFS_EOFBLOCKS_RELEASED) co_return;
  // Whoever holds IOLOCK may be waiting for the mmap_lock that this task holds.
  const bool locked = co_await xfs_ilock_nowait(k, ip, XFS_IOLOCK_EXCL, "xfs_file_release");
  if (!locked) co_return;
  const bool found = co_await xfs_can_free_eofblocks(k, ip);
  if (found) {
    ip.xfs->i_flags |= XFS_EOFBLOCKS_RELEASED;
    co_await xfs_free_eofblocks(k, ip);
  }
  xfs_iunlock(k, ip, XFS_IOLOCK_EXCL, "xfs_file_release");
}

}  // namespace faultline::xfs
