// One allocation group: its AGF counters, its free list (AGFL) and the two free-space B+trees, by
// start block (bnobt) and by length (cntbt), whose blocks come from and return to the free list.
// Source: linux 6.12 fs/xfs/libxfs/xfs_ag.h, xfs_alloc_btree.c. Left out: inode trees, per-AG
// reservations for metadata growth (one number stands for them), lazy reading of the headers.
#pragma once

#include <deque>
#include <vector>

#include "kernel/fs/xfs/xfs_btree.hpp"
#include "kernel/fs/xfs/xfs_extent_busy.hpp"
#include "kernel/fs/xfs/xfs_format.hpp"
#include "kernel/fs/xfs/xfs_refcount.hpp"

namespace faultline::xfs {

/// A free extent, as both trees store it (8 bytes).
struct AllocRec {
  AgBlock bno = 0;
  ExtLen len = 0;
  friend bool operator==(const AllocRec&, const AllocRec&) = default;
};

struct Perag;

/// Blocks of the free-space trees of one AG: taken from the AGFL, put back there when freed.
struct AllocbtSpace {
  const Geometry* geo;
  Perag* pag;
  std::uint64_t busy_seq;  ///< checkpoint that frees of this transaction belong to

  Daddr daddr(AgBlock bno) const;
  std::optional<AgBlock> alloc_block(TransBufs& bufs, AgBlock near);
  void free_block(TransBufs& bufs, AgBlock bno);
  void set_root(TransBufs& bufs, AgBlock root);
  void log_iroot() {}
};

struct AllocbtOps {
  using Rec = AllocRec;
  using Key = AllocRec;
  using Ptr = AgBlock;
  using Space = AllocbtSpace;
  static constexpr Ptr null_ptr = null_agbno;
  static constexpr bool root_in_inode = false;
  static Key key_of(const Rec& rec) { return rec; }
  static unsigned maxrecs(unsigned level) { return alloc_maxrecs[level != 0]; }
  static unsigned minrecs(unsigned level) { return alloc_minrecs[level != 0]; }
  static unsigned iroot_max(const Space&) { return 0; }
};
struct BnobtOps : AllocbtOps {
  static constexpr BufKind kind = BufKind::bnobt;
  static bool less(const Key& a, const Key& b) { return a.bno < b.bno; }
};
struct CntbtOps : AllocbtOps {
  static constexpr BufKind kind = BufKind::cntbt;
  static bool less(const Key& a, const Key& b) {
    return a.len != b.len ? a.len < b.len : a.bno < b.bno;
  }
};
using BnobtCursor = BtreeCursor<BnobtOps>;
using CntbtCursor = BtreeCursor<CntbtOps>;
extern template class BtreeCursor<BnobtOps>;
extern template class BtreeCursor<CntbtOps>;

/// One allocation group. All of it is protected by the buffer lock of its AGF.
struct Perag {
  AgNumber agno = 0;
  ExtLen length = 0;            ///< blocks
  std::uint32_t freeblks = 0;   ///< in the trees; neither AGFL nor tree blocks count
  ExtLen longest = 0;           ///< longest free extent
  std::uint32_t btreeblks = 0;  ///< tree blocks besides the roots
  std::uint32_t reserved = 0;   ///< kept for others: not for data
  std::deque<AgBlock> agfl;     ///< first out, first in at the back
  Btree<BnobtOps> bnobt;
  Btree<CntbtOps> cntbt;
  BusyExtents busy;
  Refcounts refcounts;
  std::uint32_t blockgc_inodes = 0;  ///< tagged XFS_ICI_BLOCKGC_TAG
};

/// How full bulk loading makes tree blocks.
enum class BulkFill : std::uint8_t {
  full,      ///< as dense as blocks allow
  default_,  ///< half-way between the least and the most, as the kernel's bulk loader does
};

/// Fills an AG from its free extents (ascending, disjoint, not adjacent, behind the fixed blocks).
/// Free list and tree blocks are taken from the lowest free blocks. Returns how many were taken, or
/// nothing if the free space cannot hold even these; the AG then has no free space at all.
std::optional<std::uint32_t> bulk_load_ag(const Geometry& geo, Perag& pag, AgNumber agno,
                                          std::vector<AllocRec> free, BulkFill fill);

/// Blocks the AGFL must hold so that one allocation can split both trees to the top, twice.
unsigned xfs_alloc_min_freelist(const Geometry& geo, const Perag& pag);

/// Takes the free list's first block; reads and lets go of the AGFL, logs the AGF.
std::optional<AgBlock> xfs_alloc_get_freelist(const Geometry& geo, Perag& pag, TransBufs& bufs,
                                              bool for_btree);
/// Appends a block to the free list; reads and logs the AGFL, logs the AGF.
void xfs_alloc_put_freelist(const Geometry& geo, Perag& pag, TransBufs& bufs, AgBlock bno,
                            bool for_btree);

}  // namespace faultline::xfs
