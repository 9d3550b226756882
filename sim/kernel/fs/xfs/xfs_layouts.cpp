// Breaking layouts: of pages that a device may still transfer to, by unmapping them and waiting
// until they are idle. Linux 6.12 fs/xfs/xfs_file.c xfs_break_layouts, xfs_break_dax_layouts. Left
// out: layout leases of pNFS clients, which nobody holds here.
#include "kernel/fs/xfs/xfs_layouts.hpp"

#include "kernel/fs/dax.hpp"

namespace faultline::xfs {

static Path<std::int64_t> xfs_break_dax_layouts(Kernel& k, inode& ip) {
  const std::int64_t error = co_await dax_break_layout(k, ip.i_data, 0, ~0ULL);
  co_return error;
}

Path<std::int64_t> xfs_break_layouts(Kernel& k, inode& ip, unsigned&, LayoutBreak reason) {
  if (reason == LayoutBreak::unmap && k.profile.breaks_busy_layouts) {
    const std::int64_t error = co_await xfs_break_dax_layouts(k, ip);
    if (error) co_return error;
  }
  co_return 0;
}

}  // namespace faultline::xfs
