// Whether an allocation group can serve a request, and bringing its free list to the right length.
// linux 6.12 fs/xfs/libxfs/xfs_alloc.c (space_available, longest_free_extent, fix_freelist).
#include "base/bug.hpp"
#include "kernel/fs/xfs/xfs_alloc.hpp"

namespace faultline::xfs {

ExtLen xfs_alloc_longest_free_extent(const Geometry& geo, const Perag& pag, ExtLen need) {
  const ExtLen listed = ExtLen(pag.agfl.size());
  ExtLen delta = need > listed ? need - listed : 0;
  const std::uint32_t others = pag.freeblks - pag.longest;
  if (others < pag.reserved) delta += pag.reserved - others;
  if (pag.longest > delta) return std::min(geo.ag_max_usable(), pag.longest - delta);
  // Not even that: still let the caller try for one block.
  return listed > 0 || pag.longest > 0 ? 1 : 0;
}

bool xfs_alloc_space_available(const Geometry& geo, const Perag& pag, AllocArgs& args,
                               AllocFlag flag, bool check) {
  if (flag == AllocFlag::freeing) return true;
  const ExtLen need = xfs_alloc_min_freelist(geo, pag);
  const ExtLen alloc_len = args.minlen + (args.alignment - 1) + args.alignslop;
  if (xfs_alloc_longest_free_extent(geo, pag, need) < alloc_len) return false;
  // Surplus list blocks do not count: they are freed only after this transaction.
  const std::int64_t listed = std::min<std::int64_t>(std::int64_t(pag.agfl.size()), need);
  const std::int64_t available =
      std::int64_t(pag.freeblks) + listed - pag.reserved - need - args.minleft;
  if (available < std::int64_t(std::max(args.total, alloc_len))) return false;
  if (available < std::int64_t(args.maxlen) && !check) args.maxlen = ExtLen(available);
  return true;
}

namespace {

/// Fills the free list up to `need`; false if the AG ran out before (which a free accepts).
bool extend(AgContext& ag, ExtLen need, AllocFlag flag) {
  while (ag.pag.agfl.size() < need) {
    AllocArgs args;
    args.agno = ag.pag.agno;
    args.agbno = 0;
    args.maxlen = need - ExtLen(ag.pag.agfl.size());
    // The list is not served from itself.
    args.minleft = ~ExtLen{0};
    if (xfs_alloc_ag_vextent_size(ag, args) != AllocEnd::found) {
      return flag == AllocFlag::freeing;
    }
    xfs_alloc_update_counters(ag, -std::int64_t(args.len));
    for (AgBlock b = args.agbno; b < args.agbno + args.len; ++b) {
      xfs_alloc_put_freelist(ag.geo, ag.pag, ag.tp.bufs, b, false);
      // The caller's own hold on the AGFL is the one that counts.
      ag.tp.bufs.brelse(ag.geo.agfl_daddr(ag.pag.agno));
    }
  }
  return true;
}

}  // namespace

bool xfs_alloc_fix_freelist(AgContext& ag, AllocArgs& args, AllocFlag flag) {
  const Daddr agf = ag.geo.agf_daddr(ag.pag.agno);
  const Daddr agfl = ag.geo.agfl_daddr(ag.pag.agno);
  FL_ASSERT(ag.tp.bufs.holds(agf));
  const ExtLen need = xfs_alloc_min_freelist(ag.geo, ag.pag);
  if (!xfs_alloc_space_available(ag.geo, ag.pag, args, flag, false)) {
    ag.tp.bufs.brelse(agf);
    return false;
  }
  while (ag.pag.agfl.size() > need) {
    const auto bno = xfs_alloc_get_freelist(ag.geo, ag.pag, ag.tp.bufs, false);
    ag.tp.deferred.push_back(
        DeferItem::extent(DeferKind::agfl_free, ag.geo.fsb(ag.pag.agno, *bno), 1));
  }
  ag.tp.bufs.read(BufKind::agfl, agfl);
  const bool ok = extend(ag, need, flag);
  ag.tp.bufs.brelse(agfl);
  if (!ok) ag.tp.bufs.brelse(agf);
  return ok;
}

}  // namespace faultline::xfs
