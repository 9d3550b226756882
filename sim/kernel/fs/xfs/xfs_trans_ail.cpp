// The list itself, its push target, who wakes the daemon and who waits for it. Linux 6.12
// fs/xfs/xfs_trans_ail.c. The daemon is in xfsaild.cpp.
#include "kernel/fs/xfs/xfs_trans_ail.hpp"

#include <algorithm>
#include <utility>

#include "base/bug.hpp"
#include "kernel/fs/xfs/xfs_log.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/fs/xfs/xfsaild.hpp"

namespace faultline::xfs {

void xfs_ail::insert(xfs_log_item& item, std::uint64_t lsn) {
  FL_ASSERT(lsn != 0 && lsn >= max_lsn());
  if (item.lsn != 0) remove(item);
  item.lsn = lsn;
  item.ail_next = nullptr;
  item.ail_prev = last_;
  (last_ ? last_->ail_next : first_) = &item;
  last_ = &item;
}

void xfs_ail::remove(xfs_log_item& item) {
  FL_ASSERT(item.lsn != 0);
  (item.ail_prev ? item.ail_prev->ail_next : first_) = item.ail_next;
  (item.ail_next ? item.ail_next->ail_prev : last_) = item.ail_prev;
  item.ail_next = item.ail_prev = nullptr;
  item.lsn = 0;
}

std::uint64_t xfs_ail_push_target(const xfs_ail& ail, std::uint64_t size) {
  if (ail.empty()) return 0;
  const std::uint64_t newest = ail.max_lsn();
  if (ail.push_all || !ail.empty_waiters.empty()) return newest;
  if (size - std::min(size, newest - ail.min_lsn()) >= size / 4) return ail.target;
  return std::max(ail.target, std::min(newest, ail.min_lsn() + size / 4));
}

void xfs_trans_ail_update_bulk(Kernel& k, xfs_mount& mp, const std::vector<xfs_log_item*>& items,
                               std::uint64_t lsn) {
  for (xfs_log_item* const item : items) mp.ail.insert(*item, lsn);
  xfs_ail_update_finish(k, mp);
  if (xfsaild_has_work(mp)) wake_xfsaild(k, mp, Wakeup::at_next_look);
}

void xfs_ail_push_all(Kernel& k, xfs_mount& mp) {
  if (mp.ail.push_all) return;
  mp.ail.push_all = true;
  wake_xfsaild(k, mp, Wakeup::now);
}

Path<void> xfs_ail_push_all_sync(Kernel& k, xfs_mount& mp) {
  while (!mp.ail.empty()) {
    mp.ail.empty_waiters.push_back(&k.engine.current());
    wake_xfsaild(k, mp, Wakeup::now);
    k.locks.begin_task_wait(*mp.ail.task);
    co_await k.engine.block();
    k.locks.end_wait(k.engine.current());
  }
}

}  // namespace faultline::xfs
