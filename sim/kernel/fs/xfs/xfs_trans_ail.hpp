// The active item list of an XFS: metadata that the log has and that are not in place yet, oldest
// first, and the daemon that writes them back so that the log's tail can move. Linux 6.12
// fs/xfs/xfs_trans_ail.c. Left out: items that failed to be written; the daemon's look every 50 ms
// when there is nothing to push.
#pragma once

#include <vector>

#include "kernel/fs/xfs/xfs_log_item.hpp"
#include "kernel/kernel.hpp"

namespace faultline::xfs {

struct xfs_mount;

class xfs_ail {
 public:
  xfs_log_item* first() const { return first_; }
  bool empty() const { return first_ == nullptr; }
  /// Oldest and newest place in the log; 0 if there is nothing.
  std::uint64_t min_lsn() const { return first_ ? first_->lsn : 0; }
  std::uint64_t max_lsn() const { return last_ ? last_->lsn : 0; }
  /// Puts an item behind all others, from its place if it has one. `lsn` is not before any other.
  void insert(xfs_log_item& item, std::uint64_t lsn);
  void remove(xfs_log_item& item);

  Task* task = nullptr;    ///< xfsaild
  bool sleeping = false;   ///< until its next turn; a wake-up brings that forward
  bool push_all = false;   ///< XFS_AIL_OPSTATE_PUSH_ALL
  bool log_flush = false;  ///< pinned items were met: the log has to be written first
  std::uint64_t target = 0;
  std::uint64_t last_pushed = 0;
  std::vector<xfs_buf*> buf_list;  ///< to be written at the end of the turn
  std::vector<Task*> empty_waiters;

 private:
  xfs_log_item* first_ = nullptr;
  xfs_log_item* last_ = nullptr;
};

/// xfs_ail_calc_push_target() without forgetting that all is to be pushed: up to where items are
/// written back in a log of `size` bytes; a quarter of it is kept free.
std::uint64_t xfs_ail_push_target(const xfs_ail& ail, std::uint64_t size);

/// Items of a checkpoint that is on disk are in the list from now on, at its place in the log.
void xfs_trans_ail_update_bulk(Kernel& k, xfs_mount& mp, const std::vector<xfs_log_item*>& items,
                               std::uint64_t lsn);
/// Tells the daemon to empty the list.
void xfs_ail_push_all(Kernel& k, xfs_mount& mp);
/// The same, and waits until it is empty.
Path<void> xfs_ail_push_all_sync(Kernel& k, xfs_mount& mp);

}  // namespace faultline::xfs
