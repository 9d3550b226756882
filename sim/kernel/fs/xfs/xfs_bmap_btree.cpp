// The extent tree: its blocks, its worst cases, and building it at once.
// linux 6.12 fs/xfs/libxfs/xfs_bmap_btree.c, xfs_trans_space.h, xfs_bmap.c (minleft, _to_btree).
#include "kernel/fs/xfs/xfs_bmap_fork.hpp"
#include "kernel/fs/xfs/xfs_btree_bulk.hpp"
#include "kernel/fs/xfs/xfs_btree_delete.hpp"

namespace faultline::xfs {

template class BtreeCursor<BmbtOps>;

std::optional<FsBlock> BmbtSpace::alloc_block(TransBufs&, FsBlock near) {
  const auto b = alloc_held_block(*fs, *tp, near);
  if (b) ++fork->nblocks;
  return b;
}

void BmbtSpace::free_block(TransBufs&, FsBlock b) {
  tp->deferred.push_back(DeferItem::extent(DeferKind::free, b, 1));
  --fork->nblocks;
}

void BmbtSpace::log_iroot() {}  // the inode is logged by every change of its fork anyway

std::uint64_t bmbt_blocks_needed(const Geometry& geo, std::uint64_t extents) {
  if (extents <= geo.inline_extents()) return 0;
  std::uint64_t blocks = 0;
  for (const auto n : bulk_shape<BmbtOps>(extents, false, geo.root_ptrs())) blocks += n;
  return blocks;
}

void load_fork(const Geometry& geo, DataFork& fork, const std::vector<Extent>& extents,
               const std::vector<FsBlock>& tree_blocks) {
  fork.map.load(extents);
  fork.nextents = extents.size();
  fork.nblocks = fork.map.real_blocks() + tree_blocks.size();
  fork.btree = extents.size() > geo.inline_extents();
  FL_ASSERT(tree_blocks.size() == bmbt_blocks_needed(geo, extents.size()));
  if (!fork.btree) return;
  std::vector<PackedExtent> recs(extents.begin(), extents.end());
  std::size_t at = 0;
  bulk_load(fork.bmbt, recs, false, geo.root_ptrs(), [&] { return tree_blocks[at++]; });
}

ExtLen xfs_bmapi_minleft(const DataFork& fork, const AllocTrans& tp) {
  if (tp.highest_agno != null_agno) return 0;
  return fork.btree ? fork.bmbt.nlevels : 1;
}

ExtLen xfs_extentadd_space_res(const Geometry& geo) { return geo.bmap_maxlevels - 1; }

std::uint64_t xfs_diostrat_space_res(const Geometry& geo, std::uint64_t blocks) {
  return blocks + xfs_extentadd_space_res(geo);
}

unsigned conversion_adds(const DataFork& fork, const Extent& range) {
  const auto at = fork.map.lookup(range.off);
  const auto old = fork.map.get(at);
  FL_ASSERT(old && old->off <= range.off && old->end() >= range.end());
  const bool at_start = old->off == range.off;
  const bool at_end = old->end() == range.end();
  if (at_start && at_end) return 0;
  if (!at_start && !at_end) return 2;
  const auto near = at_start ? fork.map.peek_prev(at) : fork.map.peek_next(at);
  return near && (at_start ? contiguous(*near, range) : contiguous(range, *near)) ? 0 : 1;
}

unsigned bmbt_blocks_for_insert(const Geometry& geo, const DataFork& fork, std::uint64_t off,
                                unsigned added) {
  if (added == 0) return 0;
  if (!fork.btree) return fork.nextents + added > geo.inline_extents() ? 1 : 0;
  unsigned full = 0;  // full blocks in a row, upwards from the leaf
  for (const BtreeBlock<BmbtOps>* b = &fork.bmbt.iroot;;) {
    const bool at_root = b == &fork.bmbt.iroot;
    const unsigned max = at_root ? geo.root_ptrs() : BmbtOps::maxrecs(b->level);
    // Two records may go into one leaf; a node gets one entry at most, since a split leaves room.
    full = b->size() + (b->level == 0 ? added : 1) > max ? full + 1 : 0;
    if (b->level == 0) return full;
    const auto key = std::upper_bound(b->keys.begin(), b->keys.end(), off);
    const auto at = key == b->keys.begin() ? 0 : key - b->keys.begin() - 1;
    b = &fork.bmbt.at(b->ptrs[std::size_t(at)]);
  }
}

}  // namespace faultline::xfs
