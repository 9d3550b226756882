// Inode operations that log the inode: timestamps and the size. Linux 6.12 fs/xfs/xfs_iops.c and
// xfs_aops.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

/// Sets the timestamps of `flags` (S_ATIME, ...) to now in a transaction. 0 or a negative errno.
Path<std::int64_t> xfs_vn_update_time(Kernel& k, inode& ip, unsigned flags);
/// Logs the file size after an extending write that ended at pos + length.
Path<std::int64_t> xfs_setfilesize(Kernel& k, inode& ip, std::uint64_t pos, std::uint64_t length);

}  // namespace faultline::xfs
