// What is behind a file range: the answers XFS gives to DAX. Linux 6.12 fs/xfs/xfs_iomap.c.
#pragma once

#include "kernel/fs/iomap.hpp"
#include "kernel/fs/xfs/xfs_iops.hpp"

namespace faultline::xfs {

extern const iomap_ops xfs_read_iomap_ops;
extern const iomap_ops xfs_dax_write_iomap_ops;
extern const iomap_ops xfs_page_mkwrite_iomap_ops;

}  // namespace faultline::xfs
