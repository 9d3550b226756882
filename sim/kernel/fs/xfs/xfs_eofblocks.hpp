// Blocks behind the end of a file. Linux 6.12 fs/xfs/xfs_bmap_util.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

/// xfs_can_free_eofblocks: whether anything behind the end of the file may be given back. IOLOCK
/// is held exclusively; ILOCK is taken for the look, unless the inode says enough by itself.
Path<bool> xfs_can_free_eofblocks(Kernel& k, inode& ip);
/// i_delayed_blks: whether the data fork has reservations, or the CoW fork anything.
bool has_delayed_blocks(const inode& ip);
/// xfs_free_eofblocks: blocks behind the end of the file that nobody asked for are given back.
Path<std::int64_t> xfs_free_eofblocks(Kernel& k, inode& ip);

}  // namespace faultline::xfs
