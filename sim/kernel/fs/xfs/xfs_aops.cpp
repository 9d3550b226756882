// Readahead of XFS files. Linux 6.12 fs/xfs/xfs_aops.c. Left out: write-back.
#include "kernel/fs/xfs/xfs_aops.hpp"

#include "kernel/fs/iomap_buffered.hpp"
#include "kernel/fs/xfs/xfs_iomap.hpp"

namespace faultline::xfs {

static Path<void> xfs_vm_readahead(Kernel& k, address_space& mapping, std::vector<folio*>& folios) {
  co_await iomap_readahead(k, mapping, folios, xfs_read_iomap_ops);
}

const address_space_operations xfs_address_space_operations{.readahead = xfs_vm_readahead};

}  // namespace faultline::xfs
