// Log forces and the movement of the tail. Linux 6.12 fs/xfs/xfs_log.c xfs_log_force_seq,
// xfs_log_cil.c xlog_cil_force_seq: the task first sleeps until the push worker has written the
// checkpoint, then until the log buffer with it is on the device. Left out: the worker itself as a
// task, and with it its short exclusive hold of xc_ctx_lock.
#include "kernel/fs/xfs/xfs_log_force.hpp"

namespace faultline::xfs {

Path<void> xfs_log_force_seq(Kernel& k, xfs_mount& mp, std::uint64_t seq, const char* caller) {
  const std::uint64_t dev = mp.m_super->s_dev;
  k.trace<Event::xfs_log_force>(dev, seq, caller);
  k.trace<Event::xfs_log_force>(dev, seq, "xfs_log_force_seq");
  std::uint64_t closed = seq;
  if (seq >= mp.log.current_seq()) {
    // flush_workqueue(): the worker is woken, runs, and wakes us.
    co_await k.engine.block_until(k.now() + k.costs.context_switch + k.costs.lock_wake);
    closed = mp.log.push();
  }
  if (mp.log.is_durable(closed)) co_return;
  co_await k.engine.block_until(k.now() + k.costs.log_force);  // ic_force_wait
  mp.log.set_durable(closed);
  for (Perag& pag : mp.space.ags) pag.busy.clear_through(closed);
  for (auto& [daddr, buffer] : mp.buffers) buffer->pincount = 0;
}

Path<void> xfs_ail_push_all(Kernel& k, xfs_mount& mp) {
  co_await xfs_log_force_seq(k, mp, mp.log.current_seq(), "xfs_log_force");
  mp.log.move_tail(mp.log.durable_seq());
}

}  // namespace faultline::xfs
