// Freed extents that must not be reused yet: the transaction that freed them is not on disk, so a
// crash could bring the old owner back. They are in the free-space trees already; the allocator
// cuts them out of what it finds.
// Source: linux 6.12 fs/xfs/xfs_extent_busy.c. Left out: discards; overlapping entries are cut in
// order of block number where the kernel follows its red-black tree.
#pragma once

#include <map>
#include <optional>

#include "kernel/fs/xfs/xfs_format.hpp"

namespace faultline::xfs {

/// The busy extents of one allocation group.
class BusyExtents {
 public:
  BusyExtents() = default;
  BusyExtents(BusyExtents&&) = default;
  BusyExtents& operator=(BusyExtents&&) = default;
  /// `seq`: the log checkpoint that must be on disk before the blocks may be used again.
  void insert(AgBlock bno, ExtLen len, std::uint64_t seq);
  /// Blocks are taken by metadata that is itself logged: they are not busy any more.
  void reuse(AgBlock bno, ExtLen len) { take_out(bno, len); }
  /// The log is on disk up to and with `seq`. Returns whether anything was freed.
  bool clear_through(std::uint64_t seq);

  struct Trimmed {
    AgBlock bno;
    ExtLen len;  ///< 0: nothing usable is left
    bool busy;   ///< something was cut off
  };
  /// The part of a free extent that may be used now, for a request of minlen to maxlen blocks.
  Trimmed trim(AgBlock bno, ExtLen len, ExtLen minlen, ExtLen maxlen) const;
  bool overlaps(AgBlock bno, ExtLen len) const;
  bool empty() const { return busy_.empty(); }
  /// The newest checkpoint any entry waits for; 0 if there is none.
  std::uint64_t newest_seq() const;

 private:
  struct Busy {
    ExtLen len;
    std::uint64_t seq;
  };
  using Entries = std::map<AgBlock, Busy>;
  Entries::const_iterator first_overlap(AgBlock bno) const;
  Entries::iterator lower_bound(AgBlock bno);
  Entries::iterator take_out(AgBlock bno, ExtLen len);

  Entries busy_;                           // disjoint
  std::optional<Entries::iterator> last_;  // the one inserted last, while it is there
};

}  // namespace faultline::xfs
