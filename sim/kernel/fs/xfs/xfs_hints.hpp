// In which pieces a file wants its blocks: extent-size hints of the file and for copies of shared
// blocks, and the stripe unit of the file system, which counts behind the end of a file that has
// at least one. Linux 6.12 fs/xfs/xfs_inode.c, fs/xfs/xfs_iomap.c. Left out: the mount option
// swalloc, files that are always written elsewhere, realtime files.
#pragma once

#include "kernel/fs/xfs/xfs_mount.hpp"

namespace faultline::xfs {

/// Blocks that are allocated for a copy at once, where the file has no hint of its own.
inline constexpr ExtLen XFS_DEFAULT_COWEXTSZ_HINT = 32;

/// Blocks; 0: no hint. It is 0 whenever the inode's flag for it is not set.
inline ExtLen xfs_get_extsz_hint(const inode& ip) { return ExtLen(ip.xfs->extsize); }
/// The same for copies: the larger of both hints, never 0.
inline ExtLen xfs_get_cowextsz_hint(const inode& ip) {
  const auto hint = ExtLen(std::max(ip.xfs->extsize, ip.xfs->cowextsize));
  return hint != 0 ? hint : XFS_DEFAULT_COWEXTSZ_HINT;
}
/// xfs_eof_alignment(): blocks to which what is allocated behind the end of the file is rounded up;
/// 0: none.
inline ExtLen xfs_eof_alignment(const inode& ip) {
  const ExtLen align = ip.xfs->i_mount->m_dalign;
  return ip.i_size < std::uint64_t{align} << block_log ? 0 : align;
}
/// xfs_aligned_fsb_count(): blocks that a request may take once the hint has rounded it.
constexpr std::uint64_t xfs_aligned_fsb_count(std::uint64_t off, std::uint64_t count, ExtLen hint) {
  if (hint == 0) return count;
  count += off % hint;
  return (count + hint - 1) / hint * hint;
}
/// xfs_iomap_eof_align_last_fsb(): where a request that reaches behind the end of the file ends.
std::uint64_t xfs_iomap_eof_align_last_fsb(const inode& ip, std::uint64_t end_fsb);

}  // namespace faultline::xfs
