// Which inodes hold speculative blocks that a background worker may take back. Linux 6.12
// fs/xfs/xfs_icache.c: an inode's flag, a tag in its AG's inode tree, a mark on the AG. The worker
// itself does not run.
#pragma once

#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/kernel.hpp"

namespace faultline::xfs {

/// xfs_blockgc_set_iflag, of XFS_IEOFBLOCKS or XFS_ICOWBLOCKS.
Path<void> xfs_blockgc_set_iflag(Kernel& k, inode& ip, unsigned iflag);
/// xfs_blockgc_clear_iflag.
Path<void> xfs_blockgc_clear_iflag(Kernel& k, inode& ip, unsigned iflag);

}  // namespace faultline::xfs
