// Giving back the blocks behind a new end of file. Linux 6.12 fs/xfs/xfs_inode.c
// xfs_itruncate_extents_flags. Left out: the attribute fork.
#include "kernel/fs/xfs/xfs_itruncate.hpp"
#include "kernel/fs/xfs/xfs_bmap.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_reflink_cancel.hpp"

namespace faultline::xfs {

// xfs_itruncate_clear_reflink_flags(): of a file without blocks nothing is shared.
static void clear_reflink_flag(xfs_inode& node) {
  if (node.df.nextents == 0 && node.cow.map.empty()) node.reflink = false;
}

HelperPath<std::int64_t> xfs_itruncate_extents(Kernel& k, xfs_trans& tp, inode& ip,
                                               std::uint64_t new_size) {
  const std::uint64_t dev = ip.i_sb->s_dev;
  k.trace<Event::xfs_itruncate_extents_start>(dev, ip.i_ino, ip.xfs->i_disk_size, new_size);
  const std::uint64_t first = (new_size + (1ULL << block_log) - 1) >> block_log;
  const std::int64_t error = co_await xfs_bunmapi_range(k, tp, ip, first, XFS_MAX_FILEOFF_END);
  if (error) co_return error;
  co_await xfs_reflink_cancel_cow_blocks(k, tp, ip, first, XFS_MAX_FILEOFF_END, true);
  clear_reflink_flag(*ip.xfs);
  xfs_trans_log_inode(tp);
  k.trace<Event::xfs_itruncate_extents_end>(dev, ip.i_ino, ip.xfs->i_disk_size, new_size);
  co_return 0;
}

}  // namespace faultline::xfs
