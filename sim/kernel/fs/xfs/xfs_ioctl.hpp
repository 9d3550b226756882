// Changing the flags of an XFS file. Linux 6.12 fs/xfs/xfs_ioctl.c, and 4.13.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

inline constexpr std::uint32_t FS_XFLAG_PREALLOC = 0x2, FS_XFLAG_IMMUTABLE = 0x8,
                               FS_XFLAG_APPEND = 0x10, FS_XFLAG_SYNC = 0x20,
                               FS_XFLAG_NOATIME = 0x40, FS_XFLAG_EXTSIZE = 0x800,
                               FS_XFLAG_EXTSZINHERIT = 0x1000, FS_XFLAG_DAX = 0x8000,
                               FS_XFLAG_COWEXTSIZE = 0x10000;

/// What FS_IOC_FSGETXATTR would have told, changed: flags to set and to clear, a new hint.
struct FsxattrChange {
  std::uint64_t set = 0, clear = 0;
  std::optional<std::uint64_t> extsize, cowextsize;  ///< bytes; each brings its flag
};
/// FS_IOC_FSSETXATTR: 0 or a negative errno.
Path<std::int64_t> ioctl_fssetxattr(Kernel& k, std::int64_t fd, const FsxattrChange& change);

}  // namespace faultline::xfs
