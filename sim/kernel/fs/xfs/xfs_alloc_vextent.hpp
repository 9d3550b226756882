// Allocation over all groups: which AG to try next, trylock first and waiting second, and the
// policy for file data. These are the parts in which the kernel may wait (for an AGF, for a log
// force), so they are objects that run up to the next wait and say what it is: a path performs the
// wait and goes on.
// Source: linux 6.12 fs/xfs/libxfs/xfs_alloc.c (xfs_alloc_vextent_*), xfs_bmap.c (xfs_bmap_btalloc,
// xfs_bmap_adjacent). Left out: filestreams, inode32's rotor, realtime.
#pragma once

#include <optional>
#include <vector>

#include "kernel/fs/xfs/xfs_alloc.hpp"

namespace faultline::xfs {

/// All allocation groups of one file system.
struct FsSpace {
  Geometry geo;
  std::vector<Perag> ags;
};

/// Free extents of one AG as a scenario leaves them, for `make_fs_space`.
using FreeLists = std::vector<std::vector<AllocRec>>;

struct MadeSpace {
  FsSpace fs;
  std::uint64_t fdblocks = 0;  ///< free blocks a file system would report
  bool fits = true;            ///< false: some AG's free space cannot hold its own trees
};
/// `free[agno]`: ascending, disjoint, not adjacent, behind geo.prealloc_blocks().
MadeSpace make_fs_space(const Geometry& geo, FreeLists free, BulkFill fill);

/// What has to happen before an allocation can go on.
struct AllocWait {
  enum class Kind : std::uint8_t {
    done,        ///< nothing: the result is there
    lock_agf,    ///< lock this AGF buffer (only try, if `trylock`), then answer()
    flush_busy,  ///< force the log up to `seq`, clear busy extents, then answer(true)
  };
  Kind kind = Kind::done;
  AgNumber agno = null_agno;
  Daddr daddr{};
  bool trylock = false;
  std::uint64_t seq = 0;
};

/// The kernel's entry points, and prepare_ag: as start_ag, but ends with a suitable AGF held and
/// nothing allocated, so that a change of an extent tree can allocate blocks without waiting.
enum class VextentType : std::uint8_t {
  exact_bno,
  near_bno,
  this_ag,
  start_ag,
  first_ag,
  prepare_ag
};

/// One xfs_alloc_vextent_* call. Steps of buffers it locks collect in `tp.bufs`; the caller takes
/// and performs them after every next().
class VextentWalk {
 public:
  VextentWalk(FsSpace& fs, AllocTrans& tp, VextentType type, FsBlock target, AllocArgs args);
  /// Runs to the next wait or the end.
  AllocWait next();
  /// The wait is over; `granted` is false only for a trylock that failed. A granted AGF joins the
  /// transaction here: the caller locked it and recorded that itself.
  void answer(bool granted);
  /// Where; null_fsblock: no space of this kind. args() has length and details. After prepare_ag,
  /// block 0 of the AG that is held.
  FsBlock result() const { return result_; }
  const AllocArgs& args() const { return args_; }
  bool has_agf() const { return has_agf_; }

 private:
  enum class State : std::uint8_t { start, prepare, have_agf, search, skip, waiting, finished };
  bool iterates() const { return type_ >= VextentType::start_ag; }
  Perag& pag() { return fs_->ags[args_.agno]; }
  void start();
  std::optional<AllocWait> prepare();
  std::optional<AllocWait> search();
  AllocEnd search_in_ag(AgContext& ag);
  void skip();
  void finish(AllocEnd end);

  FsSpace* fs_;
  AllocTrans* tp_;
  VextentType type_;
  FsBlock target_;
  AllocArgs args_;
  State state_ = State::start;
  AgNumber minimum_agno_ = 0;
  AgNumber start_agno_ = 0;
  AgNumber wrap_agno_ = 0;  // where iteration goes on behind the last AG
  bool trylock_ = false;
  bool wrapped_ = false;
  bool has_agf_ = false;
  bool flushed_ = false;
  FsBlock result_ = null_fsblock;
};

/// A neighbouring mapping in the file; `start` null_fsblock: delayed. Absent: none.
struct NeighbourExtent {
  std::uint64_t off = 0;
  FsBlock start = null_fsblock;
  ExtLen len = 0;
};

/// A request for file data, as `struct xfs_bmalloca` has it.
struct BmapAlloc {
  FsBlock inode_block;       ///< where the inode lies: near it, without neighbours
  std::uint64_t offset = 0;  ///< in the file, blocks
  ExtLen length = 1;
  ExtLen minlen = 1;
  ExtLen total = 0;
  ExtLen minleft = 0;       ///< xfs_bmapi_minleft
  bool eof = true;          ///< no mapping behind `offset`
  bool aeof = false;        ///< allocating behind the last block, worth aligning
  bool converting = false;  ///< unwritten blocks become written too: no rounding to a hint
  bool wasdel = false;      ///< for a reservation: that is `got`
  unsigned datatype = 0;
  ExtLen extsize = 0;  ///< extent-size (or CoW extent-size) hint, 0: none
  ExtLen stripe = 0;   ///< stripe unit to align to behind the last block, 0: none
  std::optional<NeighbourExtent> prev;
  std::optional<NeighbourExtent> got;  ///< the next mapping, when not eof
};

/// xfs_bmap_btalloc: the whole policy. offset() and length() may differ from the request when a
/// hint aligned it.
class BtallocWalk {
 public:
  BtallocWalk(FsSpace& fs, AllocTrans& tp, const BmapAlloc& request);
  AllocWait next();
  void answer(bool granted) { walk_->answer(granted); }
  FsBlock result() const { return result_; }  ///< null_fsblock: ENOSPC
  std::uint64_t offset() const { return ap_.offset; }
  ExtLen length() const { return ap_.length; }
  /// As xfs_alloc_vextent_finish would print it.
  const AllocArgs& args() const { return args_; }

 private:
  enum class Stage : std::uint8_t { exact_eof, aligned_eof, start_ag, low_minlen, last_ditch, end };
  void compute_alignments();
  void choose_target();
  void select_lengths();
  void prepare_exact();
  void prepare_aligned();
  bool begin(Stage stage);
  void settle();

  FsSpace* fs_;
  AllocTrans* tp_;
  BmapAlloc ap_;
  std::uint64_t orig_offset_;
  ExtLen orig_length_;
  AllocArgs args_;
  FsBlock target_ = null_fsblock;
  ExtLen longest_ = 0;      // free extent of any AG, as far as they were looked at
  ExtLen next_minlen_ = 1;  // of the aligned attempt that follows an exact one
  Stage stage_ = Stage::start_ag;
  std::optional<VextentWalk> walk_;
  FsBlock result_ = null_fsblock;
};

/// Rounds a request to an extent-size hint within the gap between its neighbours
/// (xfs_bmap_extsize_align). `got` absent: end of file.
void xfs_bmap_extsize_align(const std::optional<NeighbourExtent>& prev,
                            const std::optional<NeighbourExtent>& got, ExtLen hint,
                            std::uint64_t& offset, ExtLen& length);

/// One metadata block of the file's extent tree near `near`, from an AG whose AGF the transaction
/// holds already. Nothing if no such AG has one.
std::optional<FsBlock> alloc_held_block(FsSpace& fs, AllocTrans& tp, FsBlock near);

}  // namespace faultline::xfs
