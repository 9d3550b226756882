// The three locks of an XFS inode: IOLOCK (i_rwsem), MMAPLOCK (the mapping's invalidate_lock) and
// ILOCK, always taken in that order. Linux 6.12 fs/xfs/xfs_inode.c.
#pragma once

#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/kernel.hpp"

namespace faultline::xfs {

inline constexpr unsigned XFS_IOLOCK_EXCL = 1u << 0, XFS_IOLOCK_SHARED = 1u << 1,
                          XFS_ILOCK_EXCL = 1u << 2, XFS_ILOCK_SHARED = 1u << 3,
                          XFS_MMAPLOCK_EXCL = 1u << 4, XFS_MMAPLOCK_SHARED = 1u << 5;
/// xfs_lock_inumorder() of the second of two inodes: lock debugging's subclass, which the
/// tracepoint of xfs_ilock shows.
inline constexpr unsigned XFS_MMAPLOCK_SECOND = 1u << 20, XFS_ILOCK_SECOND = 1u << 24;

/// Takes the locks of `flags` in their order. `caller` is the calling function, for the trace.
Path<void> xfs_ilock(Kernel& k, inode& ip, unsigned flags, const char* caller);
/// The same without waiting: all of them or none; whether they were taken.
Path<bool> xfs_ilock_nowait(Kernel& k, inode& ip, unsigned flags, const char* caller);
/// Exclusive locks of `flags` become shared ones.
void xfs_ilock_demote(Kernel& k, inode& ip, unsigned flags, const char* caller);
void xfs_iunlock(Kernel& k, inode& ip, unsigned flags, const char* caller);

}  // namespace faultline::xfs
