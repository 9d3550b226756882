// The page cache of XFS files on a block device. Linux 6.12 fs/xfs/xfs_aops.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

extern const address_space_operations xfs_address_space_operations;

}  // namespace faultline::xfs
