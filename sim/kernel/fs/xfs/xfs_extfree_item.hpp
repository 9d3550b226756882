// Finishing deferred frees. Linux 6.12 fs/xfs/xfs_extfree_item.c.
#pragma once

#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

/// Gives the item's extent back to the free-space trees of its AG, whose AGF is waited for.
HelperPath<void> xfs_extent_free_finish_item(Kernel& k, xfs_trans& tp, const DeferItem& item);
/// The same for a surplus block of the free list.
HelperPath<void> xfs_agfl_free_finish_item(Kernel& k, xfs_trans& tp, const DeferItem& item);

}  // namespace faultline::xfs
