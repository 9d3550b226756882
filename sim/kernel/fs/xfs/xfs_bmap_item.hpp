// Deferred mapping and unmapping of extents. Linux 6.12 fs/xfs/xfs_bmap_item.c.
#pragma once

#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

/// Finishes one item: the blocks themselves are neither allocated nor freed.
Path<void> xfs_bmap_update_finish_item(Kernel& k, xfs_trans& tp, const DeferItem& item);

}  // namespace faultline::xfs
