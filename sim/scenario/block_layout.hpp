// Which blocks of a device are taken while a file system is being laid out, and what is left in the
// end. Blocks are counted linearly over the device; the headers of each allocation group are never
// available.
#pragma once

#include <cstdint>
#include <vector>

#include "kernel/fs/xfs/xfs_alloc_vextent.hpp"
#include "kernel/fs/xfs/xfs_iext.hpp"

namespace faultline {

struct BlockRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

class BlockLayout {
 public:
  explicit BlockLayout(const xfs::Geometry& geo);

  /// Marks a declared extent as used. All of these come before settle().
  void use(const xfs::Geometry& geo, const xfs::Extent& extent);
  /// Makes the list of gaps. Overlaps were refused by the loader.
  void settle();
  /// Takes the lowest blocks that hold `count` inodes; false when nothing is free.
  bool reserve_inodes(std::uint64_t count);
  /// Takes up to `count` blocks from the lowest gap; none are left when the answer is empty.
  BlockRange take(std::uint64_t count);
  /// Blocks that take() can still give.
  std::uint64_t free_blocks() const;
  /// Leaves `count` blocks of the current gap free.
  void skip(std::uint64_t count);
  /// What is free, by allocation group.
  xfs::FreeLists free_lists() const;

  static FsBlock fsblock(const xfs::Geometry& geo, std::uint64_t linear);

 private:
  void set_aside();
  const xfs::Geometry& geo_;
  std::vector<BlockRange> used_;
  std::vector<BlockRange> gaps_;
  std::vector<BlockRange> skipped_;  // gaps left behind by skip(), and what groups need themselves
  std::size_t at_ = 0;               // the gap that take() takes from
};

}  // namespace faultline
