// Changing a file's size. Linux 6.12 fs/xfs/xfs_iops.c xfs_vn_setattr, xfs_setattr_size.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

/// A bit of i_flags: blocks were cut off, and nothing has been written back since. The last close
/// then begins to write back what has no blocks yet.
inline constexpr unsigned XFS_ITRUNCATED = 1u << 5;

/// xfs_vn_setattr with ATTR_SIZE, ATTR_MTIME and ATTR_CTIME: truncates or extends the file to
/// `newsize` bytes. The caller holds freeze protection and i_rwsem exclusively. 0 or an errno.
Path<std::int64_t> xfs_vn_setattr(Kernel& k, inode& ip, std::uint64_t newsize);
/// xfs_vn_setattr_size: the part of it behind the layouts, MMAPLOCK held exclusively.
Path<std::int64_t> xfs_vn_setattr_size(Kernel& k, inode& ip, std::uint64_t newsize);

}  // namespace faultline::xfs
