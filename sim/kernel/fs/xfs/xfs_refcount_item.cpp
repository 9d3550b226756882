// Reference counts and their locks: the AGF, then the root of the tree. Linux 6.12
// fs/xfs/xfs_refcount_item.c, libxfs/xfs_refcount.c xfs_refcount_finish_one. Left out: deeper
// trees, and with them requests that one transaction cannot finish.
#include "kernel/fs/xfs/xfs_refcount_item.hpp"

#include "kernel/fs/xfs/xfs_buf.hpp"

namespace faultline::xfs {

// Records of 12 bytes in a block with a header of 56: more need a second level.
static constexpr std::size_t one_block = (4096 - 56) / 12;

static void __xfs_refcount_add(xfs_trans& tp, DeferOp op, const Extent& e) {
  DeferItem item = DeferItem::extent(DeferKind::refcount, e.start, e.len);
  item.op = op;
  tp.alloc.deferred.push_back(item);
}

void xfs_refcount_increase_extent(xfs_trans& tp, const Extent& e) {
  __xfs_refcount_add(tp, DeferOp::refcount_increase, e);
}

void xfs_refcount_decrease_extent(xfs_trans& tp, const Extent& e) {
  __xfs_refcount_add(tp, DeferOp::refcount_decrease, e);
}

void xfs_refcount_alloc_cow_extent(xfs_trans& tp, const Extent& e) {
  __xfs_refcount_add(tp, DeferOp::refcount_alloc_cow, e);
}

void xfs_refcount_free_cow_extent(xfs_trans& tp, const Extent& e) {
  __xfs_refcount_add(tp, DeferOp::refcount_free_cow, e);
}

static Daddr root_of(const Geometry& geo, AgNumber agno) {
  return geo.daddr(geo.fsb(agno, geo.refc_root()));
}

// Locks a buffer unless the transaction has it, and changes it.
static HelperPath<void> hold(Kernel& k, xfs_trans& tp, BufKind kind, Daddr daddr) {
  tp.alloc.bufs.read(kind, daddr);
  co_await xfs_buf_perform(k, *tp.mp, tp.alloc.bufs.take_steps(), "xfs_trans_brelse");
  tp.alloc.bufs.log(daddr);
}

Path<void> xfs_refcount_update_finish_item(Kernel& k, xfs_trans& tp, const DeferItem& item) {
  xfs_mount& mp = *tp.mp;
  const Geometry& geo = mp.space.geo;
  Perag& pag = mp.space.ags[geo.agno(item.start)];
  co_await hold(k, tp, BufKind::agf, geo.agf_daddr(pag.agno));
  co_await hold(k, tp, BufKind::refcountbt, root_of(geo, pag.agno));
  const AgBlock bno = geo.agbno(item.start);
  switch (item.op) {
    case DeferOp::refcount_increase:
      pag.refcounts.increase(bno, item.len);
      break;
    case DeferOp::refcount_decrease:
      for (const BlockRun& run : pag.refcounts.decrease(bno, item.len)) {
        tp.alloc.deferred.push_back(
            DeferItem::extent(DeferKind::free, geo.fsb(pag.agno, run.bno), run.len));
      }
      break;
    case DeferOp::refcount_alloc_cow:
      pag.refcounts.alloc_cow(bno, item.len);
      break;
    case DeferOp::refcount_free_cow:
      pag.refcounts.free_cow(bno, item.len);
      break;
    default:
      FL_BUG("no change of reference counts");
  }
  if (pag.refcounts.records() > one_block) {
    k.unmodelled("a reference-count tree of more than one block; its other blocks are not locked");
  }
  co_await xfs_buf_perform(k, mp, tp.alloc.bufs.take_steps(), "xfs_trans_brelse");
}

Path<BlockRun> xfs_reflink_find_shared(Kernel& k, xfs_mount& mp, FsBlock start, ExtLen len) {
  const Geometry& geo = mp.space.geo;
  const AgNumber agno = geo.agno(start);
  xfs_buf& agf = xfs_buf_get(k, mp, BufKind::agf, geo.agf_daddr(agno));
  xfs_buf& root = xfs_buf_get(k, mp, BufKind::refcountbt, root_of(geo, agno));
  co_await xfs_buf_find_lock(k, mp, agf, false);
  co_await xfs_buf_find_lock(k, mp, root, false);
  const BlockRun run = mp.space.ags[agno].refcounts.find_shared(geo.agbno(start), len);
  k.engine.charge(k.costs.btree_op);
  xfs_buf_unlock(k, mp, root, "xfs_trans_brelse");
  xfs_buf_unlock(k, mp, agf, "xfs_trans_brelse");
  co_return run;
}

}  // namespace faultline::xfs
