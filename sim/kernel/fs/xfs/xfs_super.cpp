// Freezing an XFS. Linux 6.12 fs/xfs/xfs_super.c xfs_fs_sync_fs, xfs_fs_freeze. An inode that
// changes again after it has to get its cluster buffer attached. Left out: the blocks reserved for
// the time of the freeze, work of inactivation that is stopped.
#include "kernel/fs/xfs/xfs_super.hpp"

#include "kernel/fs/xfs/xfs_log.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"

namespace faultline::xfs {

Path<void> xfs_fs_sync_fs(Kernel& k, super_block& sb) {
  co_await xfs_log_force(k, *sb.mount, "xfs_fs_sync_fs");
}

Path<void> xfs_fs_freeze(Kernel& k, super_block& sb) {
  co_await xfs_log_quiesce(k, *sb.mount);
  // Also of those that were declared: their changes before the scenario are in place now.
  for (inode& node : k.inodes) {
    if (node.i_sb == &sb && node.xfs && node.xfs->item.lsn == 0) node.xfs->li_buf = false;
  }
}

}  // namespace faultline::xfs
