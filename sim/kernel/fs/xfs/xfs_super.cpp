// Quiescing the log. Linux 6.12 fs/xfs/xfs_super.c xfs_fs_freeze, xfs_log.c xfs_log_quiesce: after
// it an inode that changes again has to get its cluster buffer attached. Left out: the record that
// covers the log, and the blocks reserved for the time of the freeze.
#include "kernel/fs/xfs/xfs_super.hpp"

#include "kernel/fs/xfs/xfs_log_force.hpp"

namespace faultline::xfs {

Path<void> xfs_fs_sync_fs(Kernel& k, super_block& sb) {
  xfs_mount& mp = *sb.mount;
  co_await xfs_log_force_seq(k, mp, mp.log.current_seq(), "xfs_fs_sync_fs");
}

Path<void> xfs_fs_freeze(Kernel& k, super_block& sb) {
  co_await xfs_ail_push_all(k, *sb.mount);
  for (inode& node : k.inodes) {
    if (node.i_sb == &sb && node.xfs) node.xfs->li_buf = false;
  }
}

}  // namespace faultline::xfs
