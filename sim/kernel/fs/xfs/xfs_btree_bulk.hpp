// Builds a B+tree from sorted records in one pass: leaves first, then the nodes over them, entries
// spread evenly. What mkfs, repair and the kernel's bulk loader do, for free space and for files
// that a scenario declares with millions of extents.
// Source: linux 6.12 fs/xfs/libxfs/xfs_btree_staging.c (xfs_btree_bload).
#pragma once

#include <cstdint>
#include <vector>

#include "base/bug.hpp"
#include "kernel/fs/xfs/xfs_btree.hpp"

namespace faultline::xfs {

/// Entries that bulk loading puts into one block of `level`.
template <class Ops>
unsigned bulk_entries(unsigned level, bool full) {
  return full ? Ops::maxrecs(level) : (Ops::maxrecs(level) + Ops::minrecs(level)) / 2;
}

/// Blocks at each level, leaves first, for `records`. A tree with its root in the inode stops where
/// at most `iroot_max` blocks are left; others end in one block.
template <class Ops>
std::vector<std::uint64_t> bulk_shape(std::uint64_t records, bool full, unsigned iroot_max) {
  std::vector<std::uint64_t> shape;
  std::uint64_t entries = records;
  for (unsigned level = 0;; ++level) {
    if (Ops::root_in_inode && level > 0 && entries <= iroot_max) return shape;
    // A lone block may be filled to the brim; more than one are filled as asked.
    const unsigned per =
        entries <= Ops::maxrecs(level) ? Ops::maxrecs(level) : bulk_entries<Ops>(level, full);
    entries = std::max<std::uint64_t>(1, (entries + per - 1) / per);
    shape.push_back(entries);
    if (!Ops::root_in_inode && entries == 1) return shape;
  }
}

/// Loads `recs` (sorted by the tree's key). `next_block()` hands out block numbers: leaves from the
/// left, then each level above; of a tree whose root is a block, the last one is the root.
template <class Ops, class NextBlock>
void bulk_load(Btree<Ops>& tree, const std::vector<typename Ops::Rec>& recs, bool full,
               unsigned iroot_max, NextBlock next_block) {
  using Block = BtreeBlock<Ops>;
  FL_ASSERT(!Ops::root_in_inode || !recs.empty());
  const auto shape = bulk_shape<Ops>(recs.size(), full, iroot_max);
  std::vector<Block*> below;
  for (unsigned level = 0; level < shape.size(); ++level) {
    const std::uint64_t entries = level == 0 ? recs.size() : below.size();
    std::vector<Block*> here;
    std::uint64_t done = 0;
    for (std::uint64_t i = 0; i < shape[level]; ++i) {
      Block& b = tree.add(next_block(), level);
      const std::uint64_t take = entries / shape[level] + (i < entries % shape[level] ? 1 : 0);
      if (level == 0) {
        b.recs.assign(recs.begin() + std::ptrdiff_t(done),
                      recs.begin() + std::ptrdiff_t(done + take));
      } else {
        b.keys.reserve(take);
        b.ptrs.reserve(take);
        for (std::uint64_t k = done; k < done + take; ++k) {
          b.keys.push_back(below[k]->first_key());
          b.ptrs.push_back(below[k]->no);
        }
      }
      done += take;
      if (!here.empty()) {
        b.left = here.back()->no;
        here.back()->right = b.no;
      }
      here.push_back(&b);
    }
    below = std::move(here);
  }
  tree.nlevels = unsigned(shape.size()) + (Ops::root_in_inode ? 1 : 0);
  if (!Ops::root_in_inode) {
    tree.root = below.front()->no;
    return;
  }
  tree.iroot.level = unsigned(shape.size());
  for (const Block* b : below) {
    tree.iroot.keys.push_back(b->first_key());
    tree.iroot.ptrs.push_back(b->no);
  }
}

}  // namespace faultline::xfs
