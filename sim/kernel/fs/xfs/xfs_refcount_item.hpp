// Looking up and changing reference counts under the locks of their group. Linux 6.12
// fs/xfs/xfs_refcount_item.c, xfs_reflink.c xfs_reflink_find_shared.
#pragma once

#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

/// Defers a change to a later transaction of the chain: one user more of the extent's blocks, one
/// fewer, or blocks that are the CoW fork's now, or are not any more.
void xfs_refcount_increase_extent(xfs_trans& tp, const Extent& e);
void xfs_refcount_decrease_extent(xfs_trans& tp, const Extent& e);
void xfs_refcount_alloc_cow_extent(xfs_trans& tp, const Extent& e);
void xfs_refcount_free_cow_extent(xfs_trans& tp, const Extent& e);

/// Finishes a deferred change of reference counts; blocks without a user are deferred to be freed.
Path<void> xfs_refcount_update_finish_item(Kernel& k, xfs_trans& tp, const DeferItem& item);
/// xfs_reflink_find_shared: the first shared part of an extent; AGF and tree are locked meanwhile.
Path<BlockRun> xfs_reflink_find_shared(Kernel& k, xfs_mount& mp, FsBlock start, ExtLen len);

}  // namespace faultline::xfs
