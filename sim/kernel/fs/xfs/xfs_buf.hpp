// Metadata buffers as locks: performing the steps that the allocator and the trees ask for. Linux
// 6.12 fs/xfs/xfs_buf.c. All metadata of a mounted file system is in the cache, so there is no I/O.
#pragma once

#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/kernel.hpp"

namespace faultline::xfs {

/// The cached buffer at `daddr`, made on first use.
xfs_buf& xfs_buf_get(Kernel& k, xfs_mount& mp, BufKind kind, Daddr daddr);
/// Locks as xfs_buf_find_lock does; `trylock` may fail and then returns false.
HelperPath<bool> xfs_buf_find_lock(Kernel& k, xfs_mount& mp, xfs_buf& bp, bool trylock);
/// Unlocks; `caller` as the tracepoint names it.
void xfs_buf_unlock(Kernel& k, xfs_mount& mp, xfs_buf& bp, const char* caller);
/// Performs `steps` in order; they stay where they are until it has ended.
HelperPath<void> xfs_buf_perform(Kernel& k, xfs_mount& mp, const std::vector<BufStep>& steps,
                                 const char* unlock_caller);

}  // namespace faultline::xfs
