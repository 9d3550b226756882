// The two searches of an allocation group: by locality (near) and by size.
// linux 6.12 fs/xfs/libxfs/xfs_alloc.c (ag_vextent_near, _locality, _lastblock, cntbt_iter,
// walk_iter, cur_check, ag_vextent_size).
#include "base/bug.hpp"
#include "kernel/fs/xfs/xfs_alloc.hpp"

namespace faultline::xfs {
namespace {

/// State of a search by locality: three cursors and the best candidate so far.
class NearSearch {
 public:
  NearSearch(AgContext& ag, AllocArgs& args)
      : ag_(ag), args_(args), cnt_(ag.cnt_cursor()), lt_(ag.bno_cursor()), gt_(ag.bno_cursor()) {}

  AllocEnd run();
  void close() {
    cnt_.close();
    lt_.close();
    gt_.close();
  }

 private:
  enum class Stop { first_hit, never };

  template <class Cursor>
  bool check(Cursor& cur, bool& active, bool by_bno);
  template <class Cursor>
  bool walk(Cursor& cur, bool& active, bool by_bno, bool forward, Stop stop, int count);
  bool last_block(FreeExtent& first);
  void locality();
  void cnt_step();
  AllocEnd finish();

  AgContext& ag_;
  AllocArgs& args_;
  CntbtCursor cnt_;
  BnobtCursor lt_;
  BnobtCursor gt_;
  bool cnt_active_ = false;
  bool lt_active_ = false;
  bool gt_active_ = false;
  ExtLen cur_len_ = 0;
  FreeExtent rec_{};   // the free extent of the best candidate
  FreeExtent best_{};  // the candidate inside it
  ExtLen best_diff_ = ~ExtLen{0};
  bool busy_ = false;
};

/// Looks at the record under `cur`; true if it is the new best. Ends the cursor's walk when it has
/// left the range in which it can find better.
template <class Cursor>
bool NearSearch::check(Cursor& cur, bool& active, bool by_bno) {
  const AllocRec rec = *cur.record();
  if (rec.len < args_.minlen) {
    if (!by_bno) active = false;
    return false;
  }
  const auto fit = xfs_alloc_compute_aligned(ag_, args_, {rec.bno, rec.len});
  busy_ |= fit.busy;
  if (fit.bno < args_.min_agbno || fit.bno > args_.max_agbno) {
    if (by_bno) active = false;
    return false;
  }
  if (fit.len < args_.minlen) return false;
  args_.len = std::min(fit.len, args_.maxlen);
  xfs_alloc_fix_len(args_);
  if (args_.len < best_.len) return false;
  AgBlock start = null_agbno;
  const ExtLen diff = xfs_alloc_compute_diff(args_, {fit.bno, fit.len}, start);
  if (start == null_agbno) return false;
  if (diff > best_diff_) {
    if (by_bno) active = false;
    return false;
  }
  rec_ = {rec.bno, rec.len};
  best_ = {start, args_.len};
  best_diff_ = diff;
  if (best_diff_ == 0 && best_.len == args_.maxlen) active = false;
  return true;
}

/// Checks up to `count` records (negative: all) in one direction.
template <class Cursor>
bool NearSearch::walk(Cursor& cur, bool& active, bool by_bno, bool forward, Stop stop, int count) {
  bool hit = false;
  while (active && count != 0) {
    if (check(cur, active, by_bno)) {
      hit = true;
      if (stop == Stop::first_hit) break;
    }
    if (!active) break;
    if (!(forward ? cur.increment() : cur.decrement())) active = false;
    if (count > 0) --count;
  }
  return hit;
}

/// The search stands in the cntbt's last leaf: look at every record of it that is long enough.
bool NearSearch::last_block(FreeExtent& first) {
  if (first.len != 0 || args_.alignment > 1) {
    cnt_.rewind_leaf();
    for (;;) {
      if (cnt_.record()->len >= args_.minlen) break;
      if (!cnt_.increment()) return false;
    }
  }
  // When nothing is as long as maxlen the cursor counts as ended, and this walk finds nothing.
  walk(cnt_, cnt_active_, false, true, Stop::never, -1);
  return best_.len != 0;
}

/// One step of the search by size: the extent nearest to the wanted place among those of the
/// current length; then a longer length, doubled once something was found.
void NearSearch::cnt_step() {
  if (!cnt_active_) return;
  ExtLen length = cur_len_;
  cnt_active_ = cnt_.lookup_ge({args_.agbno, length});
  if (!cnt_active_) return;
  const AllocRec rec = *cnt_.record();
  check(cnt_, cnt_active_, false);
  cur_len_ = rec.len;
  if (rec.bno > args_.agbno && cnt_.decrement()) {
    // The one before may be closer on the other side; a shorter one is of no interest.
    if (cnt_.record()->len == cur_len_) check(cnt_, cnt_active_, false);
  }
  length <<= 1;
  if (best_.len == 0 || cur_len_ >= length) {
    ++cur_len_;
  } else {
    cur_len_ = length;
  }
}

/// Searches left and right of the wanted place and by size, a step of each in turn: a hit by place
/// ends it, so that neither a fragmented neighbourhood nor a fragmented AG costs too much.
void NearSearch::locality() {
  cnt_active_ = cnt_.lookup_ge({args_.agbno, cur_len_});
  lt_active_ = lt_.lookup_le({args_.agbno, 0});
  gt_active_ = gt_.lookup_ge({args_.agbno, 0});
  bool finish_right = false;
  bool finish_left = false;
  while (lt_active_ || gt_active_ || cnt_active_) {
    if (walk(lt_, lt_active_, true, false, Stop::first_hit, 1)) {
      finish_right = true;
      break;
    }
    if (walk(gt_, gt_active_, true, true, Stop::first_hit, 1)) {
      finish_left = true;
      break;
    }
    cnt_step();
    if (!cnt_active_) break;
  }
  if (finish_right) walk(gt_, gt_active_, true, true, Stop::first_hit, -1);
  if (finish_left) walk(lt_, lt_active_, true, false, Stop::first_hit, -1);
  if (finish_right || finish_left || cnt_active_ || best_.len != 0 || busy_) return;
  // Last resort: backwards from the longest, the first that will do.
  cnt_active_ = cnt_.decrement();
  walk(cnt_, cnt_active_, false, false, Stop::first_hit, -1);
}

AllocEnd NearSearch::finish() {
  xfs_alloc_fixup_trees(ag_, cnt_, lt_, rec_, best_, CursorAt::nothing);
  args_.agbno = best_.bno;
  args_.len = best_.len;
  args_.wasfromfl = false;
  return AllocEnd::found;
}

AllocEnd NearSearch::run() {
  if (args_.min_agbno == 0 && args_.max_agbno == 0) args_.max_agbno = ag_.geo.agblocks - 1;
  args_.agbno = std::clamp(args_.agbno, args_.min_agbno, args_.max_agbno);
  cur_len_ = args_.maxlen;
  FreeExtent first;  // set when nothing is as long as maxlen
  cnt_active_ = cnt_.lookup_ge({0, args_.maxlen});
  if (!cnt_active_) {
    if (xfs_alloc_ag_vextent_small(ag_, args_, &cnt_, first)) return AllocEnd::found;
    if (first.len == 0) return AllocEnd::none;
  }
  if (cnt_.in_last_block() && last_block(first)) return finish();
  locality();
  if (best_.len != 0) return finish();
  args_.agbno = null_agbno;
  return busy_ ? AllocEnd::busy : AllocEnd::none;
}

/// Among extents shorter than wanted, the one with most usable blocks; `found` and `fit` start as
/// the longest and become the best.
void best_of_shorter(const AgContext& ag, const AllocArgs& args, CntbtCursor& cnt,
                     FreeExtent& found, BusyExtents::Trimmed& fit, bool& busy) {
  while (cnt.decrement()) {
    const AllocRec rec = *cnt.record();
    if (rec.len < fit.len) break;
    auto other = xfs_alloc_compute_aligned(ag, args, {rec.bno, rec.len});
    busy = other.busy;
    other.len = std::min(other.len, args.maxlen);
    if (other.len > fit.len) {
      fit = other;
      found = {rec.bno, rec.len};
      if (fit.len == args.maxlen) break;
    }
  }
  const bool back = cnt.lookup_eq({found.bno, found.len});
  FL_ASSERT(back);
}

}  // namespace

AllocEnd xfs_alloc_ag_vextent_near(AgContext& ag, AllocArgs& args) {
  NearSearch search(ag, args);
  const AllocEnd end = search.run();
  search.close();
  return end;
}

AllocEnd xfs_alloc_ag_vextent_size(AgContext& ag, AllocArgs& args) {
  auto cnt = ag.cnt_cursor();
  FreeExtent found;
  BusyExtents::Trimmed fit{};
  bool busy = false;
  if (!cnt.lookup_ge({0, args.maxlen + args.alignment - 1})) {
    if (xfs_alloc_ag_vextent_small(ag, args, &cnt, found)) return AllocEnd::found;
    if (found.len == 0) return AllocEnd::none;
    fit = xfs_alloc_compute_aligned(ag, args, found);
    busy = fit.busy;
  } else {
    for (;;) {
      const AllocRec rec = *cnt.record();
      found = {rec.bno, rec.len};
      fit = xfs_alloc_compute_aligned(ag, args, found);
      busy = fit.busy;
      if (fit.len >= args.maxlen) break;
      if (!cnt.increment()) {
        args.agbno = null_agbno;
        return AllocEnd::busy;
      }
    }
  }
  fit.len = std::min(fit.len, args.maxlen);
  if (fit.len < args.maxlen) best_of_shorter(ag, args, cnt, found, fit, busy);
  args.len = fit.len;
  if (fit.len < args.minlen) {
    args.agbno = null_agbno;
    return busy ? AllocEnd::busy : AllocEnd::none;
  }
  xfs_alloc_fix_len(args);
  auto bno = ag.bno_cursor();
  xfs_alloc_fixup_trees(ag, cnt, bno, found, {fit.bno, args.len}, CursorAt::cnt);
  cnt.close();
  bno.close();
  args.agbno = fit.bno;
  args.wasfromfl = false;
  return AllocEnd::found;
}

}  // namespace faultline::xfs
