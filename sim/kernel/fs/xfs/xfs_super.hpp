// What a freeze asks of XFS. Linux 6.12 fs/xfs/xfs_super.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

/// xfs_fs_sync_fs: the log is forced up to now.
Path<void> xfs_fs_sync_fs(Kernel& k, super_block& sb);
/// xfs_fs_freeze: the log is emptied, all metadata are in place, every inode is clean.
Path<void> xfs_fs_freeze(Kernel& k, super_block& sb);

}  // namespace faultline::xfs
