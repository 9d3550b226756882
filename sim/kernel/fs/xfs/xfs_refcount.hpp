// How many files use a block: the reference counts of one allocation group. Blocks that no record
// covers have one user, or none; blocks that are being filled for a copy on write have a record of
// their own, so that a crash finds them. Linux 6.12 fs/xfs/libxfs/xfs_refcount.c. Left out: the
// shape of the tree, of which only the root block is locked.
#pragma once

#include <map>
#include <vector>

#include "kernel/fs/xfs/xfs_format.hpp"

namespace faultline::xfs {

/// A run of blocks of one group; len 0: none.
struct BlockRun {
  AgBlock bno = 0;
  ExtLen len = 0;
  friend bool operator==(const BlockRun&, const BlockRun&) = default;
};

class Refcounts {
 public:
  /// The first part of [bno, bno + len) that has more than one user.
  BlockRun find_shared(AgBlock bno, ExtLen len) const;
  void increase(AgBlock bno, ExtLen len);
  /// One user fewer; returns the parts that nobody uses any more.
  std::vector<BlockRun> decrease(AgBlock bno, ExtLen len);
  void alloc_cow(AgBlock bno, ExtLen len);
  /// Takes a part of the blocks set aside for copies out.
  void free_cow(AgBlock bno, ExtLen len);
  std::size_t records() const { return shared_.size() + cow_.size(); }

 private:
  struct Rec {
    ExtLen len;
    std::uint32_t users;  // 2 or more
  };
  void split(AgBlock at);
  void merge(AgBlock first, AgBlock end);

  std::map<AgBlock, Rec> shared_;  // disjoint
  std::map<AgBlock, ExtLen> cow_;  // disjoint
};

}  // namespace faultline::xfs
