// Unsharing. See the header. A DAX file's blocks are copied at once; the page cache's pages become
// dirty, so that write-back gives them places of their own.
#include "kernel/fs/xfs/xfs_reflink_unshare.hpp"

#include <algorithm>

#include "kernel/fs/dax.hpp"
#include "kernel/fs/inode.hpp"
#include "kernel/fs/iomap_unshare.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_iomap.hpp"
#include "kernel/fs/xfs/xfs_refcount_item.hpp"
#include "kernel/fs/xfs/xfs_reflink.hpp"
#include "kernel/fs/xfs/xfs_reflink_cancel.hpp"
#include "kernel/fs/xfs/xfs_trans.hpp"
#include "kernel/mm/filemap.hpp"

namespace faultline::xfs {

namespace {

// xfs_reflink_inode_has_shared_extents()
Path<bool> has_shared_extents(Kernel& k, inode& ip) {
  const ExtentMap& map = ip.xfs->df.map;
  for (auto c = map.first(); const auto got = map.get(c); map.next(c)) {
    Extent e = *got;
    if (e.delalloc() || e.state == ExtState::unwritten) continue;
    const BlockRun run = co_await xfs_reflink_find_shared(k, *ip.xfs->i_mount, e.start, e.len);
    if (run.len != 0) co_return true;
  }
  co_return false;
}

// xfs_reflink_clear_inode_flag(), with what is left of the CoW fork.
Path<void> xfs_reflink_clear_inode_flag(Kernel& k, xfs_trans& tp, inode& ip) {
  const bool shared = co_await has_shared_extents(k, ip);
  if (shared) co_return;
  co_await xfs_reflink_cancel_cow_blocks(k, tp, ip, 0, ~0ULL >> block_log, true);
  k.trace<Event::xfs_reflink_unset_inode_flag>(ip.i_sb->s_dev, ip.i_ino, 0);
  ip.xfs->reflink = false;
  xfs_trans_log_inode(tp);
}

Path<std::int64_t> xfs_reflink_try_clear_inode_flag(Kernel& k, inode& ip) {
  xfs_trans tp;
  const std::int64_t error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::write, 0, 0,
                                                      tp, "xfs_reflink_try_clear_inode_flag");
  if (error) co_return error;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_reflink_try_clear_inode_flag");
  xfs_trans_ijoin(tp, ip);
  co_await xfs_reflink_clear_inode_flag(k, tp, ip);
  co_await xfs_trans_commit(k, tp);
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_reflink_try_clear_inode_flag");
  co_return 0;
}

}  // namespace

Path<std::int64_t> xfs_reflink_unshare(Kernel& k, inode& ip, std::uint64_t offset,
                                       std::uint64_t len) {
  if (!ip.xfs->reflink) co_return 0;
  k.trace<Event::xfs_reflink_unshare>(ip.i_sb->s_dev, ip.i_ino, ip.i_size, ip.xfs->i_disk_size,
                                      offset, len);
  co_await inode_dio_wait(k, ip);
  std::int64_t error = 0;
  if (ip.dax) {
    error = co_await dax_file_unshare(k, ip, offset, len, xfs_dax_write_iomap_ops);
  } else {
    error = co_await iomap_file_unshare(k, ip, offset, len, xfs_buffered_write_iomap_ops);
  }
  if (error) co_return error;
  // Of the page cache all of the file: with the flag the reservations of dirty pages elsewhere go.
  const std::uint64_t first = ip.dax ? offset : 0;
  const std::uint64_t last = ip.dax ? offset + len - 1 : ~0ULL >> 1;
  error = co_await filemap_write_and_wait_range(k, ip.i_data, first, last);
  if (!error) error = co_await xfs_reflink_try_clear_inode_flag(k, ip);
  co_return error;
}

}  // namespace faultline::xfs
