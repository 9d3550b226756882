// A piece of metadata as the log sees it: an inode or a buffer that changes in memory, is written
// to the log with a checkpoint (and pinned until that is on disk), and stays in the list of what is
// not in place yet (the AIL) until it is written back. Linux 6.12 fs/xfs/xfs_trans.h struct
// xfs_log_item, xfs_inode_item.c, xfs_buf_item.c. Left out: items of intents, which matter for
// recovery only.
#pragma once

#include <cstdint>

namespace faultline {
struct inode;
}

namespace faultline::xfs {

struct xfs_buf;

/// One of `ip` and `bp` is set, by the first transaction that logs the item.
struct xfs_log_item {
  inode* ip = nullptr;
  xfs_buf* bp = nullptr;
  std::uint64_t seq = 0;      ///< newest checkpoint that it is part of
  std::uint32_t bytes = 0;    ///< what it takes in that one
  bool logs_extents = false;  ///< of an inode: its block map has changed since it was written back
  bool flushing = false;      ///< its content is on the way to the device
  std::uint64_t lsn = 0;      ///< where the log has it; 0: it is in place
  std::uint64_t flush_lsn = 0;  ///< the same when it was last written back
  xfs_log_item* ail_next = nullptr;
  xfs_log_item* ail_prev = nullptr;
};

}  // namespace faultline::xfs
