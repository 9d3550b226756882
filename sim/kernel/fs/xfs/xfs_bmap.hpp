// Changing a file's mappings inside a transaction: allocation and conversion of unwritten blocks.
// Linux 6.12 fs/xfs/libxfs/xfs_bmap.c xfs_bmapi_write; the structures are in xfs_bmap_fork.hpp.
#pragma once

#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

/// Makes [off, off + count) blocks of the file real and written, zeroed: one mapping from `off` on,
/// which may be shorter and comes back in `imap`. ILOCK is held exclusively. 0 or -ENOSPC.
Path<std::int64_t> xfs_bmapi_write(Kernel& k, xfs_trans& tp, inode& ip, std::uint64_t off,
                                   std::uint64_t count, Extent& imap);

}  // namespace faultline::xfs
