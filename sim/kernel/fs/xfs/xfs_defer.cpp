// The loop over deferred work. Linux 6.12 fs/xfs/libxfs/xfs_defer.c: intents for what is new, a
// roll, then one intent's work in that transaction; work may defer more, which comes first. Left
// out: items that wait for others (paused), relogging of old intents.
#include "kernel/fs/xfs/xfs_defer.hpp"

#include <algorithm>
#include <iterator>
#include <vector>

#include "kernel/fs/xfs/xfs_bmap_item.hpp"
#include "kernel/fs/xfs/xfs_extfree_item.hpp"
#include "kernel/fs/xfs/xfs_refcount_item.hpp"

namespace faultline::xfs {

namespace {

/// One intent and its items.
struct Pending {
  DeferKind kind;
  std::vector<DeferItem> items;
};

// xfs_defer_add(): an item joins the last intent if that is of its type and has room.
std::vector<Pending> take_dfops(xfs_trans& tp) {
  std::vector<Pending> dfops;
  for (const DeferItem& item : tp.alloc.deferred) {
    const bool joins = !dfops.empty() && dfops.back().kind == item.kind &&
                       dfops.back().items.size() < max_defer_items(item.kind);
    if (!joins) dfops.push_back({item.kind, {}});
    dfops.back().items.push_back(item);
  }
  tp.alloc.deferred.clear();
  return dfops;
}

// xfs_extent_free_diff_items(): by allocation group, so that AGFs are locked in order. The order
// within a group stays.
void sort_by_ag(const Geometry& geo, std::vector<DeferItem>& items) {
  for (auto at = items.begin(); at != items.end(); ++at) {
    const auto later = [&](FsBlock start, const DeferItem& item) {
      return geo.agno(start) < geo.agno(item.start);
    };
    std::rotate(std::upper_bound(items.begin(), at, at->start, later), at, at + 1);
  }
}

void create_intent(xfs_trans& tp, Pending& pending) {
  tp.flags |= XFS_TRANS_DIRTY;
  if (pending.kind == DeferKind::bmap) return;
  sort_by_ag(tp.mp->space.geo, pending.items);
  if (pending.kind != DeferKind::free) return;
  for (const DeferItem& item : pending.items) {
    RedoRecord record;
    record.kind = RedoKind::free_intent;
    record.start = item.start;
    record.len = item.len;
    tp.redo.push_back(record);
  }
}

HelperPath<void> xfs_defer_finish_one(Kernel& k, xfs_trans& tp, const Pending& pending) {
  tp.flags |= XFS_TRANS_DIRTY | XFS_TRANS_HAS_INTENT_DONE;
  for (const DeferItem& item : pending.items) {
    switch (item.kind) {
      case DeferKind::free:
        co_await xfs_extent_free_finish_item(k, tp, item);
        break;
      case DeferKind::agfl_free:
        co_await xfs_agfl_free_finish_item(k, tp, item);
        break;
      case DeferKind::bmap:
        co_await xfs_bmap_update_finish_item(k, tp, item);
        break;
      case DeferKind::refcount:
        co_await xfs_refcount_update_finish_item(k, tp, item);
        break;
    }
  }
}

// xfs_defer_trans_roll(): the inodes that stay joined are logged again, to keep them from pinning
// the log's tail.
HelperPath<void> xfs_defer_trans_roll(Kernel& k, xfs_trans& tp) {
  if (tp.joined) xfs_trans_log_inode(tp);
  co_await xfs_trans_roll(k, tp);
}

}  // namespace

HelperPath<void> xfs_defer_finish_noroll(Kernel& k, xfs_trans& tp) {
  std::vector<Pending> pending;
  bool worked = false;
  while (!pending.empty() || !tp.alloc.deferred.empty()) {
    std::vector<Pending> fresh = take_dfops(tp);
    for (Pending& p : fresh) create_intent(tp, p);
    const bool has_intents = !fresh.empty();
    pending.insert(pending.begin(), std::make_move_iterator(fresh.begin()),
                   std::make_move_iterator(fresh.end()));
    if (has_intents || worked) co_await xfs_defer_trans_roll(k, tp);
    co_await xfs_defer_finish_one(k, tp, pending.front());
    pending.erase(pending.begin());
    worked = true;
  }
}

HelperPath<void> xfs_defer_finish(Kernel& k, xfs_trans& tp) {
  co_await xfs_defer_finish_noroll(k, tp);
  if (!tp.redo.empty() || tp.alloc.bufs.any_dirty()) tp.flags |= XFS_TRANS_DIRTY;
  if (tp.flags & XFS_TRANS_DIRTY) co_await xfs_defer_trans_roll(k, tp);
  tp.alloc.lowmode = false;
}

}  // namespace faultline::xfs
