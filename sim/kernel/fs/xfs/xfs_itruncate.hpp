// Giving back the blocks behind a new end of file. Linux 6.12 fs/xfs/xfs_inode.c.
#pragma once

#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

/// xfs_itruncate_extents: frees all blocks from `new_size` (bytes, rounded up) on, over as many
/// rolls as it takes. The inode is joined to `tp` with its ILOCK held exclusively. 0 or an errno.
HelperPath<std::int64_t> xfs_itruncate_extents(Kernel& k, xfs_trans& tp, inode& ip,
                                               std::uint64_t new_size);

}  // namespace faultline::xfs
