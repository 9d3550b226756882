// A mounted XFS and its inodes: allocation groups, free-block counter, metadata buffers, log. Linux
// 6.12 fs/xfs/xfs_mount.h, xfs_inode.h, xfs_buf.h.
#pragma once

#include <optional>

#include "kernel/fs/fs_types.hpp"
#include "kernel/fs/xfs/xfs_bmap_fork.hpp"
#include "kernel/fs/xfs/xfs_buf_cache.hpp"
#include "kernel/fs/xfs/xfs_log_cil.hpp"
#include "kernel/fs/xfs/xfs_log_model.hpp"
#include "kernel/fs/xfs/xfs_trans_ail.hpp"
#include "locking/rwsem.hpp"
#include "locking/spinlock.hpp"

namespace faultline::xfs {

struct xfs_mount {
  super_block* m_super = nullptr;
  FsSpace space;
  std::uint64_t fdblocks = 0;    ///< free data blocks
  std::uint64_t resblks = 8192;  ///< reserve pool, for transactions that must not fail
  rw_semaphore xc_ctx_lock;      ///< of the log's CIL
  spinlock_t m_perags_lock;      ///< of the tree of AGs
  Log log;
  xfs_cil cil;
  xfs_ail ail;
  std::vector<std::uint32_t> tickets;  ///< log grants that are held, by task
  std::uint64_t covered_head = 0;      ///< where the log ended when it was last covered
  BufCache buffers;
  ExtLen m_dalign = 0;  ///< stripe unit, blocks; 0: none
  ExtLen m_swidth = 0;  ///< stripe width, blocks
  std::uint64_t next_tid = 1;
  inode* m_rootip = nullptr;  ///< the root directory; null until something is done in it
};

/// Bits of i_flags: preallocated blocks were given back at a close once, blocks behind the end of
/// file, blocks in the CoW fork that nobody uses yet, and that another file is being given the
/// blocks of this one.
inline constexpr unsigned XFS_EOFBLOCKS_RELEASED = 1u << 6, XFS_IEOFBLOCKS = 1u << 9,
                          XFS_ICOWBLOCKS = 1u << 12, XFS_IREMAPPING = 1u << 15;

struct xfs_inode {
  xfs_mount* i_mount = nullptr;
  rw_semaphore i_lock;  ///< ILOCK
  DataFork df;
  DataFork cow;          ///< blocks for copies that are not written yet; in memory only
  bool reflink = false;  ///< XFS_DIFLAG2_REFLINK: some of its blocks may be shared
  std::uint64_t i_disk_size = 0;
  unsigned i_flags = 0;              ///< XFS_I*
  std::uint32_t xflags = 0;          ///< FS_XFLAG_* on disk
  std::uint64_t extsize = 0;         ///< extent-size hint, blocks
  std::uint64_t cowextsize = 0;      ///< the same for copies of shared blocks
  bool core_in_cil = false;          ///< more than timestamps is logged since the last fsync
  std::uint64_t ili_commit_seq = 0;  ///< newest checkpoint with a change of the inode
  std::optional<Shared<std::int32_t>> i_mapdcount;  ///< MAP_DIRECT mappings of it
  xfs_log_item item;
  bool li_buf = true;  ///< its cluster buffer is attached; not after write-back cleaned the inode

  /// xfs_ipincount(): a change of the inode is in a checkpoint that is not on disk yet.
  bool pinned() const { return ili_commit_seq > i_mount->log.durable_seq(); }
};

}  // namespace faultline::xfs
