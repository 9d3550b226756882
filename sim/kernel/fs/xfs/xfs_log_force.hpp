// Forcing the log: what is committed becomes durable. Linux 6.12 fs/xfs/xfs_log.c, xfs_log_cil.c.
// The log lies on the same device, so a force is a write and a flush of it, modelled as one cost.
#pragma once

#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/kernel.hpp"

namespace faultline::xfs {

/// Makes the checkpoints up to `seq` durable; busy extents of theirs may be used again. `caller` as
/// the tracepoint names it.
Path<void> xfs_log_force_seq(Kernel& k, xfs_mount& mp, std::uint64_t seq, const char* caller);
/// Writes metadata back so that the log's tail moves and its space is free again.
Path<void> xfs_ail_push_all(Kernel& k, xfs_mount& mp);

}  // namespace faultline::xfs
