// Transactions. Linux 6.12 fs/xfs/xfs_trans.c (xfs_trans_alloc, __xfs_trans_commit) and
// xfs_log_cil.c (xlog_cil_commit). Left out: quota.
#include "kernel/fs/xfs/xfs_trans.hpp"

#include <cerrno>

#include "kernel/fs/durable_promises.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/fs/xfs/xfs_buf.hpp"
#include "kernel/fs/xfs/xfs_defer.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_log.hpp"

namespace faultline::xfs {

namespace {

const char* name_of(RedoKind kind) {
  switch (kind) {
    case RedoKind::core:
      return "core";
    case RedoKind::extent_add:
      return "extent_add";
    case RedoKind::extent_convert:
      return "extent_convert";
    case RedoKind::extent_del:
      return "extent_del";
    case RedoKind::size:
      return "size";
    case RedoKind::times:
      return "times";
    case RedoKind::free_del:
      return "free_del";
    case RedoKind::free_add:
      return "free_add";
    case RedoKind::free_intent:
      return "free_intent";
    case RedoKind::counters:
      return "counters";
    case RedoKind::unlinked:
      return "unlinked";
    case RedoKind::ifree:
      return "ifree";
  }
  return "";
}

// `a` is the inode (0: free space), `b` the block, the time or the size.
void trace_redo(Kernel& k, const xfs_mount& mp, const RedoRecord& r) {
  if (!k.engine.tracer().wants(Event::sim_log_redo)) [[likely]]
    return;
  const bool valued = r.kind == RedoKind::times || r.kind == RedoKind::size;
  k.trace<Event::sim_log_redo>(mp.log.current_seq(), name_of(r.kind), r.ino,
                               valued ? r.a : r.start.v);
}

template <Event E>
void trace_trans(Kernel& k, const xfs_trans& tp, const char* caller) {
  k.trace<E>(tp.mp->m_super->s_dev, tp.tid, tp.flags, caller);
}

TransRes reservation(const Geometry& geo, TransType type) {
  switch (type) {
    case TransType::fsyncts:
      return tr_fsyncts(geo);
    case TransType::ichange:
      return tr_ichange(geo);
    case TransType::write:
      return tr_write(geo);
    case TransType::itruncate:
      return tr_itruncate(geo);
    case TransType::remove:
      return tr_remove(geo);
    case TransType::ifree:
      return tr_ifree(geo);
    case TransType::sb:
      return tr_sb(geo);
  }
  return tr_fsyncts(geo);
}

// Takes blocks from the free count; the reserve pool serves transactions that must not fail.
bool take_blocks(xfs_mount& mp, std::uint64_t blocks, bool may_use_pool) {
  if (blocks <= mp.fdblocks) {
    mp.fdblocks -= blocks;
    return true;
  }
  const std::uint64_t missing = blocks - mp.fdblocks;
  if (!may_use_pool || missing > mp.resblks) return false;
  mp.resblks -= missing;
  mp.fdblocks = 0;
  return true;
}

Path<std::int64_t> xfs_trans_reserve(Kernel& k, xfs_trans& tp, std::uint64_t blocks) {
  xfs_mount& mp = *tp.mp;
  if (!take_blocks(mp, blocks, tp.flags & XFS_TRANS_RESERVE)) co_return -ENOSPC;
  tp.blk_res = blocks;
  const Geometry& geo = mp.space.geo;
  tp.ticket = mp.log.space.ticket(reservation(geo, tp.type));
  tp.ticket.tid = tp.tid;
  co_await xfs_log_reserve(k, mp, tp.ticket);
  co_return 0;
}

void give_back_blocks(xfs_trans& tp) {
  tp.mp->fdblocks += tp.blk_res - tp.blk_res_used;
  tp.blk_res = tp.blk_res_used;
}

// xfs_trans_apply_sb_deltas(): what the transaction freed is free for everybody.
void apply_sb_deltas(xfs_trans& tp) {
  tp.mp->fdblocks += tp.blk_freed;
  tp.blk_freed = 0;
}

}  // namespace

Path<std::int64_t> xfs_trans_alloc(Kernel& k, xfs_mount& mp, TransType type, std::uint64_t blocks,
                                   unsigned flags, xfs_trans& tp, const char* caller) {
  if (const int err = k.inject.fails(FailPoint::xfs_trans_alloc)) co_return -err;
  tp.mp = &mp;
  tp.type = type;
  tp.flags = flags;
  tp.tid = mp.next_tid++;
  // Without blocks it is tried once more, after the collector had its chance: nothing here.
  for (bool retry = k.profile.trans_retries_enospc;; retry = false) {
    k.might_alloc();
    if (!(flags & XFS_TRANS_NO_WRITECOUNT)) co_await sb_start_intwrite(*mp.m_super);
    const std::int64_t error = co_await xfs_trans_reserve(k, tp, blocks);
    if (!error) break;
    co_await xfs_trans_cancel(k, tp, "xfs_trans_alloc");
    if (!retry) co_return error;
  }
  if (tp.ticket.permanent) tp.flags |= XFS_TRANS_PERM_LOG_RES;
  trace_trans<Event::xfs_trans_alloc>(k, tp, caller);
  co_return 0;
}

Path<std::int64_t> xfs_trans_alloc_inode(Kernel& k, inode& ip, TransType type, std::uint64_t blocks,
                                         bool force, xfs_trans& tp) {
  const unsigned flags = force ? XFS_TRANS_RESERVE : 0;
  const std::int64_t error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, type, blocks, flags, tp,
                                                      "xfs_trans_alloc_inode");
  if (error) co_return error;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_trans_alloc_inode");
  tp.joined = &ip;
  co_return 0;
}

namespace {

// Whether the log grant ends with the commit or goes on into the next transaction of the chain.
enum class Grant : std::uint8_t { ends, goes_on };

void end_unit(Kernel& k, xfs_trans& tp, Grant grant) {
  if (grant == Grant::goes_on) {
    tp.mp->log.space.roll(tp.ticket);
  } else {
    xfs_log_ticket_ungrant(k, *tp.mp, tp.ticket);
  }
}

// The items of the transaction join the checkpoint; locks are released inside, in order of joining.
Path<void> xlog_cil_commit(Kernel& k, xfs_trans& tp, Grant grant) {
  xfs_mount& mp = *tp.mp;
  co_await down_read(mp.xc_ctx_lock);
  for (const RedoRecord& record : tp.redo) {
    trace_redo(k, mp, record);
    if (k.promises) note_committed(k, mp, record);
  }
  xlog_cil_insert_items(k, tp);
  const std::uint64_t seq = mp.log.commit(tp.redo);
  tp.redo.clear();
  end_unit(k, tp, grant);
  apply_sb_deltas(tp);
  if (grant == Grant::ends) give_back_blocks(tp);
  for (inode* const ip : {tp.joined, tp.joined_too}) {
    if (!ip) continue;
    ip->xfs->ili_commit_seq = seq;
    if (tp.logs_core) ip->xfs->core_in_cil = true;
    if (tp.unlock_inode) xfs_iunlock(k, *ip, XFS_ILOCK_EXCL, "xfs_inode_item_release");
  }
  auto logged = mp.cil.logged.begin();  // in the order of the steps
  for (const BufStep& step : tp.alloc.bufs.commit()) {
    if (step.action != BufAction::unlock) continue;
    const bool found = logged != mp.cil.logged.end() && (*logged)->daddr == step.daddr;
    xfs_buf& bp = found ? **logged++ : xfs_buf_get(k, mp, step.kind, step.daddr);
    xfs_buf_unlock(k, mp, bp, "xfs_buf_item_release");
  }
  co_await k.engine.spend(k.costs.trans_commit);
  co_await xlog_cil_push_background(k, mp);
}

// A clean transaction: nothing joins the log, what it holds is let go.
HelperPath<void> commit_clean(Kernel& k, xfs_trans& tp, Grant grant) {
  end_unit(k, tp, grant);
  give_back_blocks(tp);
  if (tp.joined && tp.unlock_inode) {
    xfs_iunlock(k, *tp.joined, XFS_ILOCK_EXCL, "xfs_inode_item_release");
  }
  co_await xfs_buf_perform(k, *tp.mp, tp.alloc.bufs.commit(), "xfs_buf_item_release");
}

// xfs_inode_item_precommit(): an inode that was clean gets its cluster buffer attached.
HelperPath<void> xfs_inode_item_precommit(Kernel& k, xfs_trans& tp, inode& ip) {
  ip.xfs->li_buf = true;
  const Daddr cluster = tp.mp->space.geo.inode_cluster_daddr(ip.i_ino);
  xfs_buf& bp = xfs_buf_get(k, *tp.mp, BufKind::inode, cluster);
  co_await xfs_buf_find_lock(k, *tp.mp, bp, false);
  xfs_buf_unlock(k, *tp.mp, bp, "xfs_trans_brelse");
}

HelperPath<void> __xfs_trans_commit(Kernel& k, xfs_trans& tp, Grant grant, const char* caller) {
  if (!tp.redo.empty() || tp.alloc.bufs.any_dirty()) tp.flags |= XFS_TRANS_DIRTY;
  trace_trans<Event::xfs_trans_commit>(k, tp, caller);
  if (tp.flags & XFS_TRANS_DIRTY) {
    for (inode* const ip : {tp.joined, tp.joined_too}) {
      if (ip && !ip->xfs->li_buf) co_await xfs_inode_item_precommit(k, tp, *ip);
    }
    co_await xlog_cil_commit(k, tp, grant);
  } else {
    co_await commit_clean(k, tp, grant);
  }
  trace_trans<Event::xfs_trans_free>(k, tp, "__xfs_trans_commit");
  if (!(tp.flags & XFS_TRANS_NO_WRITECOUNT)) sb_end_intwrite(*tp.mp->m_super);
}

}  // namespace

Path<void> xfs_trans_commit(Kernel& k, xfs_trans& tp) {
  if (tp.flags & XFS_TRANS_PERM_LOG_RES) co_await xfs_defer_finish_noroll(k, tp);
  co_await __xfs_trans_commit(k, tp, Grant::ends, "xfs_trans_commit");
}

Path<void> xfs_trans_roll(Kernel& k, xfs_trans& tp) {
  trace_trans<Event::xfs_trans_roll>(k, tp, "xfs_defer_trans_roll");
  const unsigned kept = tp.flags & (XFS_TRANS_PERM_LOG_RES | XFS_TRANS_RESERVE);
  tp.flags |= XFS_TRANS_NO_WRITECOUNT;  // freeze protection stays with the chain
  co_await __xfs_trans_commit(k, tp, Grant::goes_on, "xfs_trans_roll");
  // The blocks reserved and not used move on with the chain; AGFs may be locked in any order again.
  tp.flags = kept;
  tp.blk_res -= tp.blk_res_used;
  tp.blk_res_used = 0;
  tp.logs_core = false;
  tp.alloc.highest_agno = null_agno;
  if (tp.ticket.count == 0) co_await xfs_log_regrant(k, *tp.mp, tp.ticket);
}

Path<void> xfs_trans_cancel(Kernel& k, xfs_trans& tp, const char* caller) {
  trace_trans<Event::xfs_trans_cancel>(k, tp, caller);
  give_back_blocks(tp);
  if (tp.ticket.task) xfs_log_ticket_ungrant(k, *tp.mp, tp.ticket);
  co_await xfs_buf_perform(k, *tp.mp, tp.alloc.bufs.commit(), "xfs_buf_item_release");
  trace_trans<Event::xfs_trans_free>(k, tp, "xfs_trans_cancel");
  if (!(tp.flags & XFS_TRANS_NO_WRITECOUNT)) sb_end_intwrite(*tp.mp->m_super);
}

}  // namespace faultline::xfs
