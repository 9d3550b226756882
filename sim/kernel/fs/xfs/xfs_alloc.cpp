// What every allocation shares: fitting a request into a free extent, and taking a piece out of
// both trees. linux 6.12 fs/xfs/libxfs/xfs_alloc.c (compute_aligned, compute_diff, fix_len,
// fixup_trees, fixup_longest, ag_vextent_exact, ag_vextent_small).
#include "kernel/fs/xfs/xfs_alloc.hpp"

#include "base/bug.hpp"

namespace faultline::xfs {
namespace {

constexpr AgBlock round_up(AgBlock b, ExtLen to) { return (b + to - 1) / to * to; }
constexpr ExtLen distance(AgBlock a, AgBlock b) { return a > b ? a - b : b - a; }

}  // namespace

BusyExtents::Trimmed xfs_alloc_compute_aligned(const AgContext& ag, const AllocArgs& args,
                                               FreeExtent found) {
  auto fit = ag.pag.busy.trim(found.bno, found.len, args.minlen, args.maxlen);
  if (fit.bno < args.min_agbno && fit.bno + fit.len > args.min_agbno) {
    const ExtLen cut = args.min_agbno - fit.bno;
    fit.bno += cut;
    fit.len -= cut;
  }
  if (args.alignment > 1 && fit.len >= args.minlen) {
    const AgBlock aligned = round_up(fit.bno, args.alignment);
    const ExtLen cut = aligned - fit.bno;
    fit.bno = aligned;
    fit.len = cut >= fit.len ? 0 : fit.len - cut;
  }
  return fit;
}

ExtLen xfs_alloc_compute_diff(const AllocArgs& args, FreeExtent free, AgBlock& start) {
  const AgBlock want = args.agbno;
  const AgBlock want_end = want + args.len;
  const AgBlock free_end = free.bno + free.len;
  const bool userdata = (args.datatype & XFS_ALLOC_USERDATA) != 0;
  start = null_agbno;
  if (free.bno >= want || (userdata && free_end < want_end)) {
    // Behind the wanted place, or file data before it: the front, so that the file can grow on.
    const AgBlock b = round_up(free.bno, args.alignment);
    if (b < free_end) start = b;
  } else if (free_end >= want_end && args.alignment > 1) {
    const AgBlock above = round_up(want, args.alignment);
    const AgBlock below = above - args.alignment;
    const bool above_ok = above < free_end;
    const bool below_ok = below >= free.bno && below <= above;
    const ExtLen above_len = above_ok ? std::min(args.len, free_end - above) : 0;
    const ExtLen below_len = below_ok ? std::min(args.len, free_end - below) : 0;
    const bool prefer_below =
        above_len < below_len ||
        (above_len == below_len && distance(above, want) > distance(below, want));
    if (above_ok) start = above;
    if (below_ok && (!above_ok || prefer_below)) start = below;
  } else if (free_end >= want_end) {
    start = want;
  } else if (args.alignment > 1) {
    const AgBlock last = free_end - args.len;
    AgBlock b = round_up(last, args.alignment);
    if (b > last && b - args.alignment >= free.bno) {
      b -= args.alignment;
    } else if (b >= free_end) {
      return 0;
    }
    start = b;
  } else {
    start = free_end - args.len;
  }
  return start == null_agbno ? 0 : distance(start, want);
}

void xfs_alloc_fix_len(AllocArgs& args) {
  ExtLen len = args.len;
  if (args.prod <= 1 || len < args.mod || len == args.maxlen ||
      (args.mod == 0 && len < args.prod)) {
    return;
  }
  const ExtLen rest = len % args.prod;
  if (rest == args.mod) return;
  const ExtLen cut = rest > args.mod ? rest - args.mod : args.prod - (args.mod - rest);
  if (cut > len || len - cut < args.minlen) return;
  len -= cut;
  args.len = len;
}

namespace {

/// The longest free extent is the last record of the cntbt: looked up afresh at the right edge.
void fixup_longest(AgContext& ag, CntbtCursor& cnt) {
  const bool any = cnt.lookup_le({null_agbno, ~ExtLen{0}});
  ag.pag.longest = any ? cnt.record()->len : 0;
  ag.tp.bufs.log(ag.geo.agf_daddr(ag.pag.agno));
}

void must(bool ok) { FL_ASSERT(ok); }

void cnt_insert(CntbtCursor& cnt, AllocRec rec) {
  must(!cnt.lookup_eq(rec));
  must(cnt.insert(rec));
}

}  // namespace

void xfs_alloc_fixup_trees(AgContext& ag, CntbtCursor& cnt, BnobtCursor& bno, FreeExtent from,
                           FreeExtent taken, CursorAt at) {
  const AllocRec old{from.bno, from.len};
  if (at != CursorAt::cnt) must(cnt.lookup_eq(old));
  if (at != CursorAt::bno) must(bno.lookup_eq(old));

  const AgBlock taken_end = taken.bno + taken.len;
  const AllocRec before{from.bno, taken.bno - from.bno};
  const AllocRec after{taken_end, from.bno + from.len - taken_end};
  const AllocRec& first = before.len != 0 ? before : after;  // what replaces the old record
  const bool two = before.len != 0 && after.len != 0;

  const bool longest_may_change = cnt.in_last_block();
  must(cnt.remove());
  if (first.len != 0) cnt_insert(cnt, first);
  if (two) cnt_insert(cnt, after);
  if (first.len == 0) {
    must(bno.remove());
  } else {
    bno.update(first);
  }
  if (two) {
    must(!bno.lookup_eq(after));
    must(bno.insert(after));
  }
  if (longest_may_change) fixup_longest(ag, cnt);
}

AllocEnd xfs_alloc_ag_vextent_exact(AgContext& ag, AllocArgs& args) {
  auto bno = ag.bno_cursor();
  const AgBlock want = args.agbno;
  args.agbno = null_agbno;
  if (!bno.lookup_le({want, args.minlen})) return AllocEnd::none;
  const AllocRec found = *bno.record();
  const auto fit = ag.pag.busy.trim(found.bno, found.len, args.minlen, args.maxlen);
  const AgBlock end = fit.bno + fit.len;
  if (fit.bno > want || fit.len < args.minlen || end < want + args.minlen) return AllocEnd::none;
  args.len = std::min(end, want + args.maxlen) - want;
  xfs_alloc_fix_len(args);
  auto cnt = ag.cnt_cursor();
  xfs_alloc_fixup_trees(ag, cnt, bno, {found.bno, found.len}, {want, args.len}, CursorAt::bno);
  bno.close();
  args.agbno = want;
  args.wasfromfl = false;
  return AllocEnd::found;
}

bool xfs_alloc_ag_vextent_small(AgContext& ag, AllocArgs& args, CntbtCursor* cnt,
                                FreeExtent& found) {
  found = {};
  if (cnt != nullptr && cnt->decrement()) {
    const AllocRec rec = *cnt->record();
    if (rec.len >= args.minlen) {
      found = {rec.bno, rec.len};
    } else {
      args.agbno = null_agbno;
    }
    return false;
  }
  if (args.minlen != 1 || args.alignment != 1 || ag.pag.agfl.size() <= args.minleft) {
    args.agbno = null_agbno;
    return false;
  }
  const auto bno = xfs_alloc_get_freelist(ag.geo, ag.pag, ag.tp.bufs, false);
  ag.pag.busy.reuse(*bno, 1);
  args.agbno = *bno;
  args.len = 1;
  args.wasfromfl = true;
  return true;
}

void xfs_alloc_update_counters(AgContext& ag, std::int64_t blocks) {
  ag.pag.freeblks = std::uint32_t(std::int64_t(ag.pag.freeblks) + blocks);
  FL_ASSERT(ag.pag.freeblks <= ag.pag.length);
  ag.tp.bufs.log(ag.geo.agf_daddr(ag.pag.agno));
}

namespace {

struct Neighbours {
  std::optional<AllocRec> left;
  std::optional<AllocRec> right;
};

/// The free extents that touch [bno, bno + len); leaves the cursor one past the left one.
Neighbours touching(BnobtCursor& cur, AgBlock bno, ExtLen len) {
  Neighbours near;
  if (cur.lookup_le({bno, len})) {
    near.left = cur.record();
    FL_ASSERT(near.left->bno + near.left->len <= bno);
    if (near.left->bno + near.left->len < bno) near.left.reset();
  }
  if (cur.increment()) {
    near.right = cur.record();
    FL_ASSERT(bno + len <= near.right->bno);
    if (bno + len < near.right->bno) near.right.reset();
  }
  return near;
}

void cnt_delete(CntbtCursor& cnt, const AllocRec& rec) {
  must(cnt.lookup_eq(rec));
  must(cnt.remove());
}

/// xfs_free_ag_extent: puts the extent into both trees, merged with what it touches.
void free_ag_extent(AgContext& ag, AgBlock bno, ExtLen len) {
  auto by_bno = ag.bno_cursor();
  const Neighbours near = touching(by_bno, bno, len);
  auto by_cnt = ag.cnt_cursor();
  AllocRec whole{bno, len};
  if (near.left) whole = {near.left->bno, near.left->len + len};
  if (near.right) whole.len += near.right->len;

  if (near.left) cnt_delete(by_cnt, *near.left);
  if (near.right) cnt_delete(by_cnt, *near.right);
  if (near.left && near.right) must(by_bno.remove());
  if (near.left) must(by_bno.decrement());
  if (near.left || near.right) {
    by_bno.update(whole);
  } else {
    must(by_bno.insert(whole));
  }
  by_bno.close();

  must(!by_cnt.lookup_eq(whole));
  const bool longest_may_change = by_cnt.in_last_block();
  must(by_cnt.insert(whole));
  if (longest_may_change) fixup_longest(ag, by_cnt);
  by_cnt.close();
  xfs_alloc_update_counters(ag, len);
}

}  // namespace

void xfs_free_extent(AgContext& ag, AgBlock bno, ExtLen len) {
  FL_ASSERT(len > 0 && bno + len <= ag.pag.length);
  AllocArgs args;
  args.agno = ag.pag.agno;
  must(xfs_alloc_fix_freelist(ag, args, AllocFlag::freeing));
  free_ag_extent(ag, bno, len);
  ag.pag.busy.insert(bno, len, ag.tp.busy_seq);
}

void xfs_free_agfl_block(AgContext& ag, AgBlock bno, BufKind kind) {
  free_ag_extent(ag, bno, 1);
  const Daddr daddr = ag.geo.daddr(ag.geo.fsb(ag.pag.agno, bno));
  ag.tp.bufs.read(kind, daddr);
  ag.tp.bufs.binval(daddr);
}

}  // namespace faultline::xfs
