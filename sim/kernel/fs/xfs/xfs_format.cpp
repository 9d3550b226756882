// Sizes of allocation groups and worst-case tree heights. mkfs.xfs 6.1 (calc_default_ag_geometry,
// align_ag_geometry) and linux 6.12 xfs_alloc_compute_maxlevels, xfs_bmap_compute_maxlevels,
// xfs_rmapbt/refcountbt.
#include "kernel/fs/xfs/xfs_format.hpp"

#include <bit>

#include "base/bug.hpp"

namespace faultline::xfs {
namespace {

constexpr std::uint64_t min_ag_blocks = 64;
constexpr std::uint64_t max_ag_blocks = (1ULL << 28) - 1;  // one block less than 1 TiB

constexpr std::uint64_t mib(std::uint64_t n) { return n << (20 - block_log); }

/// Of many disks, more groups: up to 32.
unsigned multidisk_shift(std::uint64_t dblocks) {
  unsigned shift = 5;
  for (const std::uint64_t below : {mib(512 << 10), mib(8 << 10), mib(128), mib(64), mib(32)}) {
    if (dblocks < below) --shift;
  }
  return shift;
}

/// AG size as mkfs.xfs picks it: four AGs from 128 MiB to 4 TiB, fewer below 64 MiB.
std::uint64_t default_agblocks(std::uint64_t dblocks, bool multidisk) {
  if (dblocks >= mib((multidisk ? 32ULL : 4ULL) << 20)) return max_ag_blocks;
  unsigned shift = dblocks >= mib(64) ? 2 : dblocks >= mib(32) ? 1 : 0;
  if (multidisk) shift = multidisk_shift(dblocks);
  return (dblocks >> shift) + ((dblocks & ((1ULL << shift) - 1)) != 0 ? 1 : 0);
}

/// A whole number of stripe units; and where every group would begin on the same disk, one unit
/// less, unless the number of groups was asked for.
std::uint64_t aligned_agblocks(const GeometryChoice& choice, std::uint64_t dblocks,
                               std::uint64_t size) {
  const std::uint64_t unit = choice.dsunit;
  if (unit == 0) return size;
  const std::uint64_t up = (size + unit - 1) / unit * unit;
  size = up > max_ag_blocks ? size / unit * unit : up;
  const bool same_disk = size % choice.dswidth == 0 && choice.dswidth != unit && dblocks > size;
  if (!same_disk || choice.agcount != 0) return size;
  return size - unit >= mib(16) ? size - unit : size + unit;
}

/// Worst height of a file's extent tree, whose root has only three pointers in the tightest inode.
unsigned bmap_maxlevels(bool nrext64) {
  const std::uint64_t most_extents = nrext64 ? (1ULL << 48) - 1 : (1ULL << 31) - 1;
  std::uint64_t blocks = (most_extents + bmbt_minrecs[0] - 1) / bmbt_minrecs[0];
  unsigned level = 1;
  for (; blocks > 1; ++level) {
    blocks = blocks <= 3 ? 1 : (blocks + bmbt_minrecs[1] - 1) / bmbt_minrecs[1];
  }
  return level;
}

}  // namespace

Geometry make_geometry(const GeometryChoice& choice) {
  Geometry geo;
  geo.dblocks = choice.device_bytes >> block_log;
  FL_ASSERT(geo.dblocks >= (16u << (20 - block_log)) && choice.device_bytes < (1ULL << 63));
  std::uint64_t size = choice.agcount == 0 ? default_agblocks(geo.dblocks, choice.dsunit != 0)
                                           : (geo.dblocks + choice.agcount - 1) / choice.agcount;
  size = aligned_agblocks(choice, geo.dblocks, size);
  size = std::clamp(size, min_ag_blocks, std::min(max_ag_blocks, geo.dblocks));
  // A last AG too short to hold its own metadata is given up, as mkfs does.
  if (const auto tail = geo.dblocks % size; tail != 0 && tail < min_ag_blocks) geo.dblocks -= tail;
  geo.agblocks = ExtLen(size);
  geo.agcount = AgNumber((geo.dblocks + size - 1) / size);
  geo.agblklog = unsigned(std::bit_width(size - 1));
  geo.sectsize = choice.sectsize;
  geo.reflink = choice.reflink;
  geo.rmapbt = choice.rmapbt;
  geo.nrext64 = choice.nrext64;

  geo.alloc_maxlevels = btree_levels(alloc_minrecs, (size + 1) / 2);
  // rmapbt: 24-byte records, 40 + 4 byte node entries; refcountbt: 12-byte records, 4 + 4.
  constexpr unsigned rmap_min[2] = {(4096 - 56) / 24 / 2, (4096 - 56) / 44 / 2};
  constexpr unsigned refc_min[2] = {(4096 - 56) / 12 / 2, (4096 - 56) / 8 / 2};
  geo.rmap_maxlevels = choice.reflink ? 9 : btree_levels(rmap_min, size);
  geo.refc_maxlevels = btree_levels(refc_min, size);
  geo.bmap_maxlevels = bmap_maxlevels(choice.nrext64);
  return geo;
}

}  // namespace faultline::xfs
