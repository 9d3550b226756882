// Copy on write of blocks that several files share. Linux 6.12 fs/xfs/xfs_reflink.c.
#pragma once

#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

/// xfs_reflink_trim_around_shared: cuts a mapping so that all of it is shared, or none. ILOCK held.
Path<bool> xfs_reflink_trim_around_shared(Kernel& k, inode& ip, Extent& imap);

/// What xfs_reflink_allocate_cow found: the data's mapping, cut to fit, and the copy's.
struct CowMapping {
  Extent imap;
  Extent cmap;
  bool shared = false;
  bool locked = true;  ///< ILOCK is held on return; not where no transaction could be had
};
/// xfs_reflink_allocate_cow: a place in the CoW fork for what is about to be written, if the blocks
/// are shared. ILOCK is held exclusively, and given up meanwhile. `convert_now`: the caller writes
/// at once, so the place must not be unwritten any more. 0 or an errno.
Path<std::int64_t> xfs_reflink_allocate_cow(Kernel& k, inode& ip, CowMapping& cow,
                                            bool convert_now);
/// xfs_reflink_convert_cow: what the CoW fork has allocated of [offset, offset + count) is about to
/// be written, and may move to the data fork after that. 0 or an errno.
Path<std::int64_t> xfs_reflink_convert_cow(Kernel& k, inode& ip, std::uint64_t offset,
                                           std::uint64_t count);
/// xfs_reflink_end_cow: what was written of [offset, offset + count) moves from the CoW fork to the
/// data fork. 0 or an errno.
Path<std::int64_t> xfs_reflink_end_cow(Kernel& k, inode& ip, std::uint64_t offset,
                                       std::uint64_t count);

}  // namespace faultline::xfs
