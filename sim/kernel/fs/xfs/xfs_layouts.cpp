// Breaking layouts: of pages that a device may still transfer to, by unmapping them and waiting
// until they are idle. Linux 6.12 fs/xfs/xfs_file.c xfs_break_layouts, xfs_break_dax_layouts. Left
// out: layout leases of pNFS clients, which nobody holds here.
#include "kernel/fs/xfs/xfs_layouts.hpp"

#include "kernel/fs/dax.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"

namespace faultline::xfs {

// With MMAPLOCK given up faults may map the file again: the caller has to look once more.
static Path<void> xfs_wait_dax_page(Kernel& k, inode& ip) {
  xfs_iunlock(k, ip, XFS_MMAPLOCK_EXCL, "xfs_wait_dax_page");
  Task& current = k.engine.current();
  current.sleep = SleepState::interruptible;
  co_await k.engine.block();
  current.sleep = SleepState::uninterruptible;
  co_await xfs_ilock(k, ip, XFS_MMAPLOCK_EXCL, "xfs_wait_dax_page");
}

Path<std::int64_t> xfs_break_dax_layouts(Kernel& k, inode& ip) {
  const IdleWait wait{xfs_wait_dax_page, true};
  const std::int64_t error = co_await dax_break_layout(k, ip.i_data, 0, ~0ULL, wait);
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
