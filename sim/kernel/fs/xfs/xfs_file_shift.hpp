// Taking a range out of a file, and making room for one. Linux 6.12 fs/xfs/xfs_bmap_util.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

/// xfs_collapse_file_space: the blocks of [offset, offset + len) go, what is behind moves there.
/// Whole blocks; IOLOCK and MMAPLOCK are held exclusively. The size stays. 0 or an errno.
Path<std::int64_t> xfs_collapse_file_space(Kernel& k, inode& ip, std::uint64_t offset,
                                           std::uint64_t len);
/// xfs_insert_file_space: what is at `offset` and behind moves by `len`; a hole is left.
Path<std::int64_t> xfs_insert_file_space(Kernel& k, inode& ip, std::uint64_t offset,
                                         std::uint64_t len);

}  // namespace faultline::xfs
