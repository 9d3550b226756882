// Running the allocator as a path: it goes up to each wait, the buffer locks it took on the way are
// performed, the wait is done, and on. Linux 6.12 fs/xfs/libxfs/xfs_alloc.c has no such seam; it is
// here so that the allocator itself never suspends.
#pragma once

#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

/// Runs a walk to its end.
HelperPath<void> run_walk(Kernel& k, xfs_trans& tp, BtallocWalk& walk);
HelperPath<void> run_walk(Kernel& k, xfs_trans& tp, VextentWalk& walk);
/// Before an extent tree changes: finds an AG, near `hint`, with the `blocks` that it may need, and
/// holds it. ENOSPC.
HelperPath<std::int64_t> prepare_bmbt_blocks(Kernel& k, xfs_trans& tp, unsigned blocks,
                                             FsBlock hint);
/// What the trees asked for since the last call: buffer locks, in order.
HelperPath<void> perform_steps(Kernel& k, xfs_trans& tp);
/// The tracepoint at the end of an allocation of file data.
void trace_vextent_finish(Kernel& k, const xfs_mount& mp, const AllocArgs& args, AgNumber highest);

}  // namespace faultline::xfs
