// The space allocator: finding, taking and giving back extents of an allocation group, with the
// buffers it locks on the way. Everything here runs while the AGF of the group is held by the
// transaction, so it never waits; xfs_alloc_vextent.hpp holds what may wait.
// Source: linux 6.12 fs/xfs/libxfs/xfs_alloc.c. Left out: reverse mapping updates, quota, the
// debug build's random choices.
#pragma once

#include <vector>

#include "kernel/fs/xfs/xfs_ag.hpp"
#include "kernel/fs/xfs/xfs_defer_items.hpp"

namespace faultline::xfs {

// Bits of AllocArgs::datatype, as xfs_alloc_vextent_finish prints them.
inline constexpr unsigned XFS_ALLOC_USERDATA = 1;
inline constexpr unsigned XFS_ALLOC_INITIAL_USER_DATA = 2;
inline constexpr unsigned XFS_ALLOC_NOBUSY = 4;

/// What the allocator keeps in a transaction.
struct AllocTrans {
  TransBufs bufs;
  AgNumber highest_agno = null_agno;  ///< AGFs are locked in ascending order only
  bool lowmode = false;               ///< space ran low in this transaction
  std::uint64_t busy_seq = 0;         ///< checkpoint this transaction will be part of
  std::vector<DeferItem> deferred;    ///< t_dfops: work for after the next roll
  DeferStack pending;                 ///< what of it has an intent already
};

/// One request and, at its end, its result; fields as `struct xfs_alloc_arg` has them (blocks).
struct AllocArgs {
  AgNumber agno = null_agno;
  AgBlock agbno = null_agbno;  ///< in: where near; out: where, or null_agbno
  ExtLen minlen = 1;
  ExtLen maxlen = 1;
  ExtLen mod = 0;  ///< the length shall be mod more than a multiple of prod
  ExtLen prod = 1;
  ExtLen minleft = 0;    ///< blocks that must remain free for the file's extent tree
  ExtLen total = 0;      ///< blocks the whole transaction may need
  ExtLen alignment = 1;  ///< of the start
  ExtLen alignslop = 0;
  AgBlock min_agbno = 0;
  AgBlock max_agbno = 0;
  unsigned datatype = 0;
  bool wasdel = false;     ///< for a reservation
  ExtLen len = 0;          ///< out
  bool wasfromfl = false;  ///< out: the block came from the free list
};

/// What allocation inside one AG works on.
struct AgContext {
  const Geometry& geo;
  Perag& pag;
  AllocTrans& tp;
  AllocbtSpace space;
  AgContext(const Geometry& g, Perag& p, AllocTrans& t)
      : geo(g), pag(p), tp(t), space{&g, &p, t.busy_seq} {}
  BnobtCursor bno_cursor() { return {pag.bnobt, space, tp.bufs}; }
  CntbtCursor cnt_cursor() { return {pag.cntbt, space, tp.bufs}; }
};

enum class AllocFlag : std::uint8_t { normal, freeing };

/// How a search inside an AG ended. `busy`: all that would do is busy, try again after a log force.
enum class AllocEnd : std::uint8_t { found, none, busy };

/// Longest extent that can be had when the free list has to be filled up to `need` first.
ExtLen xfs_alloc_longest_free_extent(const Geometry& geo, const Perag& pag, ExtLen need);
/// Whether the AG's counters allow the request. `check`: before the AGF is locked, leave maxlen be.
bool xfs_alloc_space_available(const Geometry& geo, const Perag& pag, AllocArgs& args,
                               AllocFlag flag, bool check);
/// Second half of xfs_alloc_fix_freelist, with the AGF held: brings the free list to its length.
/// False: the AG cannot serve the request; the AGF is let go if clean.
bool xfs_alloc_fix_freelist(AgContext& ag, AllocArgs& args, AllocFlag flag);

/// Allocates near args.agbno: closest extent of at least maxlen, else the best there is.
AllocEnd xfs_alloc_ag_vextent_near(AgContext& ag, AllocArgs& args);
/// Allocates at exactly args.agbno, or nothing.
AllocEnd xfs_alloc_ag_vextent_exact(AgContext& ag, AllocArgs& args);
/// Allocates anywhere in the AG: the shortest extent that is long enough.
AllocEnd xfs_alloc_ag_vextent_size(AgContext& ag, AllocArgs& args);

/// Changes the AG's count of free blocks and logs the AGF.
void xfs_alloc_update_counters(AgContext& ag, std::int64_t blocks);

/// Gives an extent back: fills the free list, merges with free neighbours, marks it busy. The AGF
/// must be held by the transaction. The extent must not be free.
void xfs_free_extent(AgContext& ag, AgBlock bno, ExtLen len);
/// Gives a block that was on the free list back to the trees; its buffer is invalidated. `kind`:
/// what the block held.
void xfs_free_agfl_block(AgContext& ag, AgBlock bno, BufKind kind);

// Shared by the files of the allocator.
struct FreeExtent {
  AgBlock bno = 0;
  ExtLen len = 0;
};
/// Busy parts and alignment taken off a free extent.
BusyExtents::Trimmed xfs_alloc_compute_aligned(const AgContext& ag, const AllocArgs& args,
                                               FreeExtent found);
/// Where in a free extent to allocate so as to be near `args.agbno`; returns the distance.
ExtLen xfs_alloc_compute_diff(const AllocArgs& args, FreeExtent free, AgBlock& start);
/// Shortens args.len to fit prod and mod, unless it then falls below minlen.
void xfs_alloc_fix_len(AllocArgs& args);
/// Removes `taken` from the free extent `from` in both trees.
enum class CursorAt : std::uint8_t { nothing, cnt, bno };
void xfs_alloc_fixup_trees(AgContext& ag, CntbtCursor& cnt, BnobtCursor& bno, FreeExtent from,
                           FreeExtent taken, CursorAt at);
/// No extent is long enough: the longest one there is, else a block of the free list.
/// Returns true if args is served from the free list; else `found` is the extent (len 0: none).
bool xfs_alloc_ag_vextent_small(AgContext& ag, AllocArgs& args, CntbtCursor* cnt,
                                FreeExtent& found);

}  // namespace faultline::xfs
