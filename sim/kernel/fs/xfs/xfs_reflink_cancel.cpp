// Giving up blocks for copies. See the header. A reservation goes back to the free blocks at once;
// allocated blocks lose their mark in the reference counts and are freed, one extent a transaction.
#include "kernel/fs/xfs/xfs_reflink_cancel.hpp"

#include <algorithm>

#include "kernel/fs/xfs/xfs_bmap.hpp"
#include "kernel/fs/xfs/xfs_defer.hpp"
#include "kernel/fs/xfs/xfs_icache.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_refcount_item.hpp"

namespace faultline::xfs {

namespace {

// The last mapping of the fork that begins before `end`, cut to [off, end).
std::optional<Extent> last_before(const ExtentMap& map, std::uint64_t off, std::uint64_t end) {
  ExtentMap::Cursor c = map.lookup(end);
  std::optional<Extent> got = map.get(c);
  if (!got || got->off >= end) got = map.prev(c);
  if (!got || got->end() <= off) return std::nullopt;
  const std::uint64_t from = std::max(off, got->off);
  const std::uint64_t to = std::min(end, got->end());
  if (!got->delalloc()) got->start = got->start + (from - got->off);
  got->off = from;
  got->len = static_cast<ExtLen>(to - from);
  return got;
}

// Takes it out of the fork. Blocks that were reserved are free for everybody.
void remove(xfs_trans& tp, inode& ip, const Extent& del) {
  ForkEdit edit(tp.mp->space, tp.alloc, ip.xfs->cow);
  edit.on_unmap = OnUnmap::keep;
  edit.bunmapi(del.off, del.end(), 1);
  tp.mp->fdblocks += edit.unreserved();
}

}  // namespace

HelperPath<void> xfs_reflink_cancel_cow_blocks(Kernel& k, xfs_trans& tp, inode& ip,
                                               std::uint64_t off, std::uint64_t end,
                                               bool cancel_real) {
  if (ip.xfs->cow.map.empty()) co_return;
  while (const std::optional<Extent> del = last_before(ip.xfs->cow.map, off, end)) {
    end = del->off;
    k.trace<Event::xfs_reflink_cancel_cow>(ip.i_sb->s_dev, ip.i_ino, del->off, del->len, del->start,
                                           del->state == ExtState::unwritten ? 1 : 0);
    if (del->delalloc()) {
      remove(tp, ip, *del);
    } else if (del->state == ExtState::unwritten || cancel_real) {
      xfs_refcount_free_cow_extent(tp, *del);
      tp.alloc.deferred.push_back(DeferItem::extent(DeferKind::free, del->start, del->len));
      co_await xfs_defer_finish(k, tp);
      remove(tp, ip, *del);
    }
  }
  if (ip.xfs->cow.map.empty()) co_await xfs_blockgc_clear_iflag(k, ip, XFS_ICOWBLOCKS);
}

Path<std::int64_t> xfs_reflink_cancel_cow_range(Kernel& k, inode& ip, std::uint64_t offset,
                                                std::uint64_t count, bool cancel_real) {
  k.trace<Event::xfs_reflink_cancel_cow_range>(ip.i_sb->s_dev, ip.i_ino, ip.i_size,
                                               ip.xfs->i_disk_size, offset, count);
  const std::uint64_t off = offset >> block_log;
  const std::uint64_t blocks = (offset + count + (1ULL << block_log) - 1) >> block_log;
  const std::uint64_t end = count == ~0ULL ? XFS_MAX_FILEOFF_END : blocks;
  xfs_trans tp;
  const std::int64_t error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::write, 0, 0,
                                                      tp, "xfs_reflink_cancel_cow_range");
  if (error) co_return error;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_reflink_cancel_cow_range");
  xfs_trans_ijoin(tp, ip);
  co_await xfs_reflink_cancel_cow_blocks(k, tp, ip, off, end, cancel_real);
  co_await xfs_trans_commit(k, tp);
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_reflink_cancel_cow_range");
  co_return 0;
}

}  // namespace faultline::xfs
