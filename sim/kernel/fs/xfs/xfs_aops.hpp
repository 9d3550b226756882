// The page cache of XFS files on a block device. Linux 6.12 fs/xfs/xfs_aops.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

extern const address_space_operations xfs_address_space_operations;

/// filemap_flush(): hands all that is dirty to the device and waits for nothing.
Path<void> xfs_filemap_flush(Kernel& k, inode& ip);
/// Reads a locked folio; it is unlocked when its data are there.
Path<void> xfs_vm_read_folio(Kernel& k, folio& f);

}  // namespace faultline::xfs
