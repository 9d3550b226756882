// Giving a range of a file blocks, or taking them away. Linux 6.12 fs/xfs/xfs_bmap_util.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

/// xfs_free_file_space: whole blocks of [offset, offset + len) become a hole, what is left at the
/// ends is zeroed. IOLOCK and MMAPLOCK are held exclusively. 0 or an errno.
Path<std::int64_t> xfs_free_file_space(Kernel& k, inode& ip, std::uint64_t offset,
                                       std::uint64_t len);
/// xfs_alloc_file_space: holes of the range get unwritten blocks. 0 or an errno.
Path<std::int64_t> xfs_alloc_file_space(Kernel& k, inode& ip, std::uint64_t offset,
                                        std::uint64_t len);
/// xfs_flush_unmap_range: dirty data of the pages that the range meets are written back, then the
/// pages leave the mapping.
Path<std::int64_t> xfs_flush_unmap_range(Kernel& k, inode& ip, std::uint64_t offset,
                                         std::uint64_t len);

}  // namespace faultline::xfs
