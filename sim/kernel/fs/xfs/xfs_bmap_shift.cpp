// Moving mappings along a file. See the header. A reservation among them is a defect of the file
// system (EFSCORRUPTED), since the caller has written everything back.
#include "kernel/fs/xfs/xfs_bmap_shift.hpp"

#include <cerrno>

#include "base/bug.hpp"
#include "kernel/fs/xfs/xfs_alloc_run.hpp"
#include "kernel/fs/xfs/xfs_bmap.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"

namespace faultline::xfs {

void ForkEdit::shift_extent(const Extent& e, std::uint64_t off) {
  const Extent moved{off, e.start, e.len, e.state};
  fork_.map.update(fork_.map.lookup(e.off), moved);
  find(e);
  bt_update(moved);
  fix_format();
}

void ForkEdit::shift_and_merge(const Extent& left, const Extent& e) {
  const Extent whole{left.off, left.start, left.len + e.len, left.state};
  ExtentMap::Cursor c = fork_.map.lookup(e.off);
  fork_.map.remove(c);
  fork_.map.prev(c);
  fork_.map.update(c, whole);
  --fork_.nextents;
  find(e);
  bt_delete();
  find(left);
  bt_update(whole);
  fix_format();
}

void ForkEdit::split_extent(std::uint64_t off) {
  ExtentMap::Cursor c = fork_.map.lookup(off);
  const Extent old = *fork_.map.get(c);
  const auto front_len = static_cast<ExtLen>(off - old.off);
  const Extent front{old.off, old.start, front_len, old.state};
  const Extent back{off, old.start + front_len, old.len - front_len, old.state};
  find(old);
  bt_update(front);
  insert_absent(back);
  fork_.map.update(c, front);
  fork_.map.next(c);
  fork_.map.insert(c, back);
  ++fork_.nextents;
  fix_format();
}

namespace {

constexpr std::int64_t EFSCORRUPTED = EUCLEAN;

// The record of a mapping that has moved.
void log_moved(xfs_trans& tp, const inode& ip, const Extent& from, std::uint64_t to) {
  Extent moved = from;
  moved.off = to;
  tp.redo.push_back(extent_redo(RedoKind::extent_del, ip, from));
  tp.redo.push_back(extent_redo(RedoKind::extent_add, ip, moved));
  xfs_trans_log_inode(tp);
}

void begin(Kernel& k, xfs_trans& tp) {
  k.engine.charge(k.costs.extent_lookup);
  tp.alloc.busy_seq = tp.mp->log.current_seq();
}

}  // namespace

Path<std::int64_t> xfs_bmap_collapse_extents(Kernel& k, xfs_trans& tp, inode& ip,
                                             std::uint64_t& next, std::uint64_t shift, bool& done) {
  DataFork& fork = ip.xfs->df;
  begin(k, tp);
  const ExtentMap::Cursor c = fork.map.lookup(next);
  const std::optional<Extent> got = fork.map.get(c);
  done = !got;
  if (done) co_return 0;
  if (got->delalloc()) co_return -EFSCORRUPTED;
  const std::optional<Extent> prev = fork.map.peek_prev(c);
  const std::optional<Extent> behind = fork.map.peek_next(c);
  if (got->off < shift || (prev && got->off - shift < prev->end())) co_return -EINVAL;
  Extent moved = *got;
  moved.off -= shift;
  ForkEdit edit(tp.mp->space, tp.alloc, fork);
  if (prev && contiguous(*prev, moved)) {
    edit.shift_and_merge(*prev, *got);
  } else {
    edit.shift_extent(*got, moved.off);
  }
  log_moved(tp, ip, *got, moved.off);
  co_await perform_steps(k, tp);
  done = !behind;
  if (behind) next = behind->off;
  co_return 0;
}

Path<std::int64_t> xfs_bmap_insert_extents(Kernel& k, xfs_trans& tp, inode& ip, std::uint64_t& next,
                                           std::uint64_t shift, bool& done, std::uint64_t stop) {
  DataFork& fork = ip.xfs->df;
  begin(k, tp);
  ExtentMap::Cursor c = next == null_fileoff ? fork.map.end() : fork.map.lookup(next);
  const std::optional<Extent> got = next == null_fileoff ? fork.map.prev(c) : fork.map.get(c);
  done = !got || got->off < stop;
  if (done) co_return 0;
  if (got->delalloc()) co_return -EFSCORRUPTED;
  const std::optional<Extent> behind = fork.map.peek_next(c);
  const std::optional<Extent> before = fork.map.peek_prev(c);
  if (behind && got->end() + shift > behind->off) co_return -EINVAL;
  ForkEdit edit(tp.mp->space, tp.alloc, fork);
  edit.shift_extent(*got, got->off + shift);
  log_moved(tp, ip, *got, got->off + shift);
  co_await perform_steps(k, tp);
  done = !before || stop >= before->end();
  if (!done) next = before->off;
  co_return 0;
}

Path<std::int64_t> xfs_bmap_split_extent(Kernel& k, xfs_trans& tp, inode& ip, std::uint64_t off) {
  xfs_mount& mp = *tp.mp;
  DataFork& fork = ip.xfs->df;
  begin(k, tp);
  const std::optional<Extent> got = fork.map.get(fork.map.lookup(off));
  if (!got || got->off >= off) co_return 0;
  if (got->delalloc()) co_return -EFSCORRUPTED;
  const unsigned blocks = bmbt_blocks_for_insert(mp.space.geo, fork, off, 1);
  const FsBlock near = mp.space.geo.inode_block(ip.i_ino);
  const std::int64_t error = co_await prepare_bmbt_blocks(k, tp, blocks, near);
  if (error) co_return error;
  const std::uint64_t before = fork.nblocks;
  ForkEdit edit(mp.space, tp.alloc, fork);
  edit.split_extent(off);
  tp.blk_res_used += grown_by(before, fork.nblocks);
  xfs_trans_log_inode(tp);
  co_await perform_steps(k, tp);
  co_return 0;
}

Path<std::int64_t> xfs_bmap_can_insert_extents(Kernel& k, inode& ip, std::uint64_t off,
                                               std::uint64_t shift) {
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_bmap_can_insert_extents");
  const ExtentMap& map = ip.xfs->df.map;
  const std::optional<Extent> last = map.peek_prev(map.end());
  const bool moves = last && last->off >= off;
  const bool too_far = moves && last->off + shift >= XFS_MAX_FILEOFF_END;
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_bmap_can_insert_extents");
  co_return too_far ? -EINVAL : 0;
}

}  // namespace faultline::xfs
