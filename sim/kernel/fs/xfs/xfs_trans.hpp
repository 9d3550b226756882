// Transactions: reservation, the items they log, commit into the CIL. Linux 6.12
// fs/xfs/xfs_trans.c, xfs_log_cil.c. A commit makes redo records in the log; they are durable when
// the log is forced.
#pragma once

#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/kernel.hpp"

namespace faultline::xfs {

inline constexpr unsigned XFS_TRANS_DIRTY = 0x1, XFS_TRANS_PERM_LOG_RES = 0x4,
                          XFS_TRANS_RESERVE = 0x10;

/// Which reservation of the log a transaction takes.
enum class TransType : std::uint8_t { fsyncts, ichange, write, itruncate };

struct xfs_trans {
  xfs_mount* mp = nullptr;
  unsigned flags = 0;
  std::uint64_t tid = 0;
  std::uint64_t blk_res = 0;  ///< blocks reserved
  std::uint64_t blk_res_used = 0;
  TransType type = TransType::fsyncts;
  LogTicket ticket;
  AllocTrans alloc;  ///< buffers held and what the allocator remembers
  std::vector<RedoRecord> redo;
  inode* joined = nullptr;    ///< the inode logged in it
  bool unlock_inode = false;  ///< ILOCK is released by the commit
  bool logs_core = false;     ///< more than timestamps
};

/// xfs_trans_alloc: waits for log space, then reserves blocks. 0 or -ENOSPC; on error everything
/// is given back. `caller` as the tracepoint names it.
Path<std::int64_t> xfs_trans_alloc(Kernel& k, xfs_mount& mp, TransType type, std::uint64_t blocks,
                                   unsigned flags, xfs_trans& tp, const char* caller);
/// xfs_trans_alloc_inode: the same for one inode, which comes back with ILOCK held exclusively.
Path<std::int64_t> xfs_trans_alloc_inode(Kernel& k, inode& ip, TransType type, std::uint64_t blocks,
                                         bool force, xfs_trans& tp);
Path<void> xfs_trans_commit(Kernel& k, xfs_trans& tp);
/// Gives everything back. Nothing may have been changed (XFS would shut down).
Path<void> xfs_trans_cancel(Kernel& k, xfs_trans& tp);

}  // namespace faultline::xfs
