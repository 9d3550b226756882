// Letting two files share blocks: the part that is the same for every file system. Linux 6.12
// fs/ioctl.c ioctl_file_clone, fs/remap_range.c. Left out: deduplication and its comparison of
// data, requests that a file system may shorten.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// FICLONERANGE on `fd_out`: 0 or a negative errno.
Path<std::int64_t> ioctl_file_clone(Kernel& k, std::int64_t fd_out, std::int64_t fd_in,
                                    const RemapRange& range);

/// generic_remap_file_range_prep(): with both inodes locked, judges the request, cuts its length,
/// waits for direct I/O and writes dirty pages back. A length of 0 afterwards: nothing to do.
Path<std::int64_t> generic_remap_file_range_prep(Kernel& k, inode& in, inode& out,
                                                 RemapRange& range);

}  // namespace faultline
