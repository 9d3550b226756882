// Locking and unlocking metadata buffers. Linux 6.12 fs/xfs/xfs_buf.c.
#include "kernel/fs/xfs/xfs_buf.hpp"

namespace faultline::xfs {

namespace {

constexpr std::uint64_t blocks_512 = 8;          // bbcount of a 4 KiB buffer
constexpr std::uint64_t flags_done = 1u << 5;    // XBF_DONE
constexpr std::uint64_t flags_pages = 1u << 20;  // _XBF_PAGES

const char* ops_name(BufKind kind) {
  switch (kind) {
    case BufKind::agf:
      return "xfs_agf_buf_ops";
    case BufKind::agi:
      return "xfs_agi_buf_ops";
    case BufKind::agfl:
      return "xfs_agfl_buf_ops";
    case BufKind::bnobt:
      return "xfs_bnobt_buf_ops";
    case BufKind::cntbt:
      return "xfs_cntbt_buf_ops";
    case BufKind::refcountbt:
      return "xfs_refcountbt_buf_ops";
    case BufKind::rmapbt:
      return "xfs_rmapbt_buf_ops";
    case BufKind::inode:
      return "xfs_inode_buf_ops";
    case BufKind::inobt:
      return "xfs_inobt_buf_ops";
    case BufKind::bmbt:
      return "xfs_bmbt_buf_ops";
    case BufKind::sb:
      return "xfs_sb_buf_ops";
  }
  return "";
}

LockClassId class_of(const Kernel& k, BufKind kind) {
  switch (kind) {
    case BufKind::agf:
      return k.cls.buf_agf;
    case BufKind::agi:
      return k.cls.buf_agi;
    case BufKind::agfl:
      return k.cls.buf_agfl;
    case BufKind::bnobt:
      return k.cls.buf_bnobt;
    case BufKind::cntbt:
      return k.cls.buf_cntbt;
    case BufKind::refcountbt:
      return k.cls.buf_refcountbt;
    case BufKind::rmapbt:
      return k.cls.buf_rmapbt;
    case BufKind::inode:
      return k.cls.buf_inode;
    case BufKind::inobt:
      return k.cls.buf_inobt;
    case BufKind::bmbt:
      return k.cls.buf_bmbt;
    case BufKind::sb:
      return k.cls.buf_sb;
  }
  return k.cls.buf_agf;
}

template <Event E>
void trace_buf(Kernel& k, const xfs_mount& mp, const xfs_buf& bp, int lock, const char* caller) {
  k.trace<E>(mp.m_super->s_dev, bp.daddr, blocks_512, bp.hold, bp.pincount, lock,
             flags_done | flags_pages, ops_name(bp.kind), caller);
}

// Before and after the wait for a buffer's semaphore.
void begin_lock(Kernel& k, const xfs_mount& mp, xfs_buf& bp) {
  k.engine.charge(k.costs.buffer_lookup);
  ++bp.hold;
  trace_buf<Event::xfs_buf_lock>(k, mp, bp, bp.b_sema.owner ? 0 : 1, "xfs_buf_find_lock");
}
void end_lock(Kernel& k, const xfs_mount& mp, const xfs_buf& bp) {
  trace_buf<Event::xfs_buf_lock_done>(k, mp, bp, 0, "xfs_buf_find_lock");
}

}  // namespace

xfs_buf& xfs_buf_get(Kernel& k, xfs_mount& mp, BufKind kind, Daddr daddr) {
  xfs_buf& bp = mp.buffers.get(daddr);
  if (bp.kind != kind || !bp.b_sema.context) {
    bp.kind = kind;  // a block that was freed and serves another tree now
    init_lock(bp.b_sema, k.locks, class_of(k, kind),
              lock_id(LockOwner::buffer, mp.m_super->id, daddr.v));
  }
  return bp;
}

HelperPath<bool> xfs_buf_find_lock(Kernel& k, xfs_mount& mp, xfs_buf& bp, bool trylock) {
  if (trylock) {
    k.engine.charge(k.costs.buffer_lookup);
    const bool taken = co_await down_trylock(bp.b_sema);
    if (taken) {
      ++bp.hold;
      trace_buf<Event::xfs_buf_trylock>(k, mp, bp, 0, "xfs_buf_find_lock");
    }
    co_return taken;
  }
  begin_lock(k, mp, bp);
  co_await down(bp.b_sema);
  end_lock(k, mp, bp);
  co_return true;
}

void xfs_buf_unlock(Kernel& k, xfs_mount& mp, xfs_buf& bp, const char* caller) {
  up(bp.b_sema);
  trace_buf<Event::xfs_buf_unlock>(k, mp, bp, 1, caller);
  --bp.hold;
}

HelperPath<void> xfs_buf_perform(Kernel& k, xfs_mount& mp, const std::vector<BufStep>& steps,
                                 const char* unlock_caller) {
  for (const BufStep& step : steps) {
    if (step.action == BufAction::dirty) {
      k.engine.charge(k.costs.btree_op);
      continue;
    }
    xfs_buf& bp = xfs_buf_get(k, mp, step.kind, step.daddr);
    switch (step.action) {
      case BufAction::trylock:
        co_await xfs_buf_find_lock(k, mp, bp, true);
        break;
      case BufAction::lock:  // as xfs_buf_find_lock(), without a frame for each buffer
        begin_lock(k, mp, bp);
        co_await down(bp.b_sema);
        end_lock(k, mp, bp);
        break;
      case BufAction::unlock:
        xfs_buf_unlock(k, mp, bp, unlock_caller);
        break;
      case BufAction::dirty:
        break;
    }
  }
}

}  // namespace faultline::xfs
