// Log reservations. linux 6.12 fs/xfs/libxfs/xfs_trans_resv.c, fs/xfs/xfs_log.c. Sizes of log
// structures are those of xfs_log_format.h.
#include "kernel/fs/xfs/xfs_trans_resv.hpp"

#include <algorithm>

namespace faultline::xfs {
namespace {

constexpr std::uint32_t op_header = 12;      // xlog_op_header
constexpr std::uint32_t trans_header = 16;   // xfs_trans_header
constexpr std::uint32_t buf_overhead = 128;  // op header + buffer log format, rounded up
constexpr std::uint32_t block_size = 4096;

// Six dquots, each with its log format (24) and its on-disk form (104).
constexpr std::uint32_t dquot_logres = (24 + 104) * 6;

constexpr std::uint32_t buf_res(std::uint32_t buffers, std::uint32_t size) {
  return buffers * (size + buf_overhead);
}

/// An inode: four regions, its log format (56), itself, and two tree roots' in-core headers (72).
std::uint32_t inode_res(const Geometry& geo) { return 4 * op_header + 56 + geo.inodesize + 2 * 72; }

/// Tree blocks that `extents` allocations or frees can change.
std::uint32_t allocfree_blocks(const Geometry& geo, std::uint32_t extents) {
  std::uint32_t blocks = extents * 2 * (2 * geo.alloc_maxlevels - 1);
  if (geo.rmapbt) blocks += extents * (2 * geo.rmap_maxlevels - 1);
  return blocks;
}

std::uint32_t refcount_res(const Geometry& geo, std::uint32_t ops) {
  if (!geo.reflink) return 0;
  return buf_res(ops, geo.sectsize) + buf_res(ops * (2 * geo.refc_maxlevels - 1), block_size);
}

/// Rolls for the deferred updates of the reverse-mapping and reference-count trees.
std::uint32_t extra_rolls(const Geometry& geo) {
  return (geo.reflink || geo.rmapbt ? 1 : 0) + (geo.reflink ? 1 : 0);
}

}  // namespace

LogGeometry log_geometry(const Geometry& geo) {
  LogGeometry log;
  log.roundoff = std::max(512u, geo.sectsize);
  return log;
}

TransRes tr_write(const Geometry& geo) {
  const std::uint32_t allocate = inode_res(geo) + buf_res(geo.bmap_maxlevels, block_size) +
                                 buf_res(3, geo.sectsize) +
                                 buf_res(allocfree_blocks(geo, 2), block_size);
  const std::uint32_t join =
      buf_res(5, geo.sectsize) + buf_res(allocfree_blocks(geo, 2), block_size);
  return {dquot_logres + std::max({allocate, join, refcount_res(geo, 1)}), 2 + extra_rolls(geo),
          true};
}

TransRes tr_itruncate(const Geometry& geo) {
  const std::uint32_t unmap = inode_res(geo) + buf_res(geo.bmap_maxlevels + 1, block_size);
  const std::uint32_t free =
      buf_res(9, geo.sectsize) + buf_res(allocfree_blocks(geo, 4), block_size);
  return {dquot_logres + std::max({unmap, free, refcount_res(geo, 2)}), 2 + extra_rolls(geo), true};
}

TransRes tr_remove(const Geometry& geo) {
  constexpr std::uint32_t dirop_blocks = 6 + 2;  // XFS_DIROP_LOG_COUNT of one-block directories
  const std::uint32_t entry = 2 * inode_res(geo) + buf_res(dirop_blocks, block_size);
  const std::uint32_t free =
      buf_res(4, geo.sectsize) + buf_res(allocfree_blocks(geo, 2), block_size);
  const std::uint32_t unlinked = buf_res(1, geo.sectsize) + buf_res(1, block_size);
  return {dquot_logres + unlinked + std::max(entry, free), 2, true};
}

TransRes tr_ifree(const Geometry& geo) {
  const std::uint32_t unlinked = 2 * inode_res(geo) + buf_res(1, geo.sectsize);
  const std::uint32_t trees =
      buf_res(2, block_size) + buf_res(allocfree_blocks(geo, 1), block_size);
  return {dquot_logres + inode_res(geo) + buf_res(3, geo.sectsize) + unlinked + trees, 2, true};
}

TransRes tr_ichange(const Geometry& geo) {
  return {dquot_logres + inode_res(geo) + buf_res(1, geo.sectsize), 1, false};
}

TransRes tr_fsyncts(const Geometry& geo) { return {inode_res(geo), 1, false}; }

TransRes tr_sb(const Geometry& geo) { return {buf_res(1, geo.sectsize), 1, false}; }

namespace {

struct UnitSize {
  std::uint32_t bytes;    // with the headers of regions that are split over log buffers
  std::uint32_t headers;  // of log buffers
};

UnitSize unit_size(const LogGeometry& log, std::uint32_t unit_bytes) {
  std::uint32_t bytes = unit_bytes + op_header + trans_header + op_header;
  const std::uint32_t space = log.iclog_size - log.iclog_hsize;
  const auto pages = [&] { return (bytes + space - 1) / space; };
  std::uint32_t headers = pages();
  bytes += op_header * headers;  // data split over log buffers gets a header in each
  for (; headers == 0 || pages() > headers; ++headers) bytes += op_header;
  return {bytes, headers};
}

}  // namespace

std::uint32_t xlog_iclog_headers(const LogGeometry& log, std::uint32_t unit_bytes) {
  return unit_size(log, unit_bytes).headers;
}

std::uint32_t xlog_calc_unit_res(const LogGeometry& log, std::uint32_t unit_bytes) {
  const UnitSize unit = unit_size(log, unit_bytes);
  return unit.bytes + log.iclog_hsize * (unit.headers + 1) + 2 * log.roundoff;
}

std::uint64_t xfs_log_calc_minimum_size(const Geometry& geo) {
  constexpr std::uint64_t factor = 3;                // XFS_MIN_LOG_FACTOR
  constexpr std::uint64_t least = 512 * block_size;  // XFS_MIN_LOG_BLOCKS
  std::uint64_t most = 0;
  for (const TransRes& res : {tr_write(geo), tr_itruncate(geo), tr_remove(geo), tr_ifree(geo)}) {
    most = std::max(
        most, std::uint64_t{res.logcount} * xlog_calc_unit_res(log_geometry(geo), res.logres));
  }
  return std::max(least, factor * (most + 2 * 512));
}

}  // namespace faultline::xfs
