// The free-space trees' side of the free list, and the instantiation of their cursors.
// linux 6.12 fs/xfs/libxfs/xfs_alloc_btree.c; xfs_alloc.c (get_freelist, put_freelist,
// min_freelist).
#include "kernel/fs/xfs/xfs_ag.hpp"
#include "kernel/fs/xfs/xfs_btree_delete.hpp"

namespace faultline::xfs {

template class BtreeCursor<BnobtOps>;
template class BtreeCursor<CntbtOps>;

Daddr AllocbtSpace::daddr(AgBlock bno) const { return geo->daddr(pag->agno, bno); }

std::optional<AgBlock> AllocbtSpace::alloc_block(TransBufs& bufs, AgBlock) {
  const auto bno = xfs_alloc_get_freelist(*geo, *pag, bufs, true);
  if (bno) pag->busy.reuse(*bno, 1);
  return bno;
}

void AllocbtSpace::free_block(TransBufs& bufs, AgBlock bno) {
  xfs_alloc_put_freelist(*geo, *pag, bufs, bno, true);
  pag->busy.insert(bno, 1, busy_seq);
}

void AllocbtSpace::set_root(TransBufs& bufs, AgBlock) { bufs.log(geo->agf_daddr(pag->agno)); }

unsigned xfs_alloc_min_freelist(const Geometry& geo, const Perag& pag) {
  const auto both_splits = [](unsigned levels, unsigned maxlevels) {
    return std::min(levels + 1, maxlevels) * 2 - 2;
  };
  unsigned need = both_splits(pag.bnobt.nlevels, geo.alloc_maxlevels) +
                  both_splits(pag.cntbt.nlevels, geo.alloc_maxlevels);
  if (geo.rmapbt) need += both_splits(1, geo.rmap_maxlevels);
  return need;
}

std::optional<AgBlock> xfs_alloc_get_freelist(const Geometry& geo, Perag& pag, TransBufs& bufs,
                                              bool for_btree) {
  if (pag.agfl.empty()) return std::nullopt;
  bufs.read(BufKind::agfl, geo.agfl_daddr(pag.agno));
  const AgBlock bno = pag.agfl.front();
  pag.agfl.pop_front();
  bufs.brelse(geo.agfl_daddr(pag.agno));
  if (for_btree) ++pag.btreeblks;
  bufs.log(geo.agf_daddr(pag.agno));
  return bno;
}

void xfs_alloc_put_freelist(const Geometry& geo, Perag& pag, TransBufs& bufs, AgBlock bno,
                            bool for_btree) {
  bufs.read(BufKind::agfl, geo.agfl_daddr(pag.agno));
  FL_ASSERT(pag.agfl.size() < geo.agfl_size());
  pag.agfl.push_back(bno);
  if (for_btree) --pag.btreeblks;
  bufs.log(geo.agf_daddr(pag.agno));
  bufs.log(geo.agfl_daddr(pag.agno));
}

}  // namespace faultline::xfs
