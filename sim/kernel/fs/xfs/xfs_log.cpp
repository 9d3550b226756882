// The two queues for log space. See the header. Linux 6.12 fs/xfs/xfs_log.c xlog_grant_head_check,
// _wait and _wake: a ticket that finds others waiting, or too little space, joins the end of the
// queue, has everything in the AIL pushed and sleeps uninterruptibly; it leaves the queue when it
// has found space for itself, so nobody overtakes.
#include "kernel/fs/xfs/xfs_log.hpp"

#include <algorithm>

#include "kernel/fs/xfs/xfs_buf.hpp"
#include "kernel/fs/xfs/xfs_log_cil.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/fs/xfs/xfs_trans.hpp"
#include "kernel/fs/xfs/xfs_trans_ail.hpp"

namespace faultline::xfs {

namespace {

constexpr std::uint64_t xlog_tic_perm_reserv = 1;

template <Event E>
void trace_grant(Kernel& k, const xfs_mount& mp, const LogTicket& t) {
  const LogSpace& s = mp.log.space;
  k.trace<E>(mp.m_super->s_dev, t.tid, t.ocnt, t.count, t.curr_res, t.unit,
             t.permanent ? xlog_tic_perm_reserv : 0, !s.reserve_head.waiters.empty(),
             !s.write_head.waiters.empty(), s.tail_space(), s.tail_space() + s.reserve_head.grant,
             s.tail_space() + s.write_head.grant, s.cycle_of(s.head()), s.block_of(s.head()),
             s.cycle_of(s.tail()), s.block_of(s.tail()));
}

void wake_all(Kernel& k, const xfs_mount& mp, const std::vector<LogTicket*>& tickets) {
  for (const LogTicket* const t : tickets) {
    trace_grant<Event::xfs_log_grant_wake_up>(k, mp, *t);
    k.engine.wake(*t->task);
  }
}

Path<void> xlog_grant_head_wait(Kernel& k, xfs_mount& mp, GrantHead& head, LogTicket& t) {
  LogSpace& space = mp.log.space;
  t.task = &k.engine.current();
  head.waiters.push_back(&t);
  do {
    xfs_ail_push_all(k, mp);
    trace_grant<Event::xfs_log_grant_sleep>(k, mp, t);
    k.locks.begin_wait(head, HoldMode::exclusive, true);
    co_await k.engine.block();
    k.locks.end_wait(k.engine.current());
    trace_grant<Event::xfs_log_grant_wake>(k, mp, t);
  } while (space.space_left(head) < space.need(head, t));
  std::erase(head.waiters, &t);
}

// xlog_grant_head_check()
HelperPath<void> wait_for_space(Kernel& k, xfs_mount& mp, GrantHead& head, LogTicket& t) {
  std::vector<LogTicket*> woken;
  const bool may_take = mp.log.space.may_take(head, t, woken);
  wake_all(k, mp, woken);
  if (!may_take) co_await xlog_grant_head_wait(k, mp, head, t);
}

bool is_free(const LogSpace& space, const GrantHead& head, const LogTicket& t) {
  return head.waiters.empty() && space.space_left(head) >= space.need(head, t);
}

// How many tickets each task holds, which nobody but note_log_space_holders() asks.
std::uint32_t& tickets_of(xfs_mount& mp, const Task& task) {
  if (mp.tickets.size() <= task.id.v) mp.tickets.resize(task.id.v + 1);
  return mp.tickets[task.id.v];
}

}  // namespace

HelperPath<void> xfs_log_reserve(Kernel& k, xfs_mount& mp, LogTicket& t) {
  LogSpace& space = mp.log.space;
  trace_grant<Event::xfs_log_reserve>(k, mp, t);
  if (!is_free(space, space.reserve_head, t)) {
    co_await wait_for_space(k, mp, space.reserve_head, t);
  }
  space.take(t);
  t.task = &k.engine.current();
  ++tickets_of(mp, *t.task);
  co_await k.engine.spend(k.costs.trans_alloc);
  trace_grant<Event::xfs_log_reserve_exit>(k, mp, t);
}

Path<void> xfs_log_regrant(Kernel& k, xfs_mount& mp, LogTicket& t) {
  LogSpace& space = mp.log.space;
  trace_grant<Event::xfs_log_regrant>(k, mp, t);
  if (!is_free(space, space.write_head, t)) {
    co_await wait_for_space(k, mp, space.write_head, t);
  }
  space.retake(t);
  trace_grant<Event::xfs_log_regrant_exit>(k, mp, t);
}

void xfs_log_ticket_ungrant(Kernel& k, xfs_mount& mp, LogTicket& t) {
  mp.log.space.ungrant(t);
  --tickets_of(mp, *t.task);
  xfs_log_space_wake(k, mp);
}

void xfs_log_space_wake(Kernel& k, xfs_mount& mp) {
  const LogSpace& space = mp.log.space;
  for (const GrantHead* const head : {&space.write_head, &space.reserve_head}) {
    if (head->waiters.empty()) continue;
    std::vector<LogTicket*> woken;
    std::uint64_t free = space.space_left(*head);
    space.wake(*head, free, woken);
    wake_all(k, mp, woken);
  }
}

void trace_cil_wait(Kernel& k, const xfs_mount& mp) {
  TransRes headers_only;
  trace_grant<Event::xfs_log_cil_wait>(k, mp, mp.log.space.ticket(headers_only));
}

Path<void> xfs_log_force_seq(Kernel& k, xfs_mount& mp, std::uint64_t seq, const char* caller) {
  const std::uint64_t dev = mp.m_super->s_dev;
  k.trace<Event::xfs_log_force>(dev, seq, caller);
  k.trace<Event::xfs_log_force>(dev, seq, "xfs_log_force_seq");
  co_await xlog_cil_force_seq(k, mp, seq);
}

Path<void> xfs_log_force(Kernel& k, xfs_mount& mp, const char* caller) {
  k.trace<Event::xfs_log_force>(mp.m_super->s_dev, 0, caller);
  co_await xlog_cil_force_seq(k, mp, mp.log.current_seq());
}

namespace {

// xfs_sync_sb() of a caller that waits: the superblock in a transaction of its own.
Path<void> xfs_sync_sb(Kernel& k, xfs_mount& mp) {
  xfs_trans tp;
  const std::int64_t error =
      co_await xfs_trans_alloc(k, mp, TransType::sb, 0, XFS_TRANS_NO_WRITECOUNT, tp, "xfs_sync_sb");
  if (error) co_return;
  const Daddr daddr{};
  tp.alloc.bufs.read(BufKind::sb, daddr);
  tp.alloc.bufs.log(daddr);
  co_await xfs_buf_perform(k, mp, tp.alloc.bufs.take_steps(), "xfs_trans_brelse");
  co_await xfs_trans_commit(k, tp);
  co_await xfs_log_force_seq(k, mp, mp.log.current_seq(), "__xfs_trans_commit");
}

// xfs_log_cover(): the first superblock marks the tail, the second writes that to the log's end.
Path<void> xfs_log_cover(Kernel& k, xfs_mount& mp, bool dirty) {
  const int rounds = dirty && k.profile.freeze_covers_log ? 2 : 1;
  for (int i = 0; i < rounds; ++i) {
    co_await xfs_sync_sb(k, mp);
    co_await xfs_ail_push_all_sync(k, mp);
  }
}

}  // namespace

Path<void> xfs_log_quiesce(Kernel& k, xfs_mount& mp) {
  co_await xfs_log_force(k, mp, "xfs_log_quiesce");
  co_await xfs_ail_push_all_sync(k, mp);
  const bool dirty = mp.log.space.head() != mp.covered_head;
  co_await xfs_log_cover(k, mp, dirty);
  mp.covered_head = mp.log.space.head();
}

void note_log_space_holders(Kernel& k) {
  for (super_block& sb : k.supers) {
    if (!sb.mount) continue;
    xfs_mount& mp = *sb.mount;
    LogSpace& space = mp.log.space;
    for (GrantHead* const head : {&space.write_head, &space.reserve_head}) {
      if (head->waiters.empty()) continue;
      const auto waits = [&](const Task& task) {
        return std::any_of(head->waiters.begin(), head->waiters.end(),
                           [&](const LogTicket* t) { return t->task == &task; });
      };
      for (std::uint32_t i = 0; i < mp.tickets.size(); ++i) {
        Task& task = k.engine.task(TaskId(i));
        if (mp.tickets[i] != 0 && !waits(task)) k.locks.hold_for(task, *head, HoldMode::shared);
      }
      if (!mp.ail.empty()) k.locks.hold_for(*mp.ail.task, *head, HoldMode::exclusive);
    }
  }
}

}  // namespace faultline::xfs
