// Deferred mapping and unmapping of extents. Linux 6.12 fs/xfs/xfs_bmap_item.c, libxfs/xfs_bmap.c
// xfs_bmap_finish_one, xfs_bmapi_remap.
#include "kernel/fs/xfs/xfs_bmap_item.hpp"

#include "kernel/fs/xfs/xfs_alloc_run.hpp"
#include "kernel/fs/xfs/xfs_bmap.hpp"

namespace faultline::xfs {

static void __xfs_bmap_add(xfs_trans& tp, inode& ip, DeferOp op, const Extent& e) {
  DeferItem item = DeferItem::extent(DeferKind::bmap, e.start, e.len);
  item.op = op;
  item.state = e.state;
  item.off = e.off;
  item.ip = &ip;
  tp.alloc.deferred.push_back(item);
}

void xfs_bmap_map_extent(xfs_trans& tp, inode& ip, const Extent& e) {
  __xfs_bmap_add(tp, ip, DeferOp::bmap_map, e);
}

void xfs_bmap_unmap_extent(xfs_trans& tp, inode& ip, const Extent& e) {
  __xfs_bmap_add(tp, ip, DeferOp::bmap_unmap, e);
}

Path<void> xfs_bmap_update_finish_item(Kernel& k, xfs_trans& tp, const DeferItem& item) {
  xfs_mount& mp = *tp.mp;
  inode& ip = *item.ip;
  DataFork& fork = ip.xfs->df;
  const Extent extent{item.off, item.start, item.len, item.state};
  tp.alloc.busy_seq = mp.log.current_seq();
  const unsigned blocks = bmbt_blocks_for_insert(mp.space.geo, fork, extent.off, 1);
  const std::int64_t error = co_await prepare_bmbt_blocks(k, tp, blocks, extent.start);
  // Without a block for the tree the kernel would shut the file system down here.
  if (error) FL_BUG("no block for an extent tree: shutdown of XFS");
  const std::uint64_t kept =
      item.op == DeferOp::bmap_map ? fork.nblocks + extent.len : fork.nblocks - extent.len;
  ForkEdit edit(mp.space, tp.alloc, fork);
  edit.on_unmap = OnUnmap::keep;
  if (item.op == DeferOp::bmap_map) {
    edit.add_extent_hole_real(extent);
    tp.redo.push_back(extent_redo(RedoKind::extent_add, ip, extent));
  } else {
    while (!edit.bunmapi(extent.off, extent.end(), 1)) {
    }
    tp.redo.push_back(extent_redo(RedoKind::extent_del, ip, extent));
  }
  tp.blk_res_used += grown_by(kept, fork.nblocks);  // of the tree
  xfs_trans_log_inode(tp);
  co_await perform_steps(k, tp);
}

}  // namespace faultline::xfs
