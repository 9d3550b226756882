// Changing a file's mappings inside a transaction: allocation and conversion of unwritten blocks.
// Linux 6.12 fs/xfs/libxfs/xfs_bmap.c xfs_bmapi_write; the structures are in xfs_bmap_fork.hpp.
#pragma once

#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

inline constexpr unsigned XFS_BMAPI_PREALLOC = 1u << 3,  ///< new blocks are unwritten
    XFS_BMAPI_CONVERT = 1u << 5,                         ///< unwritten blocks become written
    XFS_BMAPI_ZERO = 1u << 6;                            ///< new blocks are zeroed

/// Makes [off, off + count) blocks of the file real: one mapping from `off` on, which may be
/// shorter and comes back in `imap`. ILOCK is held exclusively. 0 or -ENOSPC.
Path<std::int64_t> xfs_bmapi_write(Kernel& k, xfs_trans& tp, inode& ip, std::uint64_t off,
                                   std::uint64_t count, unsigned flags, Extent& imap);

/// xfs_bunmapi: unmaps blocks [off, end) from the back, at most `max_extents` mappings; real blocks
/// are deferred to be freed. ILOCK is held exclusively. `done`: nothing mapped is left. 0, or
/// -ENOSPC when cutting a mapping in two finds no block for the extent tree.
HelperPath<std::int64_t> xfs_bunmapi(Kernel& k, xfs_trans& tp, inode& ip, std::uint64_t off,
                                     std::uint64_t end, unsigned max_extents, bool& done);
/// xfs_bunmapi_range: the whole range, freeing as it goes along; `tp` comes back clean.
HelperPath<std::int64_t> xfs_bunmapi_range(Kernel& k, xfs_trans& tp, inode& ip, std::uint64_t off,
                                           std::uint64_t end);

/// A request for blocks of a fork at `off`; `hint`: extent-size hint in blocks, 0: none.
BmapAlloc bmap_request(const xfs_inode& ip, const DataFork& fork, const xfs_trans& tp,
                       std::uint64_t off, std::uint64_t count, ExtLen hint);

/// Blocks that a tree has taken from the reservation. What it gave up is deferred to be freed
/// and counts as free only then.
constexpr std::uint64_t grown_by(std::uint64_t before, std::uint64_t after) {
  return after > before ? after - before : 0;
}

/// The record of a changed mapping for the log.
RedoRecord extent_redo(RedoKind kind, const inode& ip, const Extent& e);

inline constexpr unsigned XFS_ITRUNC_MAX_EXTENTS = 2;
/// One past the last block a file may have: 2^54 - 1 is the highest block.
inline constexpr std::uint64_t XFS_MAX_FILEOFF_END = 1ULL << 54;

}  // namespace faultline::xfs
