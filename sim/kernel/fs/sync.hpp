// fsync(2), fdatasync(2) and what calls them. Linux 6.12 fs/sync.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// Makes [start, end] (bytes) of a file durable, and the metadata that reading it back needs; all
/// metadata unless `datasync`. 0 or a negative errno.
Path<std::int64_t> vfs_fsync_range(Kernel& k, file& file, std::uint64_t start, std::uint64_t end,
                                   bool datasync);
/// generic_write_sync(): what a write of `written` bytes at `pos` owes a file opened O_SYNC or
/// O_DSYNC. `written`, or a negative errno, which `written` may be already.
HelperPath<std::int64_t> generic_write_sync(Kernel& k, file& file, std::uint64_t pos,
                                            std::int64_t written);
/// fsync(2) or fdatasync(2).
Path<std::int64_t> do_fsync(Kernel& k, std::int64_t fd, bool datasync);

}  // namespace faultline
