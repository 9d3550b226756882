// Letting two files share blocks: the part that is the same for every file system. Linux 6.12
// fs/ioctl.c ioctl_file_clone and ioctl_file_dedupe_range, fs/remap_range.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

struct iomap_ops;

/// FICLONERANGE on `fd_out`: 0 or a negative errno.
Path<std::int64_t> ioctl_file_clone(Kernel& k, std::int64_t fd_out, std::int64_t fd_in,
                                    const RemapRange& range);

/// FIDEDUPERANGE on `fd_in` with one destination: 0 or a negative errno. `status` is what it says
/// of the destination: bytes that are shared now, or a negative errno; -EBADE: the data differ.
Path<std::int64_t> ioctl_file_dedupe_range(Kernel& k, std::int64_t fd_in, std::int64_t fd_out,
                                           RemapRange range, std::int64_t* status);

/// Whether ranges that begin at pages hold the same: read through the page caches, or, of DAX
/// files, where they lie; `ops` finds that. The caller holds the locks of both files, and
/// everything is on the device. 0 or a negative errno.
Path<std::int64_t> vfs_dedupe_file_range_compare(Kernel& k, inode& in, inode& out,
                                                 const RemapRange& range, bool& same);
Path<std::int64_t> dax_dedupe_file_range_compare(Kernel& k, inode& in, inode& out,
                                                 const RemapRange& range, bool& same,
                                                 const iomap_ops& ops);

/// generic_remap_file_range_prep(): with both inodes locked, judges the request, cuts its length,
/// waits for direct I/O and writes dirty pages back. A length of 0 afterwards: nothing to do.
/// `dax_read_ops`: how DAX files are compared.
Path<std::int64_t> generic_remap_file_range_prep(Kernel& k, inode& in, inode& out,
                                                 RemapRange& range, const iomap_ops& dax_read_ops);

}  // namespace faultline
