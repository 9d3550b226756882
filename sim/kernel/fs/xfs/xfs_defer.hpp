// Deferred operations: work that one transaction leaves behind is logged as an intent and finished
// in the transactions that follow by rolling. Linux 6.12 fs/xfs/libxfs/xfs_defer.c.
#pragma once

#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

/// xfs_defer_finish_noroll: does all that is deferred; the last step is left uncommitted in `tp`.
HelperPath<void> xfs_defer_finish_noroll(Kernel& k, xfs_trans& tp);
/// xfs_defer_finish: the same, and `tp` comes back clean.
HelperPath<void> xfs_defer_finish(Kernel& k, xfs_trans& tp);

}  // namespace faultline::xfs
