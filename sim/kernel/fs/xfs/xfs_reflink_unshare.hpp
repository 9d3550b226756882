// Blocks of a file's own instead of shared ones. Linux 6.12 fs/xfs/xfs_reflink.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

/// xfs_reflink_unshare: what [offset, offset + len) shares with other files is copied, and written
/// back; IOLOCK and MMAPLOCK are held exclusively. A file that shares nothing any more loses the
/// flag. 0 or an errno.
Path<std::int64_t> xfs_reflink_unshare(Kernel& k, inode& ip, std::uint64_t offset,
                                       std::uint64_t len);

}  // namespace faultline::xfs
