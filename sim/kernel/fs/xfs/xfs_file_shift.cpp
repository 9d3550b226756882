// Collapsing and inserting ranges. See the header. Everything from one block before the range on is
// written back and dropped, then each mapping moves in a transaction of a chain. Left out: realtime
// files.
#include "kernel/fs/xfs/xfs_file_shift.hpp"

#include <cerrno>

#include "kernel/fs/xfs/xfs_bmap.hpp"
#include "kernel/fs/xfs/xfs_bmap_shift.hpp"
#include "kernel/fs/xfs/xfs_bmap_util.hpp"
#include "kernel/fs/xfs/xfs_defer.hpp"
#include "kernel/fs/xfs/xfs_eofblocks.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_reflink_cancel.hpp"
#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

namespace {

constexpr std::uint64_t to_fsb(std::uint64_t bytes) {
  return (bytes + (1ULL << block_log) - 1) >> block_log;
}

Path<std::int64_t> xfs_prepare_shift(Kernel& k, inode& ip, std::uint64_t offset) {
  const bool trims = co_await xfs_can_free_eofblocks(k, ip);
  std::int64_t error = 0;
  if (trims) error = co_await xfs_free_eofblocks(k, ip);
  if (error) co_return error;
  // One block more: what is before the range may be joined with what comes to lie behind it.
  offset &= PAGE_MASK;
  if (offset != 0) offset -= 1ULL << block_log;
  error = co_await xfs_flush_unmap_range(k, ip, offset, ip.i_size);
  if (!error && !ip.xfs->cow.map.empty()) {
    error = co_await xfs_reflink_cancel_cow_range(k, ip, offset, ~0ULL, true);
  }
  co_return error;
}

HelperPath<std::int64_t> shift_back(Kernel& k, xfs_trans& tp, inode& ip, std::uint64_t next,
                                    std::uint64_t shift) {
  for (bool done = false;;) {
    const std::int64_t error = co_await xfs_bmap_collapse_extents(k, tp, ip, next, shift, done);
    if (error || done) co_return error;
    co_await xfs_defer_finish(k, tp);
  }
}

HelperPath<std::int64_t> shift_on(Kernel& k, xfs_trans& tp, inode& ip, std::uint64_t stop,
                                  std::uint64_t shift) {
  std::int64_t error = co_await xfs_bmap_split_extent(k, tp, ip, stop);
  std::uint64_t next = null_fileoff;
  for (bool done = false; !error && !done;) {
    co_await xfs_defer_finish(k, tp);
    error = co_await xfs_bmap_insert_extents(k, tp, ip, next, shift, done, stop);
  }
  co_return error;
}

HelperPath<std::int64_t> end_shift(Kernel& k, xfs_trans& tp, inode& ip, std::int64_t error,
                                   const char* caller) {
  if (error) {
    co_await xfs_trans_cancel(k, tp, caller);
  } else {
    co_await xfs_trans_commit(k, tp);
  }
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, caller);
  co_return error;
}

}  // namespace

Path<std::int64_t> xfs_collapse_file_space(Kernel& k, inode& ip, std::uint64_t offset,
                                           std::uint64_t len) {
  k.trace<Event::xfs_collapse_file_space>(ip.i_sb->s_dev, ip.i_ino, 0);
  std::int64_t error = co_await xfs_free_file_space(k, ip, offset, len);
  if (!error) error = co_await xfs_prepare_shift(k, ip, offset);
  if (error) co_return error;
  xfs_trans tp;
  error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::write, 0, 0, tp,
                                   "xfs_collapse_file_space");
  if (error) co_return error;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_collapse_file_space");
  xfs_trans_ijoin(tp, ip);
  error = co_await shift_back(k, tp, ip, to_fsb(offset + len), to_fsb(len));
  error = co_await end_shift(k, tp, ip, error, "xfs_collapse_file_space");
  co_return error;
}

Path<std::int64_t> xfs_insert_file_space(Kernel& k, inode& ip, std::uint64_t offset,
                                         std::uint64_t len) {
  const std::uint64_t stop = to_fsb(offset);
  const std::uint64_t shift = to_fsb(len);
  k.trace<Event::xfs_insert_file_space>(ip.i_sb->s_dev, ip.i_ino, 0);
  std::int64_t error = co_await xfs_bmap_can_insert_extents(k, ip, stop, shift);
  if (!error) error = co_await xfs_prepare_shift(k, ip, offset);
  if (error) co_return error;
  const std::uint64_t resblks = xfs_diostrat_space_res(ip.xfs->i_mount->space.geo, 0);
  xfs_trans tp;
  error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::write, resblks, 0, tp,
                                   "xfs_insert_file_space");
  if (error) co_return error;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_insert_file_space");
  xfs_trans_ijoin(tp, ip);
  error = co_await shift_on(k, tp, ip, stop, shift);
  error = co_await end_shift(k, tp, ip, error, "xfs_insert_file_space");
  co_return error;
}

}  // namespace faultline::xfs
