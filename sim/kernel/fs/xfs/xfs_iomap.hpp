// What is behind a file range: the answers XFS gives to DAX. Linux 6.12 fs/xfs/xfs_iomap.c.
#pragma once

#include "kernel/fs/iomap.hpp"
#include "kernel/fs/xfs/xfs_iops.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"

namespace faultline::xfs {

extern const iomap_ops xfs_read_iomap_ops;
extern const iomap_ops xfs_dax_write_iomap_ops;
extern const iomap_ops xfs_direct_write_iomap_ops;
/// Of the page cache: a store to a mapped page, write(2).
extern const iomap_ops xfs_page_mkwrite_iomap_ops;
extern const iomap_ops xfs_buffered_write_iomap_ops;
/// Linux 4.13: one table for everything.
extern const iomap_ops xfs_iomap_ops;

/// Of a write that gets its blocks at once: direct, DAX, or of a file with an extent-size hint.
Path<std::int64_t> xfs_direct_write_iomap_begin(Kernel& k, inode& ip, std::uint64_t offset,
                                                std::uint64_t length, unsigned flags, iomap& map,
                                                iomap& srcmap);

/// An extent as iomap sees it; `flags` IOMAP_F_*.
void xfs_bmbt_to_iomap(const inode& ip, iomap& map, const Extent& imap, std::uint16_t flags);

inline const iomap_ops& xfs_read_iomap_ops_of(const Profile& profile) {
  return profile.dax_entries == DaxEntries::radix_tree ? xfs_iomap_ops : xfs_read_iomap_ops;
}
inline const iomap_ops& xfs_dax_write_iomap_ops_of(const Profile& profile) {
  return profile.dax_entries == DaxEntries::radix_tree ? xfs_iomap_ops : xfs_dax_write_iomap_ops;
}

inline const iomap_ops& xfs_direct_write_iomap_ops_of(const Profile& profile) {
  return profile.dax_entries == DaxEntries::radix_tree ? xfs_iomap_ops : xfs_direct_write_iomap_ops;
}

/// xfs_zero_range: zeroes [pos, pos + len) where there are blocks. `did_zero`: some had to be.
Path<std::int64_t> xfs_zero_range(Kernel& k, inode& ip, std::uint64_t pos, std::uint64_t len,
                                  bool& did_zero);
/// xfs_truncate_page: the same from `pos` to the end of its block.
Path<std::int64_t> xfs_truncate_page(Kernel& k, inode& ip, std::uint64_t pos, bool& did_zero);

}  // namespace faultline::xfs
