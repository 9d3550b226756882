// Fills an allocation group from a declared set of free extents: counts what the trees and the free
// list need, takes that from the lowest free blocks, loads both trees. As xfs_repair's phase 5
// (xfsprogs 6.1, repair/agbtree.c) and mkfs do it.
#include <algorithm>

#include "base/bug.hpp"
#include "kernel/fs/xfs/xfs_ag.hpp"
#include "kernel/fs/xfs/xfs_btree_bulk.hpp"

namespace faultline::xfs {
namespace {

std::uint64_t non_root_blocks(std::uint64_t records, bool full) {
  std::uint64_t blocks = 0;
  for (const std::uint64_t n : bulk_shape<BnobtOps>(records, full, 0)) blocks += n;
  return blocks - 1;
}

unsigned levels(std::uint64_t records, bool full) {
  return unsigned(bulk_shape<BnobtOps>(records, full, 0).size());
}

/// Free extents that are left when the lowest `taken` free blocks are gone.
std::uint64_t records_after(const std::vector<AllocRec>& free, std::uint64_t taken) {
  std::size_t gone = 0;
  while (gone < free.size() && taken >= free[gone].len) taken -= free[gone++].len;
  return free.size() - gone;
}

/// Blocks each tree needs besides its root, when these blocks themselves come out of `free`. Taking
/// more blocks leaves fewer records, so the least number that suffices is looked for from below.
std::uint64_t tree_blocks(const std::vector<AllocRec>& free, std::uint64_t list, bool full) {
  const auto needed = [&](std::uint64_t set_aside) {
    return non_root_blocks(records_after(free, list + 2 * set_aside), full);
  };
  std::uint64_t n = needed(non_root_blocks(free.size(), full));
  while (needed(n) > n) ++n;
  return n;
}

/// Takes `count` single blocks from the front of `free`, from `at` on; false if there are too few.
bool take_blocks(std::vector<AllocRec>& free, std::size_t& at, std::uint64_t count,
                 std::vector<AgBlock>& out) {
  while (out.size() < count) {
    if (at == free.size()) return false;
    out.push_back(free[at].bno++);
    if (--free[at].len == 0) ++at;
  }
  return true;
}

/// Hands out tree blocks so that the last one is the AG's fixed root block.
struct BlockFeed {
  const std::vector<AgBlock>* pool;
  std::size_t at;
  std::uint64_t left;
  AgBlock root;
  AgBlock operator()() { return left-- == 0 ? root : (*pool)[at++]; }
};

}  // namespace

std::optional<std::uint32_t> bulk_load_ag(const Geometry& geo, Perag& pag, AgNumber agno,
                                          std::vector<AllocRec> free, BulkFill fill) {
  pag = Perag{};
  pag.agno = agno;
  pag.length = geo.ag_length(agno);
  const bool full = fill == BulkFill::full;
  AgBlock last_end = geo.prealloc_blocks();
  for (const AllocRec& rec : free) {
    FL_ASSERT(rec.len > 0 && rec.bno >= last_end && rec.bno + rec.len <= pag.length);
    last_end = rec.bno + rec.len + 1;
  }

  std::vector<AgBlock> pool;
  std::size_t at = 0;
  pag.bnobt.nlevels = pag.cntbt.nlevels = levels(free.size(), full);
  const std::uint64_t list = xfs_alloc_min_freelist(geo, pag);
  const std::uint64_t per_tree = tree_blocks(free, list, full);
  const bool enough = take_blocks(free, at, list + 2 * per_tree, pool);
  free.erase(free.begin(), free.begin() + std::ptrdiff_t(at));
  if (!enough) free.clear();

  const std::uint64_t used = enough ? non_root_blocks(free.size(), full) : 0;
  const auto load = [&](auto& tree, std::size_t from, AgBlock root) {
    bulk_load(tree, free, full, 0, BlockFeed{&pool, from, used, root});
  };
  load(pag.bnobt, list, geo.bno_root());
  for (const AllocRec& rec : free) pag.freeblks += rec.len;
  std::sort(free.begin(), free.end(), CntbtOps::less);
  load(pag.cntbt, list + per_tree, geo.cnt_root());
  pag.longest = free.empty() ? 0 : free.back().len;
  pag.btreeblks = std::uint32_t(2 * used);

  // A block set aside for a tree that came out smaller goes to the free list, which trims itself.
  for (std::size_t i = 0; i < pool.size(); ++i) {
    const bool in_bno = i >= list && i < list + used;
    const bool in_cnt = i >= list + per_tree && i < list + per_tree + used;
    if (!in_bno && !in_cnt) pag.agfl.push_back(pool[i]);
  }
  FL_ASSERT(pag.agfl.size() <= geo.agfl_size());
  if (!enough) return std::nullopt;
  return std::uint32_t(pool.size());
}

}  // namespace faultline::xfs
