// Moving mappings along a file. Linux 6.12 fs/xfs/libxfs/xfs_bmap.c (xfs_bmap_collapse_extents,
// xfs_bmap_insert_extents, xfs_bmap_split_extent): one mapping a call, so that the caller can roll
// its transaction in between. All in blocks; ILOCK is held exclusively.
#pragma once

#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

/// Moves the mapping at `next` towards the start by `shift`, where nothing may be; joins it with
/// the one before if they are one now. `next` goes to the mapping behind it, `done`: there is none.
/// 0 or an errno.
Path<std::int64_t> xfs_bmap_collapse_extents(Kernel& k, xfs_trans& tp, inode& ip,
                                             std::uint64_t& next, std::uint64_t shift, bool& done);
/// Moves the mapping at `next` (null_fileoff: the last one) towards the end by `shift`. `next` goes
/// to the mapping before it, `done`: none is left that begins at `stop` or behind.
Path<std::int64_t> xfs_bmap_insert_extents(Kernel& k, xfs_trans& tp, inode& ip, std::uint64_t& next,
                                           std::uint64_t shift, bool& done, std::uint64_t stop);
/// Sees to it that a mapping begins at `off` if any covers it. 0 or -ENOSPC.
Path<std::int64_t> xfs_bmap_split_extent(Kernel& k, xfs_trans& tp, inode& ip, std::uint64_t off);
/// -EINVAL if the last mapping, moved by `shift`, would be beyond what a file may have.
Path<std::int64_t> xfs_bmap_can_insert_extents(Kernel& k, inode& ip, std::uint64_t off,
                                               std::uint64_t shift);

inline constexpr std::uint64_t null_fileoff = ~0ULL;

}  // namespace faultline::xfs
