// Letting two files share blocks: the part that is the same for every file system. Linux 6.12
// fs/ioctl.c ioctl_file_clone and ioctl_file_dedupe_range, fs/remap_range.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// FICLONERANGE on `fd_out`: 0 or a negative errno.
Path<std::int64_t> ioctl_file_clone(Kernel& k, std::int64_t fd_out, std::int64_t fd_in,
                                    const RemapRange& range);

/// FIDEDUPERANGE on `fd_in` with one destination: 0 or a negative errno. `status` is what it says
/// of the destination: bytes that are shared now, or a negative errno; -EBADE: the data differ.
Path<std::int64_t> ioctl_file_dedupe_range(Kernel& k, std::int64_t fd_in, std::int64_t fd_out,
                                           RemapRange range, std::int64_t* status);

/// vfs_dedupe_file_range_compare(), dax_dedupe_file_range_compare(): whether the ranges, which are
/// on the device, hold the same.
Path<bool> vfs_dedupe_file_range_compare(Kernel& k, inode& in, inode& out, const RemapRange& range);

/// generic_remap_file_range_prep(): with both inodes locked, judges the request, cuts its length,
/// waits for direct I/O and writes dirty pages back. A length of 0 afterwards: nothing to do.
Path<std::int64_t> generic_remap_file_range_prep(Kernel& k, inode& in, inode& out,
                                                 RemapRange& range);

}  // namespace faultline
