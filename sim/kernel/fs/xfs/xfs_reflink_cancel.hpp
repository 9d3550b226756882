// Blocks of the CoW fork that nobody will write. Linux 6.12 fs/xfs/xfs_reflink.c.
#pragma once

#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

/// xfs_reflink_cancel_cow_blocks: gives back what the CoW fork has in blocks [off, end), from the
/// back; `cancel_real`: also what is being written. `tp` rolls meanwhile; ILOCK is held.
HelperPath<void> xfs_reflink_cancel_cow_blocks(Kernel& k, xfs_trans& tp, inode& ip,
                                               std::uint64_t off, std::uint64_t end,
                                               bool cancel_real);
/// xfs_reflink_cancel_cow_range: the same in a transaction of its own; bytes, `count` ~0: to the
/// end. 0 or an errno.
Path<std::int64_t> xfs_reflink_cancel_cow_range(Kernel& k, inode& ip, std::uint64_t offset,
                                                std::uint64_t count, bool cancel_real);

}  // namespace faultline::xfs
