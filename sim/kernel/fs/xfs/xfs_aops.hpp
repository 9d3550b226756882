// The page cache of XFS files on a block device. Linux 6.12 fs/xfs/xfs_aops.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

extern const address_space_operations xfs_address_space_operations;

/// Reads a locked folio; it is unlocked when its data are there.
Path<void> xfs_vm_read_folio(Kernel& k, folio& f);

}  // namespace faultline::xfs
