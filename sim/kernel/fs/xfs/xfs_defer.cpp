// The loop over deferred work. Linux 6.12 fs/xfs/libxfs/xfs_defer.c: intents for what is new, a
// roll, then one intent's work in that transaction; work may defer more, which comes first. Left
// out: items that wait for others (paused), relogging of old intents.
#include "kernel/fs/xfs/xfs_defer.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include "kernel/fs/xfs/xfs_bmap_item.hpp"
#include "kernel/fs/xfs/xfs_extfree_item.hpp"
#include "kernel/fs/xfs/xfs_refcount_item.hpp"

namespace faultline::xfs {

namespace {

using Items = std::span<DeferItem>;

// xfs_defer_add(): an item joins the last intent if that is of its type and has room. The new
// intents come before those that are pending: they are put on top, the first of them last.
std::size_t take_dfops(AllocTrans& alloc) {
  DeferStack& pending = alloc.pending;
  const std::vector<DeferItem>& added = alloc.deferred;
  const std::size_t known = pending.intents.size();
  for (std::size_t i = 0; i < added.size(); ++i) {
    const bool joins = pending.intents.size() > known && added[i - 1].kind == added[i].kind &&
                       pending.intents.back() < max_defer_items(added[i].kind);
    if (!joins) pending.intents.push_back(0);
    ++pending.intents.back();
  }
  std::size_t end = added.size();
  for (std::size_t i = pending.intents.size(); i-- > known;) {
    const std::size_t first = end - pending.intents[i];
    pending.items.insert(pending.items.end(), added.begin() + std::ptrdiff_t(first),
                         added.begin() + std::ptrdiff_t(end));
    end = first;
  }
  std::reverse(pending.intents.begin() + std::ptrdiff_t(known), pending.intents.end());
  alloc.deferred.clear();
  return pending.intents.size() - known;
}

// xfs_extent_free_diff_items(): by allocation group, so that AGFs are locked in order. The order
// within a group stays.
void sort_by_ag(const Geometry& geo, Items items) {
  for (auto at = items.begin(); at != items.end(); ++at) {
    const auto later = [&](FsBlock start, const DeferItem& item) {
      return geo.agno(start) < geo.agno(item.start);
    };
    std::rotate(std::upper_bound(items.begin(), at, at->start, later), at, at + 1);
  }
}

void create_intent(xfs_trans& tp, Items items) {
  tp.flags |= XFS_TRANS_DIRTY;
  const DeferKind kind = items.front().kind;
  if (kind == DeferKind::bmap) return;
  sort_by_ag(tp.mp->space.geo, items);
  if (kind != DeferKind::free) return;
  for (const DeferItem& item : items) {
    RedoRecord record;
    record.kind = RedoKind::free_intent;
    record.start = item.start;
    record.len = item.len;
    tp.redo.push_back(record);
  }
}

// The uppermost `count` intents, from the top.
void create_intents(xfs_trans& tp, std::size_t count) {
  DeferStack& pending = tp.alloc.pending;
  Items rest(pending.items);
  for (std::size_t i = pending.intents.size(); count > 0; --count) {
    const std::size_t size = pending.intents[--i];
    create_intent(tp, rest.last(size));
    rest = rest.first(rest.size() - size);
  }
}

// The work of the intent on top, which is then gone.
HelperPath<void> xfs_defer_finish_one(Kernel& k, xfs_trans& tp) {
  tp.flags |= XFS_TRANS_DIRTY | XFS_TRANS_HAS_INTENT_DONE;
  DeferStack& pending = tp.alloc.pending;
  const Items items = Items(pending.items).last(pending.intents.back());
  for (const DeferItem& item : items) {
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
  pending.items.resize(pending.items.size() - items.size());
  pending.intents.pop_back();
}

// xfs_defer_trans_roll(): the inodes that stay joined are logged again, to keep them from pinning
// the log's tail.
HelperPath<void> xfs_defer_trans_roll(Kernel& k, xfs_trans& tp) {
  if (tp.joined) xfs_trans_log_inode(tp);
  co_await xfs_trans_roll(k, tp);
}

}  // namespace

HelperPath<void> xfs_defer_finish_noroll(Kernel& k, xfs_trans& tp) {
  bool worked = false;
  while (!tp.alloc.pending.intents.empty() || !tp.alloc.deferred.empty()) {
    const std::size_t fresh = take_dfops(tp.alloc);
    create_intents(tp, fresh);
    if (fresh > 0 || worked) co_await xfs_defer_trans_roll(k, tp);
    co_await xfs_defer_finish_one(k, tp);
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
