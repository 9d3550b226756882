// The end of an XFS file: its name goes, then its blocks, then the inode. Linux 6.12
// fs/xfs/xfs_inode.c xfs_remove, xfs_inactive; fs/xfs/xfs_icache.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

/// The directory that every file of the file system lies in.
inode& xfs_root_directory(Kernel& k, super_block& sb);
/// xfs_remove: the entry of the directory and the link. 0 or an errno.
Path<std::int64_t> xfs_remove(Kernel& k, inode& dp, inode& ip);

/// Before what is cached of a file that nobody refers to goes: pinned pages are waited for where
/// the kernel does so.
Path<void> xfs_fs_evict_inode(Kernel& k, inode& ip);
/// Afterwards: the file is inactivated, by a kernel worker or (4.13) at once.
Path<void> xfs_fs_destroy_inode(Kernel& k, inode& ip);

}  // namespace faultline::xfs
