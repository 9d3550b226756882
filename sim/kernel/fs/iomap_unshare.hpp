// Copying blocks that a file shares with others. Linux 6.12 fs/iomap/buffered-io.c
// iomap_file_unshare, fs/dax.c dax_file_unshare.
#pragma once

#include "kernel/fs/iomap.hpp"
#include "kernel/kernel.hpp"

namespace faultline {

/// The page cache of [pos, pos + len) becomes dirty where the file's blocks are shared; what is not
/// cached is read. Ends at the end of the file. 0 or a negative errno.
Path<std::int64_t> iomap_file_unshare(Kernel& k, inode& host, std::uint64_t pos, std::uint64_t len,
                                      const iomap_ops& ops);
/// The same for a DAX file, whose blocks are copied on the device.
Path<std::int64_t> dax_file_unshare(Kernel& k, inode& host, std::uint64_t pos, std::uint64_t len,
                                    const iomap_ops& ops);

}  // namespace faultline
