// The data fork of a file and how transactions change it: the in-core map, and its form on disk,
// which is records inside the inode while they fit and a B+tree (bmbt) with its root in the inode
// afterwards. Tree blocks are real blocks of the file system and appear as buffers.
// Source: linux 6.12 fs/xfs/libxfs/xfs_bmap.c (xfs_bmap_add_extent_hole_real, _unwritten_real,
// xfs_bmap_del_extent_real, xfs_bmap_extents_to_btree, _btree_to_extents), xfs_bmap_btree.c.
// Left out: attribute and CoW forks on disk, delayed allocation turning real, reverse mappings.
#pragma once

#include <vector>

#include "kernel/fs/xfs/xfs_alloc_vextent.hpp"
#include "kernel/fs/xfs/xfs_iext.hpp"

namespace faultline::xfs {

struct DataFork;

/// Blocks of one file's extent tree: allocated from AGs the transaction holds, freed for later.
struct BmbtSpace {
  FsSpace* fs;
  AllocTrans* tp;
  DataFork* fork;

  Daddr daddr(FsBlock b) const { return fs->geo.daddr(b); }
  std::optional<FsBlock> alloc_block(TransBufs& bufs, FsBlock near);
  void free_block(TransBufs& bufs, FsBlock b);
  void set_root(TransBufs&, FsBlock) {}
  void log_iroot();
};

struct BmbtOps {
  using Rec = PackedExtent;
  using Key = std::uint64_t;
  using Ptr = FsBlock;
  using Space = BmbtSpace;
  static constexpr Ptr null_ptr = null_fsblock;
  static constexpr bool root_in_inode = true;
  static constexpr BufKind kind = BufKind::bmbt;
  static Key key_of(const Rec& rec) { return rec.off(); }
  static bool less(Key a, Key b) { return a < b; }
  static unsigned maxrecs(unsigned level) { return bmbt_maxrecs[level != 0]; }
  static unsigned minrecs(unsigned level) { return bmbt_minrecs[level != 0]; }
  static unsigned iroot_max(const Space& space) { return space.fs->geo.root_ptrs(); }
};
using BmbtCursor = BtreeCursor<BmbtOps>;
extern template class BtreeCursor<BmbtOps>;

/// The data fork of one inode. Protected by the inode's ILOCK.
struct DataFork {
  Ino ino{};
  ExtentMap map;
  bool in_core = false;        ///< never on disk: the CoW fork
  bool btree = false;          ///< on disk as a tree; else inline
  Btree<BmbtOps> bmbt;         ///< real mappings, when `btree`
  std::uint64_t nextents = 0;  ///< real mappings
  std::uint64_t nblocks = 0;   ///< data and tree blocks
  unsigned levels() const { return btree ? bmbt.nlevels : 0; }
};

/// Fills a fork with declared mappings (sorted, disjoint, real). `next_block()` gives blocks for
/// the tree, if one is needed; `bmbt_blocks_needed` tells how many.
std::uint64_t bmbt_blocks_needed(const Geometry& geo, std::uint64_t extents);
void load_fork(const Geometry& geo, DataFork& fork, const std::vector<Extent>& extents,
               const std::vector<FsBlock>& tree_blocks);

/// Blocks that an allocation must leave free in its AG for the tree (xfs_bmapi_minleft).
ExtLen xfs_bmapi_minleft(const DataFork& fork, const AllocTrans& tp);
/// Blocks to reserve for adding one mapping: the tree's greatest height (XFS_EXTENTADD_SPACE_RES).
ExtLen xfs_extentadd_space_res(const Geometry& geo);
/// Blocks to reserve for writing `blocks` new ones (XFS_DIOSTRAT_SPACE_RES).
std::uint64_t xfs_diostrat_space_res(const Geometry& geo, std::uint64_t blocks);
/// The most tree blocks that a change at `off` can take now if it adds `added` mappings (1 or 2).
/// Not 0: the transaction must hold an AGF with that many blocks (VextentType::prepare_ag) before
/// the change. Allocation into a hole holds one already and need not ask.
unsigned bmbt_blocks_for_insert(const Geometry& geo, const DataFork& fork, std::uint64_t off,
                                unsigned added = 2);
/// How many mappings converting `range` adds: 0 if it takes a whole one or joins a neighbour, 1 at
/// an end of one, 2 in its middle. `range.state` is the new state.
unsigned conversion_adds(const DataFork& fork, const Extent& range);

/// What becomes of blocks that are unmapped.
enum class OnUnmap : std::uint8_t {
  free,            ///< they are deferred to be freed
  drop_reference,  ///< one user fewer
  keep,            ///< the caller knows
};

/// Changes of one fork inside one transaction. What it does to buffers goes to tp.bufs.
class ForkEdit {
 public:
  ForkEdit(FsSpace& fs, AllocTrans& tp, DataFork& fork)
      : fs_(fs), tp_(tp), fork_(fork), space_{&fs, &tp, &fork} {}

  /// Maps freshly allocated blocks into a hole, merging with neighbours.
  void add_extent_hole_real(const Extent& added);
  /// Changes the state of `range`, part of one mapping of the other state; `range.state` is new.
  void add_extent_unwritten_real(const Extent& range);
  /// Unmaps [off, end) backwards, at most `max_extents` mappings (xfs_bunmapi). Real blocks are
  /// added to tp.deferred to be freed after the roll. Returns true when the range is unmapped;
  /// `no_space()` is set if cutting a mapping in two found no block for the tree.
  bool bunmapi(std::uint64_t off, std::uint64_t end, unsigned max_extents);
  bool no_space() const { return no_space_; }
  /// Moves the real mapping `e` to block `off` of the file, where nothing is.
  void shift_extent(const Extent& e, std::uint64_t off);
  /// Moves the real mapping `e` to the end of `left`, which it continues: one mapping afterwards.
  void shift_and_merge(const Extent& left, const Extent& e);
  /// Cuts a real mapping in two before block `off`, which it has, but does not begin with.
  void split_extent(std::uint64_t off);
  OnUnmap on_unmap = OnUnmap::free;
  /// The real mappings that bunmapi() took away, in that order.
  const std::vector<Extent>& removed() const { return removed_; }
  /// Blocks that bunmapi() has taken from reservations: free for everybody again.
  std::uint64_t unreserved() const { return unreserved_; }

 private:
  struct Around {
    std::optional<Extent> left;   // only if it continues into the range
    std::optional<Extent> right;  // only if the range continues into it
  };
  Around around(const Extent& range, ExtentMap::Cursor left_of, bool at_start, bool at_end,
                const std::optional<Extent>& right) const;
  void convert_whole(ExtentMap::Cursor c, const Extent& old, const Around& near, Extent range);
  void convert_front(ExtentMap::Cursor c, const Extent& old, const Around& near, Extent range);
  void convert_back(ExtentMap::Cursor c, const Extent& old, const Around& near, Extent range);
  void convert_middle(ExtentMap::Cursor c, const Extent& old, Extent range);
  bool del_extent(ExtentMap::Cursor c, const Extent& got, std::uint64_t off, std::uint64_t end);
  void fix_format();
  void extents_to_btree();
  void btree_to_extents();

  // The tree's side of a change; nothing while the fork is inline.
  void find(const Extent& e);
  void bt_update(const Extent& e);
  bool bt_insert(const Extent& e);
  void insert_absent(const Extent& e);
  void bt_delete();
  void bt_prev();
  void bt_next();
  BmbtCursor& cursor();

  FsSpace& fs_;
  AllocTrans& tp_;
  DataFork& fork_;
  BmbtSpace space_;
  std::optional<BmbtCursor> cur_;
  std::vector<Extent> removed_;
  std::uint64_t unreserved_ = 0;
  bool no_space_ = false;
};

}  // namespace faultline::xfs
