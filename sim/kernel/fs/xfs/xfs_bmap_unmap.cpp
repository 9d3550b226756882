// Unmapping blocks of a file. Linux 6.12 fs/xfs/libxfs/xfs_bmap.c __xfs_bunmapi, xfs_bunmapi_range:
// from the end of the range backwards, a few mappings a transaction, since each freed extent needs
// log space. What becomes of the blocks is deferred: freed, or one reference fewer.
#include <cerrno>

#include "kernel/fs/xfs/xfs_alloc_run.hpp"
#include "kernel/fs/xfs/xfs_bmap.hpp"
#include "kernel/fs/xfs/xfs_defer.hpp"

namespace faultline::xfs {

// A mapping that is cut in the middle becomes two: the tree may need blocks for the second.
static bool cuts_in_two(const ExtentMap& map, std::uint64_t off, std::uint64_t end) {
  const auto got = map.get(map.lookup(off));
  return got && got->off < off && got->end() > end && !got->delalloc();
}

HelperPath<std::int64_t> xfs_bunmapi(Kernel& k, xfs_trans& tp, inode& ip, std::uint64_t off,
                                     std::uint64_t end, unsigned max_extents, bool& done) {
  xfs_mount& mp = *tp.mp;
  DataFork& fork = ip.xfs->df;
  k.engine.charge(k.costs.extent_lookup);
  tp.alloc.busy_seq = mp.log.current_seq();
  if (cuts_in_two(fork.map, off, end)) {
    const unsigned blocks = bmbt_blocks_for_insert(mp.space.geo, fork, off, 1);
    const FsBlock near = mp.space.geo.inode_block(ip.i_ino);
    const std::int64_t error = co_await prepare_bmbt_blocks(k, tp, blocks, near);
    if (error) co_return error;
  }
  std::uint64_t kept = fork.nblocks;
  ForkEdit edit(mp.space, tp.alloc, fork);
  if (ip.xfs->reflink) edit.on_unmap = OnUnmap::drop_reference;
  done = edit.bunmapi(off, end, max_extents);
  FL_ASSERT(!edit.no_space());
  mp.fdblocks += edit.unreserved();
  for (const Extent& e : edit.removed()) {
    tp.redo.push_back(extent_redo(RedoKind::extent_del, ip, e));
    kept -= e.len;
  }
  tp.blk_res_used += grown_by(kept, fork.nblocks);  // of the tree
  if (!edit.removed().empty()) xfs_trans_log_inode(tp);
  co_await perform_steps(k, tp);
  co_return 0;
}

HelperPath<std::int64_t> xfs_bunmapi_range(Kernel& k, xfs_trans& tp, inode& ip, std::uint64_t off,
                                           std::uint64_t end) {
  for (bool done = false; !done;) {
    const std::int64_t error =
        co_await xfs_bunmapi(k, tp, ip, off, end, XFS_ITRUNC_MAX_EXTENTS, done);
    if (error) co_return error;
    co_await xfs_defer_finish(k, tp);
  }
  co_return 0;
}

}  // namespace faultline::xfs
