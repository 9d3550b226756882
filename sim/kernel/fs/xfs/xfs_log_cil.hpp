// The committed item list of an XFS as tasks see it: what a commit puts into the open checkpoint,
// when the push worker writes it, who is throttled, who waits for it to be on disk. Linux 6.12
// fs/xfs/xfs_log_cil.c. Left out: the last log buffer of a push in the background stays in memory
// until it is full or forced; here it is written at once.
#pragma once

#include <deque>
#include <vector>

#include "kernel/fs/xfs/xfs_log_item.hpp"
#include "kernel/kernel.hpp"

namespace faultline::xfs {

struct xfs_mount;
struct xfs_trans;

struct xfs_cil {
  /// A checkpoint that the device is writing.
  struct InFlight {
    std::uint64_t seq = 0;
    Nanos done{};
    std::vector<xfs_log_item*> items;
  };
  Task* push_task = nullptr;         ///< workqueue xfs-cil
  Task* log_task = nullptr;          ///< workqueue xfs-log: what follows a write of the log
  std::uint64_t push_seq = 0;        ///< the worker has been asked to write up to this checkpoint
  std::uint64_t submitted = 0;       ///< newest checkpoint that the device has been given
  std::vector<xfs_log_item*> items;  ///< of the open checkpoint
  std::vector<xfs_buf*> logged;      ///< buffers of the transaction that commits
  std::deque<InFlight> in_flight;
  std::vector<Task*> push_waiters;  ///< throttled: until the worker has begun
  std::vector<Task*> submit_waiters;
  std::vector<Task*> force_waiters;
};

/// xlog_cil_insert_items(): the items that `tp` has logged join the open checkpoint, which costs
/// log space of its ticket.
void xlog_cil_insert_items(Kernel& k, xfs_trans& tp);
/// xlog_cil_push_background(): has the worker write the checkpoint if it is large, releases
/// xc_ctx_lock, and throttles the caller if it is far too large.
HelperPath<void> xlog_cil_push_background(Kernel& k, xfs_mount& mp);
/// xlog_cil_force_seq(): has checkpoint `seq` written and waits until it is on disk.
Path<void> xlog_cil_force_seq(Kernel& k, xfs_mount& mp, std::uint64_t seq);
/// xlog_cil_flush(): has everything written; does not wait.
void xlog_cil_flush(Kernel& k, xfs_mount& mp);

}  // namespace faultline::xfs
