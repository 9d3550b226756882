// Timestamps and the dirty state of inodes. Linux 6.12 fs/inode.c and fs/fs-writeback.c. Times are
// coarse: a change within the same tick as the last one changes nothing and logs nothing.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

inline constexpr unsigned S_ATIME = 1, S_MTIME = 2, S_CTIME = 4;

/// Gives the locks of an inode and of its address space their classes and ids.
void init_inode_locks(Kernel& k, inode& node);

/// file_accessed(): atime of a read or mmap, under relatime rules; may run a transaction.
Path<void> touch_atime(Kernel& k, inode& node);
/// file_update_time(): mtime and ctime of a write; may run a transaction. 0 or a negative errno.
Path<std::int64_t> file_update_time(Kernel& k, inode& node);
/// Writes the word i_flags. What the model keeps beside it of immutable, append-only and, where
/// that can change on a live inode, DAX follows.
HelperPath<void> inode_store_flags(Kernel& k, inode& node, std::uint32_t flags);
/// inode_dio_wait(): until no direct I/O is under way. IOLOCK is held, so that none begins.
HelperPath<void> inode_dio_wait(Kernel& k, inode& node);
/// inode_dio_end(): the last one tells who waits.
void inode_dio_end(Kernel& k, inode& node);
/// The inode has dirty pages from now on (I_DIRTY_PAGES). Its spin locks are not modelled.
void __mark_inode_dirty_pages(Kernel& k, inode& node);

}  // namespace faultline
