// Transactions: reservation, the items they log, commit into the CIL. Linux 6.12
// fs/xfs/xfs_trans.c, xfs_log_cil.c. A commit makes redo records in the log; they are durable when
// the log is forced.
#pragma once

#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/kernel.hpp"

#include <utility>

namespace faultline::xfs {

inline constexpr unsigned XFS_TRANS_DIRTY = 0x1, XFS_TRANS_PERM_LOG_RES = 0x4,
                          XFS_TRANS_RESERVE = 0x10, XFS_TRANS_NO_WRITECOUNT = 0x20,
                          XFS_TRANS_HAS_INTENT_DONE = 0x80;

/// Which reservation of the log a transaction takes.
enum class TransType : std::uint8_t { fsyncts, ichange, write, itruncate, remove, ifree, sb };

struct xfs_trans {
  xfs_mount* mp = nullptr;
  unsigned flags = 0;
  std::uint64_t tid = 0;
  std::uint64_t blk_res = 0;  ///< blocks reserved
  std::uint64_t blk_res_used = 0;
  std::uint64_t blk_freed = 0;  ///< blocks that the commit adds to the free ones
  TransType type = TransType::fsyncts;
  LogTicket ticket;
  AllocTrans alloc;  ///< buffers held and what the allocator remembers
  std::vector<RedoRecord> redo;
  inode* joined = nullptr;      ///< the inode logged in it
  inode* joined_too = nullptr;  ///< a second one, of a higher number
  bool unlock_inode = false;    ///< ILOCK is released by the commit
  bool logs_core = false;       ///< more than timestamps
};

/// xfs_trans_log_inode(XFS_ILOG_CORE): the joined inode is part of what is committed.
inline void xfs_trans_log_inode(xfs_trans& tp) {
  tp.flags |= XFS_TRANS_DIRTY;
  tp.logs_core = true;
}

/// xfs_trans_ijoin(): one inode, or two in rising order of their numbers.
inline void xfs_trans_ijoin(xfs_trans& tp, inode& ip) {
  if (!tp.joined) {
    tp.joined = &ip;
    return;
  }
  tp.joined_too = &ip;
  if (tp.joined_too->i_ino < tp.joined->i_ino) std::swap(tp.joined, tp.joined_too);
}

/// xfs_trans_alloc: waits for log space, then reserves blocks. 0 or -ENOSPC; on error everything
/// is given back. `caller` as the tracepoint names it.
Path<std::int64_t> xfs_trans_alloc(Kernel& k, xfs_mount& mp, TransType type, std::uint64_t blocks,
                                   unsigned flags, xfs_trans& tp, const char* caller);
/// xfs_trans_alloc_inode: the same for one inode, which comes back with ILOCK held exclusively.
Path<std::int64_t> xfs_trans_alloc_inode(Kernel& k, inode& ip, TransType type, std::uint64_t blocks,
                                         bool force, xfs_trans& tp);
/// Finishes what is deferred, then commits. A clean transaction leaves nothing in the log.
Path<void> xfs_trans_commit(Kernel& k, xfs_trans& tp);
/// Commits what there is and goes on under the same log grant and freeze protection: `tp` is then
/// the next transaction of the chain, with the inode still joined and its lock held.
Path<void> xfs_trans_roll(Kernel& k, xfs_trans& tp);
/// Gives everything back. Nothing may have been changed (XFS would shut down).
Path<void> xfs_trans_cancel(Kernel& k, xfs_trans& tp, const char* caller);

}  // namespace faultline::xfs
