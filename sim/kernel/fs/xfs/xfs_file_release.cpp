// The last close of an open XFS file: blocks that appending writes had preallocated behind the end
// of the file go, the first time that a writer closes it. Linux 6.12 fs/xfs/xfs_file.c
// xfs_file_release, fs/xfs/xfs_bmap_util.c xfs_can_free_eofblocks, xfs_free_eofblocks. Left out:
// the early write-back of a file that was cut off while it was open.
#include "kernel/fs/xfs/xfs_bmap.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_icache.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_ioctl.hpp"
#include "kernel/fs/xfs/xfs_itruncate.hpp"
#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

namespace {

// A file that was preallocated on purpose keeps its blocks.
bool keeps_its_blocks(const xfs_inode& ip) { return (ip.xflags & FS_XFLAG_PREALLOC) != 0; }

// xfs_can_free_eofblocks(): whether there is anything behind the end of the file.
Path<bool> xfs_can_free_eofblocks(Kernel& k, inode& ip) {
  if (ip.type != InodeType::regular) co_return false;
  if (ip.i_size == 0 && ip.i_data.nrpages == 0) co_return false;
  if (keeps_its_blocks(*ip.xfs)) co_return false;
  const std::uint64_t end = (ip.i_size + (1u << block_log) - 1) >> block_log;
  co_await xfs_ilock(k, ip, XFS_ILOCK_SHARED, "xfs_can_free_eofblocks");
  const ExtentMap& map = ip.xfs->df.map;
  const bool found = map.get(map.lookup(end)).has_value();
  xfs_iunlock(k, ip, XFS_ILOCK_SHARED, "xfs_can_free_eofblocks");
  co_return found;
}

// xfs_free_eofblocks(): the size on disk stays, as what lies before it may not be written yet.
Path<void> xfs_free_eofblocks(Kernel& k, inode& ip) {
  xfs_trans tp;
  std::int64_t error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::itruncate, 0, 0, tp,
                                                "xfs_free_eofblocks");
  if (error) co_return;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_free_eofblocks");
  xfs_trans_ijoin(tp, ip);
  error = co_await xfs_itruncate_extents(k, tp, ip, ip.i_size);
  if (error) {
    co_await xfs_trans_cancel(k, tp);
  } else {
    co_await xfs_trans_commit(k, tp);
    co_await xfs_blockgc_clear_iflag(k, ip, XFS_IEOFBLOCKS);
  }
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_free_eofblocks");
}

}  // namespace

Path<void> xfs_file_release(Kernel& k, file& file) {
  inode& ip = *file.f_inode;
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
