// Deferred mapping and unmapping of extents. Linux 6.12 fs/xfs/xfs_bmap_item.c.
#pragma once

#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

/// Defers mapping the extent, or unmapping it, to a later transaction of the chain.
void xfs_bmap_map_extent(xfs_trans& tp, inode& ip, const Extent& e);
void xfs_bmap_unmap_extent(xfs_trans& tp, inode& ip, const Extent& e);

/// Finishes one item: the blocks themselves are neither allocated nor freed.
Path<void> xfs_bmap_update_finish_item(Kernel& k, xfs_trans& tp, const DeferItem& item);

}  // namespace faultline::xfs
