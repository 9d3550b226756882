// Commit, push and completion of checkpoints. See the header. Linux 6.12 fs/xfs/xfs_log_cil.c. The
// size of an item is that of its regions with their headers: an inode's format, core and extents, a
// buffer's format and one dirty chunk.
#include "kernel/fs/xfs/xfs_log_cil.hpp"

#include <utility>

#include "base/bug.hpp"
#include "kernel/fs/xfs/xfs_buf.hpp"
#include "kernel/fs/xfs/xfs_log.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/fs/xfs/xfs_trans.hpp"

namespace faultline::xfs {

namespace {

constexpr std::uint32_t op_header = 12;
constexpr std::uint32_t inode_format = 56, inode_core = 176, extent_record = 16;
constexpr std::uint32_t buf_format = 24, buf_chunk = 128;
constexpr std::uint32_t bmdr_root = 72 + 16;  // in-core header and one record
constexpr std::uint32_t dirty_buffer = op_header + buf_format + op_header + buf_chunk;

std::uint32_t bytes_of(const xfs_mount& mp, const xfs_log_item& item) {
  std::uint32_t bytes = op_header + inode_format + op_header + inode_core;
  const std::uint64_t extents = item.ip->xfs->df.nextents;
  if (!item.logs_extents || extents == 0) return bytes;
  const std::uint64_t room = (mp.space.geo.inodesize - inode_core) / extent_record;
  if (extents > room) return bytes + op_header + bmdr_root;
  return bytes + op_header + static_cast<std::uint32_t>(extents) * extent_record;
}

// Puts one item into the open checkpoint. How many bytes that has grown by.
std::int64_t insert_item(xfs_mount& mp, xfs_log_item& item, std::uint32_t bytes) {
  const std::uint64_t seq = mp.log.current_seq();
  if (item.seq != seq) {
    item.seq = seq;
    item.bytes = 0;
    mp.cil.items.push_back(&item);
    if (item.bp) ++item.bp->pincount;
  }
  const std::int64_t grown = std::int64_t{bytes} - item.bytes;
  item.bytes = bytes;
  return grown;
}

bool changes_map(RedoKind kind) {
  return kind == RedoKind::extent_add || kind == RedoKind::extent_convert ||
         kind == RedoKind::extent_del;
}

std::int64_t insert_inode(xfs_trans& tp, inode& ip) {
  bool logged = tp.logs_core;
  xfs_log_item& item = ip.xfs->item;
  for (const RedoRecord& record : tp.redo) {
    if (record.ino != ip.i_ino) continue;
    logged = true;
    if (changes_map(record.kind)) item.logs_extents = true;
  }
  if (!logged) return 0;
  item.ip = &ip;
  return insert_item(*tp.mp, item, bytes_of(*tp.mp, item));
}

void wake_all(Kernel& k, std::vector<Task*>& waiters) {
  for (Task* const waiter : std::exchange(waiters, {})) k.engine.wake(*waiter);
}

// The end of a log write: what was logged is pinned no more and waits to be written back.
void xlog_cil_process_committed(Kernel& k, xfs_mount& mp, const xfs_cil::InFlight& done) {
  mp.log.set_durable(done.seq);
  for (Perag& pag : mp.space.ags) pag.busy.clear_through(done.seq);
  for (xfs_log_item* const item : done.items) {
    if (item->bp) --item->bp->pincount;
  }
  wake_all(k, mp.cil.force_waiters);
  xfs_trans_ail_update_bulk(k, mp, done.items, mp.log.start_of(done.seq));
}

Path<void> xlog_ioend_work(Kernel& k, xfs_mount& mp) {
  xfs_cil& cil = mp.cil;
  while (!cil.in_flight.empty()) {
    const Nanos done = cil.in_flight.front().done;
    if (k.now() < done) co_await k.engine.block_until(done);
    const xfs_cil::InFlight written = std::move(cil.in_flight.front());
    cil.in_flight.pop_front();
    xlog_cil_process_committed(k, mp, written);
  }
}

template <class Make>
void queue_work(Kernel& k, Task* worker, Make&& work) {
  FL_ASSERT(worker);
  const TaskState state = worker->state;
  if (state != TaskState::created && state != TaskState::done) return;
  k.engine.fork(*worker, std::forward<Make>(work), k.now());
}

Path<void> xlog_cil_push_work(Kernel& k, xfs_mount& mp) {
  xfs_cil& cil = mp.cil;
  while (cil.push_seq >= mp.log.current_seq()) {
    co_await down_write(mp.xc_ctx_lock);
    wake_all(k, cil.push_waiters);
    if (mp.log.cil_empty()) {
      cil.push_seq = 0;
      up_write(mp.xc_ctx_lock);
      break;
    }
    xfs_cil::InFlight next;
    next.seq = mp.log.push();
    next.items = std::exchange(cil.items, {});
    up_write(mp.xc_ctx_lock);
    co_await k.engine.spend(k.costs.trans_commit);  // copies the items into log buffers
    next.done = k.now() + k.costs.log_force;
    cil.submitted = next.seq;
    cil.in_flight.push_back(std::move(next));
    queue_work(k, cil.log_task, [&] { return xlog_ioend_work(k, mp); });
    wake_all(k, cil.submit_waiters);
    xfs_log_space_wake(k, mp);
  }
}

// xlog_cil_push_now()
void push_now(Kernel& k, xfs_mount& mp) {
  xfs_cil& cil = mp.cil;
  if (mp.log.cil_empty() || cil.push_seq >= mp.log.current_seq()) return;
  cil.push_seq = mp.log.current_seq();
  queue_work(k, cil.push_task, [&] { return xlog_cil_push_work(k, mp); });
}

HelperPath<void> wait_for(Kernel& k, std::vector<Task*>& waiters, Task& worker) {
  Task& current = k.engine.current();
  waiters.push_back(&current);
  k.locks.begin_task_wait(worker);
  co_await k.engine.block();
  k.locks.end_wait(current);
}

}  // namespace

void xlog_cil_insert_items(Kernel& k, xfs_trans& tp) {
  xfs_mount& mp = *tp.mp;
  std::int64_t grown = 0;
  for (inode* const ip : {tp.joined, tp.joined_too}) {
    if (ip) grown += insert_inode(tp, *ip);
  }
  mp.cil.logged.clear();
  tp.alloc.bufs.each_dirty([&](BufKind kind, Daddr daddr) {
    xfs_buf& bp = xfs_buf_get(k, mp, kind, daddr);
    mp.cil.logged.push_back(&bp);
    bp.item.bp = &bp;
    grown += insert_item(mp, bp.item, dirty_buffer);
  });
  mp.log.charge(tp.ticket, grown);
}

HelperPath<void> xlog_cil_push_background(Kernel& k, xfs_mount& mp) {
  xfs_cil& cil = mp.cil;
  const std::uint64_t limit = mp.log.space.cil_limit();
  const std::uint64_t used = mp.log.cil_space_used();
  if (used < limit) {
    up_read(mp.xc_ctx_lock);
    co_return;
  }
  push_now(k, mp);
  const bool over = used >= 2 * limit || !cil.push_waiters.empty();
  up_read(mp.xc_ctx_lock);
  if (!over || !k.profile.cil_throttles) co_return;
  trace_cil_wait(k, mp);
  co_await wait_for(k, cil.push_waiters, *cil.push_task);
}

Path<void> xlog_cil_force_seq(Kernel& k, xfs_mount& mp, std::uint64_t seq) {
  xfs_cil& cil = mp.cil;
  const std::uint64_t open = mp.log.current_seq();
  const std::uint64_t wanted = std::min(seq, mp.log.cil_empty() ? open - 1 : open);
  if (wanted == open) push_now(k, mp);
  while (cil.submitted < wanted) co_await wait_for(k, cil.submit_waiters, *cil.push_task);
  while (!mp.log.is_durable(wanted)) co_await wait_for(k, cil.force_waiters, *cil.log_task);
}

void xlog_cil_flush(Kernel& k, xfs_mount& mp) { push_now(k, mp); }

}  // namespace faultline::xfs
