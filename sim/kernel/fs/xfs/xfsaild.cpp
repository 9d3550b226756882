// A turn of the daemon: items up to the target are tried, oldest first. What is pinned needs the
// log to be written, what is locked by somebody is left for the next turn, the rest is put on a
// list of buffers, which are written at the end. Linux 6.12 fs/xfs/xfs_trans_ail.c (xfsaild_push),
// xfs_inode_item.c, xfs_buf_item.c (their push functions), xfs_inode.c (xfs_iflush_cluster). Left
// out: the limit of 1000 items at one place of the log in a turn.
#include "kernel/fs/xfs/xfsaild.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/bug.hpp"
#include "kernel/fs/xfs/xfs_buf.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_log.hpp"
#include "kernel/fs/xfs/xfs_log_cil.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"

namespace faultline::xfs {

namespace {

constexpr Nanos ms{1'000'000};
constexpr std::uint64_t long_sleep = 50, short_sleep = 20;  // ms
constexpr unsigned most_stuck = 100;

enum class Pushed : std::uint8_t { success, flushing, pinned, locked };

template <Event E>
void trace_item(Kernel& k, const xfs_mount& mp, const xfs_log_item& item, std::uint64_t lsn) {
  const LogSpace& space = mp.log.space;
  const LockBase& lock = item.ip ? static_cast<const LockBase&>(item.ip->xfs->i_lock)
                                 : static_cast<const LockBase&>(item.bp->b_sema);
  k.trace<E>(mp.m_super->s_dev, lock.id, space.cycle_of(lsn), space.block_of(lsn),
             item.ip ? "XFS_LI_INODE" : "XFS_LI_BUF", "IN_AIL");
}

xfs_buf& cluster_of(Kernel& k, xfs_mount& mp, const inode& ip) {
  return xfs_buf_get(k, mp, BufKind::inode, mp.space.geo.inode_cluster_daddr(ip.i_ino));
}

bool pinned(const xfs_mount& mp, const xfs_log_item& item) {
  return item.seq > mp.log.durable_seq();
}

// xfs_buf_delwri_queue(): false if the buffer is on the list already.
bool queue_buffer(xfs_ail& ail, xfs_buf& bp) {
  if (std::find(ail.buf_list.begin(), ail.buf_list.end(), &bp) != ail.buf_list.end()) return false;
  ail.buf_list.push_back(&bp);
  return true;
}

// xfs_iflush_cluster(): every inode of the buffer that is dirty, unpinned and not locked by
// somebody goes into it. Whether there was one.
HelperPath<bool> xfs_iflush_cluster(Kernel& k, xfs_mount& mp, const xfs_buf& bp) {
  std::vector<xfs_log_item*> items;
  for (xfs_log_item* item = mp.ail.first(); item; item = item->ail_next) {
    if (item->ip && mp.space.geo.inode_cluster_daddr(item->ip->i_ino) == bp.daddr) {
      items.push_back(item);
    }
  }
  bool any = false;
  for (xfs_log_item* const item : items) {
    if (pinned(mp, *item) || item->flushing) continue;
    const bool got =
        co_await xfs_ilock_nowait(k, *item->ip, XFS_ILOCK_SHARED, "xfs_iflush_cluster");
    if (!got) continue;
    if (item->lsn != 0 && !pinned(mp, *item)) {
      item->flushing = true;
      item->flush_lsn = item->lsn;
      item->logs_extents = false;
      any = true;
    }
    xfs_iunlock(k, *item->ip, XFS_ILOCK_SHARED, "xfs_iflush_cluster");
  }
  co_return any;
}

Path<Pushed> xfs_inode_item_push(Kernel& k, xfs_mount& mp, xfs_log_item& item) {
  xfs_buf& bp = cluster_of(k, mp, *item.ip);
  if (pinned(mp, item) || bp.pincount > 0) co_return Pushed::pinned;
  const bool got = co_await xfs_buf_find_lock(k, mp, bp, true);
  if (!got) co_return Pushed::locked;
  const bool any = co_await xfs_iflush_cluster(k, mp, bp);
  Pushed result = Pushed::locked;
  if (any) result = queue_buffer(mp.ail, bp) ? Pushed::success : Pushed::flushing;
  xfs_buf_unlock(k, mp, bp, "xfs_inode_item_push");
  co_return result;
}

Path<Pushed> xfs_buf_item_push(Kernel& k, xfs_mount& mp, xfs_log_item& item) {
  xfs_buf& bp = *item.bp;
  if (bp.pincount > 0) co_return Pushed::pinned;
  const bool got = co_await xfs_buf_find_lock(k, mp, bp, true);
  if (!got) co_return bp.pincount > 0 ? Pushed::pinned : Pushed::locked;
  const bool fresh = queue_buffer(mp.ail, bp);
  xfs_buf_unlock(k, mp, bp, "xfs_buf_item_push");
  co_return fresh ? Pushed::success : Pushed::flushing;
}

HelperPath<Pushed> xfsaild_push_item(Kernel& k, xfs_mount& mp, xfs_log_item& item) {
  const std::uint64_t lsn = item.lsn;
  Pushed result{};
  if (item.ip) {
    result = co_await xfs_inode_item_push(k, mp, item);
  } else {
    result = co_await xfs_buf_item_push(k, mp, item);
  }
  switch (result) {
    case Pushed::success:
      trace_item<Event::xfs_ail_push>(k, mp, item, lsn);
      mp.ail.last_pushed = lsn;
      break;
    case Pushed::flushing:
      trace_item<Event::xfs_ail_flushing>(k, mp, item, lsn);
      mp.ail.last_pushed = lsn;
      break;
    case Pushed::pinned:
      trace_item<Event::xfs_ail_pinned>(k, mp, item, lsn);
      mp.ail.log_flush = true;
      break;
    case Pushed::locked:
      trace_item<Event::xfs_ail_locked>(k, mp, item, lsn);
      break;
  }
  co_return result;
}

// The write of a buffer is done: what it holds is in place, unless it has changed since.
void write_done(xfs_mount& mp, xfs_buf& bp) {
  if (bp.item.lsn != 0 && bp.pincount == 0) mp.ail.remove(bp.item);
  if (bp.kind != BufKind::inode) return;
  for (xfs_log_item* item = mp.ail.first(); item;) {
    xfs_log_item* const next = item->ail_next;
    const bool ours =
        item->ip && item->flushing && mp.space.geo.inode_cluster_daddr(item->ip->i_ino) == bp.daddr;
    if (ours) {
      item->flushing = false;
      const bool same = item->lsn == item->flush_lsn;
      if (same) mp.ail.remove(*item);
      if (same && !pinned(mp, *item)) item->ip->xfs->li_buf = false;
    }
    item = next;
  }
}

// When the device has a buffer that is submitted now.
Nanos submit(Kernel& k, xfs_mount& mp) {
  BlockDevice* const device = mp.m_super->s_bdev;
  if (!device) return k.now() + k.costs.log_force;
  return device->submit(k.now(), PAGE_SIZE);
}

// xfs_buf_delwri_submit_nowait(): what is pinned or locked stays on the list.
HelperPath<void> submit_buffers(Kernel& k, xfs_mount& mp) {
  struct Write {
    xfs_buf* bp;
    Nanos done;
  };
  std::vector<Write> writes;
  std::vector<xfs_buf*> kept;
  for (xfs_buf* const bp : std::exchange(mp.ail.buf_list, {})) {
    bool got = false;
    if (bp->pincount > 0) {
      mp.ail.log_flush = true;
    } else {
      got = co_await xfs_buf_find_lock(k, mp, *bp, true);
    }
    const bool pinned_meanwhile = got && bp->pincount > 0;
    if (pinned_meanwhile) xfs_buf_unlock(k, mp, *bp, "xfs_buf_delwri_submit_nowait");
    if (got && !pinned_meanwhile) {
      writes.push_back({bp, submit(k, mp)});
    } else {
      kept.push_back(bp);
    }
  }
  mp.ail.buf_list = std::move(kept);
  for (const Write& write : writes) {
    if (k.now() < write.done) co_await k.engine.block_until(write.done);
    write_done(mp, *write.bp);
    xfs_buf_unlock(k, mp, *write.bp, "xfs_buf_ioend");
  }
  xfs_ail_update_finish(k, mp);
}

// One turn. How long to sleep after it, in ms.
HelperPath<std::uint64_t> xfsaild_push(Kernel& k, xfs_mount& mp) {
  xfs_ail& ail = mp.ail;
  if (ail.log_flush && ail.last_pushed == 0) {
    ail.log_flush = false;
    xlog_cil_flush(k, mp);
  }
  ail.target = xfs_ail_push_target(ail, mp.log.space.size());
  ail.push_all = false;
  std::vector<xfs_log_item*> items;
  for (xfs_log_item* item = ail.first(); item && item->lsn <= ail.target; item = item->ail_next) {
    if (item->lsn >= ail.last_pushed && !item->flushing) items.push_back(item);
  }
  unsigned count = 0, stuck = 0, flushing = 0;
  bool reached = true;
  for (xfs_log_item* const item : items) {
    if (item->lsn == 0 || item->lsn > ail.target || item->flushing) continue;
    co_await k.engine.spend(k.costs.buffer_lookup);
    const Pushed result = co_await xfsaild_push_item(k, mp, *item);
    ++count;
    if (result == Pushed::flushing) ++flushing;
    if (result == Pushed::pinned || result == Pushed::locked) ++stuck;
    reached = stuck <= most_stuck;
    if (!reached) break;
  }
  co_await submit_buffers(k, mp);
  if (count == 0 || reached || (stuck + flushing) * 100 / count > 90) ail.last_pushed = 0;
  if (count == 0 || reached) co_return long_sleep;
  co_return (stuck + flushing) * 100 / count > 90 ? short_sleep : 0;
}

// Whether any task can go on before the daemon looks again; other daemons of this kind only look.
bool others_can_act(Kernel& k) {
  const Task& self = k.engine.current();
  const auto only_looks = [&](const Task& task) {
    return std::any_of(k.supers.begin(), k.supers.end(), [&](const super_block& sb) {
      return sb.mount && sb.mount->ail.task == &task && sb.mount->ail.sleeping;
    });
  };
  for (std::uint32_t i = 0; i < k.engine.task_count(); ++i) {
    const Task& task = k.engine.task(TaskId(i));
    if (&task == &self || task.state == TaskState::created || task.state == TaskState::done)
      continue;
    if (task.state != TaskState::blocked) return true;
    if (task.wait_has_timeout && !only_looks(task)) return true;
  }
  return false;
}

// The lock that keeps the oldest item from being written back, and how it is wanted; null if nobody
// holds it now.
LockBase* lock_in_the_way(Kernel& k, xfs_mount& mp, HoldMode* mode) {
  const xfs_log_item& item = *mp.ail.first();
  *mode = HoldMode::exclusive;
  xfs_buf& bp = item.bp ? *item.bp : cluster_of(k, mp, *item.ip);
  if (bp.b_sema.owner) return &bp.b_sema;
  *mode = HoldMode::shared;
  return item.ip && item.ip->xfs->i_lock.writer ? &item.ip->xfs->i_lock : nullptr;
}

// Until the next turn. When nobody else can do anything, looking again would go on for ever: the
// daemon then waits for good for whoever keeps the tail.
HelperPath<void> sleep_until_next(Kernel& k, xfs_mount& mp, Nanos length) {
  HoldMode mode{};
  LockBase* const lock = mp.ail.empty() ? nullptr : lock_in_the_way(k, mp, &mode);
  const bool for_good = lock && !mp.ail.log_flush && !others_can_act(k);
  mp.ail.sleeping = true;
  if (for_good) {
    k.locks.begin_wait(*lock, mode, true);
    co_await k.engine.block();
    k.locks.end_wait(k.engine.current());
  } else {
    co_await k.engine.block_until(k.now() + length);
  }
  mp.ail.sleeping = false;
}

Path<void> xfsaild(Kernel& k, xfs_mount& mp, Nanos first_sleep) {
  Nanos sleep = first_sleep;
  while (!mp.ail.empty() && xfsaild_has_work(mp)) {
    if (sleep.v != 0) co_await sleep_until_next(k, mp, sleep);
    const std::uint64_t next = co_await xfsaild_push(k, mp);
    sleep = Nanos(next * ms.v);
  }
}

}  // namespace

bool xfsaild_has_work(const xfs_mount& mp) {
  return !mp.ail.empty() && xfs_ail_push_target(mp.ail, mp.log.space.size()) >= mp.ail.min_lsn();
}

void wake_xfsaild(Kernel& k, xfs_mount& mp, Wakeup when) {
  if (mp.ail.empty()) return;
  FL_ASSERT(mp.ail.task);
  const TaskState state = mp.ail.task->state;
  if (state == TaskState::created || state == TaskState::done) {
    const Nanos sleep = when == Wakeup::now ? Nanos{} : Nanos(long_sleep * ms.v);
    k.engine.fork(*mp.ail.task, [&] { return xfsaild(k, mp, sleep); }, k.now());
  } else if (when == Wakeup::now && mp.ail.sleeping) {
    k.engine.wake(*mp.ail.task);
  }
}

void xfs_ail_update_finish(Kernel& k, xfs_mount& mp) {
  const LogSpace& space = mp.log.space;
  const std::uint64_t tail = mp.ail.empty() ? space.ail_head() : mp.ail.min_lsn();
  if (tail != space.tail()) mp.log.move_tail(tail);
  xfs_log_space_wake(k, mp);
  if (!mp.ail.empty()) return;
  for (Task* const waiter : std::exchange(mp.ail.empty_waiters, {})) k.engine.wake(*waiter);
}

}  // namespace faultline::xfs
