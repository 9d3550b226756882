// Performing what the allocator asks for. See the header.
#include "kernel/fs/xfs/xfs_alloc_run.hpp"

#include <cerrno>

#include "kernel/fs/xfs/xfs_buf.hpp"
#include "kernel/fs/xfs/xfs_log.hpp"

namespace faultline::xfs {

namespace {

// Performs one wait of the allocator; whether it was granted.
HelperPath<bool> perform_wait(Kernel& k, xfs_trans& tp, AllocWait wait) {
  if (wait.kind == AllocWait::Kind::flush_busy) {
    co_await xfs_log_force_seq(k, *tp.mp, wait.seq, "xfs_extent_busy_flush");
    co_return true;
  }
  xfs_buf& agf = xfs_buf_get(k, *tp.mp, BufKind::agf, wait.daddr);
  const bool granted = co_await xfs_buf_find_lock(k, *tp.mp, agf, wait.trylock);
  co_return granted;
}

template <class Walk>
HelperPath<void> run(Kernel& k, xfs_trans& tp, Walk& walk) {
  for (;;) {
    const AllocWait wait = walk.next();
    co_await perform_steps(k, tp);
    if (wait.kind == AllocWait::Kind::done) co_return;
    const bool granted = co_await perform_wait(k, tp, wait);
    walk.answer(granted);
  }
}

}  // namespace

HelperPath<void> run_walk(Kernel& k, xfs_trans& tp, BtallocWalk& walk) { return run(k, tp, walk); }
HelperPath<void> run_walk(Kernel& k, xfs_trans& tp, VextentWalk& walk) { return run(k, tp, walk); }

HelperPath<std::int64_t> prepare_bmbt_blocks(Kernel& k, xfs_trans& tp, unsigned blocks,
                                             FsBlock hint) {
  if (blocks == 0) co_return 0;
  AllocArgs args;
  args.minleft = args.total = blocks;
  VextentWalk walk(tp.mp->space, tp.alloc, VextentType::prepare_ag, hint, args);
  co_await run_walk(k, tp, walk);
  co_return walk.result() == null_fsblock ? -ENOSPC : 0;
}

HelperPath<void> perform_steps(Kernel& k, xfs_trans& tp) {
  return xfs_buf_perform(k, *tp.mp, tp.alloc.bufs.take_steps(), "xfs_trans_brelse");
}

void trace_vextent_finish(Kernel& k, const xfs_mount& mp, const AllocArgs& a, AgNumber highest) {
  k.trace<Event::xfs_alloc_vextent_finish>(mp.m_super->s_dev, a.agno, a.agbno, a.minlen, a.maxlen,
                                           a.mod, a.prod, a.minleft, a.total, a.alignment,
                                           a.alignslop, a.len, a.wasdel, a.wasfromfl, 0, a.datatype,
                                           highest == null_agno ? a.agno : highest);
}

}  // namespace faultline::xfs
