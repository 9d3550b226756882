// Giving back what writes have preallocated behind the end of a file. Linux 6.12
// fs/xfs/xfs_bmap_util.c xfs_can_free_eofblocks, xfs_free_eofblocks. Left out: realtime files,
// extent lists that are not in memory.
#include "kernel/fs/xfs/xfs_eofblocks.hpp"

#include "kernel/fs/inode.hpp"
#include "kernel/fs/xfs/xfs_bmap.hpp"
#include "kernel/fs/xfs/xfs_delalloc.hpp"
#include "kernel/fs/xfs/xfs_icache.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_ioctl.hpp"
#include "kernel/fs/xfs/xfs_itruncate.hpp"
#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

namespace {

// A file that was preallocated on purpose keeps its blocks, but not its reservations.
bool keeps_its_blocks(const inode& ip) {
  return (ip.xfs->xflags & FS_XFLAG_PREALLOC) != 0 || ip.append;
}

std::uint64_t eof_block(const inode& ip) {
  return (ip.i_size + (1ULL << block_log) - 1) >> block_log;
}

}  // namespace

bool has_delayed_blocks(const inode& ip) {
  if (!ip.xfs->cow.map.empty()) return true;
  const ExtentMap& map = ip.xfs->df.map;
  for (auto c = map.first(); const auto got = map.get(c); map.next(c)) {
    if (got->delalloc()) return true;
  }
  return false;
}

Path<bool> xfs_can_free_eofblocks(Kernel& k, inode& ip) {
  if (ip.type != InodeType::regular) co_return false;
  const bool empty = ip.i_size == 0 && ip.i_data.nrpages == 0;
  const bool delayed = (empty || keeps_its_blocks(ip)) && has_delayed_blocks(ip);
  if (empty && !delayed) co_return false;
  if ((ip.xfs->xflags & FS_XFLAG_PREALLOC) && !delayed) co_return false;
  co_await xfs_ilock(k, ip, XFS_ILOCK_SHARED, "xfs_can_free_eofblocks");
  const ExtentMap& map = ip.xfs->df.map;
  const bool found = map.get(map.lookup(eof_block(ip))).has_value() || has_delayed_blocks(ip);
  xfs_iunlock(k, ip, XFS_ILOCK_SHARED, "xfs_can_free_eofblocks");
  co_return found;
}

Path<std::int64_t> xfs_free_eofblocks(Kernel& k, inode& ip) {
  co_await inode_dio_wait(k, ip);
  if (keeps_its_blocks(ip)) {
    if (has_delayed_blocks(ip)) {
      co_await xfs_bmap_punch_delalloc_range(k, ip, eof_block(ip) << block_log,
                                             XFS_MAX_FILEOFF_END << block_log);
    }
    co_await xfs_blockgc_clear_iflag(k, ip, XFS_IEOFBLOCKS);
    co_return 0;
  }
  xfs_trans tp;
  std::int64_t error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::itruncate, 0, 0, tp,
                                                "xfs_free_eofblocks");
  if (error) co_return error;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_free_eofblocks");
  xfs_trans_ijoin(tp, ip);
  // The size on disk stays, as what lies before it may not be written yet.
  error = co_await xfs_itruncate_extents(k, tp, ip, ip.i_size);
  if (error) {
    co_await xfs_trans_cancel(k, tp, "xfs_free_eofblocks");
  } else {
    co_await xfs_trans_commit(k, tp);
    co_await xfs_blockgc_clear_iflag(k, ip, XFS_IEOFBLOCKS);
  }
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_free_eofblocks");
  co_return error;
}

}  // namespace faultline::xfs
