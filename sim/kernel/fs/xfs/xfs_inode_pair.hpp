// The locks of two inodes at once, always taken in one order whichever way round they are given.
// Linux 6.12 fs/xfs/xfs_inode.c. IOLOCK: the kernel orders by address, here by index of the inode;
// MMAPLOCK and ILOCK: by inode number. The second lock of a class is of the class's subclass.
#pragma once

#include "kernel/fs/xfs/xfs_inode.hpp"

namespace faultline::xfs {

/// xfs_lock_two_inodes: one kind of lock, XFS_ILOCK_EXCL or XFS_MMAPLOCK_EXCL, of two inodes.
Path<void> xfs_lock_two_inodes(Kernel& k, inode& a, inode& b, unsigned flag);
/// The ILOCK of the second one has been released, by a commit: its next holder is a first one.
void forget_second_ilock(Kernel& k, inode& a, inode& b);

/// lock_two_nondirectories(): IOLOCK of two different inodes, exclusively.
HelperPath<void> lock_two_nondirectories(Kernel& k, inode& a, inode& b);
void unlock_two_nondirectories(Kernel& k, inode& a, inode& b);

/// xfs_ilock2_io_mmap: IOLOCK and MMAPLOCK of both, exclusively, layouts of DAX files broken. 0 or
/// an errno. The two may be one.
Path<std::int64_t> xfs_ilock2_io_mmap(Kernel& k, inode& a, inode& b);
void xfs_iunlock2_io_mmap(Kernel& k, inode& a, inode& b);
/// The same after those of `src` were demoted, which another file has been given the blocks of.
void xfs_iunlock2_remapping(Kernel& k, inode& src, inode& dest);

}  // namespace faultline::xfs
