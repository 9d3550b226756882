// Log forces and the movement of the tail.
#include "kernel/fs/xfs/xfs_log_force.hpp"

namespace faultline::xfs {

Path<void> xfs_log_force_seq(Kernel& k, xfs_mount& mp, std::uint64_t seq) {
  k.trace<Event::xfs_log_force>(mp.m_super->s_dev, seq, "xfs_log_force_seq");
  co_await down_write(mp.xc_ctx_lock);
  const std::uint64_t closed = mp.log.push();
  up_write(mp.xc_ctx_lock);
  co_await k.engine.spend(k.costs.log_force);
  mp.log.set_durable(closed);
  for (Perag& pag : mp.space.ags) pag.busy.clear_through(closed);
  for (auto& [daddr, buffer] : mp.buffers) buffer->pincount = 0;
}

Path<void> xfs_ail_push_all(Kernel& k, xfs_mount& mp) {
  co_await xfs_log_force_seq(k, mp, mp.log.current_seq());
  mp.log.move_tail(mp.log.durable_seq());
}

}  // namespace faultline::xfs
