// Declared reservations. See the header. Neighbours are one reservation, as those of one write
// after the other are; the blocks that the extent tree may need for it are set aside with it.
#include "scenario/build_delalloc.hpp"

#include <algorithm>

#include "kernel/fs/xfs/xfs_delalloc.hpp"

namespace faultline {

using namespace xfs;

namespace {

struct Piece {
  std::uint64_t off, end;
};

std::vector<Piece> reserved_pieces(const FileSpec& file) {
  std::vector<Piece> pieces;
  const auto add = [&](std::uint64_t at, std::uint64_t length) {
    const Piece piece{at >> block_log, (at + length) >> block_log};
    if (!pieces.empty() && pieces.back().end == piece.off) {
      pieces.back().end = piece.end;
    } else {
      pieces.push_back(piece);
    }
  };
  for (const ExtentSpec& e : file.extents) {
    if (e.state == ExtentState::delalloc) add(e.at, e.length);
  }
  if (file.pattern && file.pattern->state == ExtentState::delalloc) {
    for (std::uint64_t i = 0; i < file.pattern->count; ++i) {
      add(i * file.pattern->every, file.pattern->length);
    }
  }
  return pieces;
}

bool reserve(inode& node, std::uint64_t off, ExtLen len) {
  xfs_mount& mp = *node.xfs->i_mount;
  const unsigned indlen = xfs_bmap_worst_indlen(mp.space.geo, len);
  if (mp.fdblocks < std::uint64_t{len} + indlen) return false;
  mp.fdblocks -= std::uint64_t{len} + indlen;
  ExtentMap& map = node.xfs->df.map;
  ExtentMap::Cursor at = map.lookup(off);
  map.insert(at, {off, nullstartblock(indlen), len, ExtState::written});
  return true;
}

}  // namespace

bool declare_delalloc(const FileSpec& file, inode& node) {
  const std::uint64_t end_of_file = (node.i_size + (1ULL << block_log) - 1) >> block_log;
  for (const Piece& piece : reserved_pieces(file)) {
    for (std::uint64_t off = piece.off; off < piece.end;) {
      const auto len = static_cast<ExtLen>(std::min<std::uint64_t>(piece.end - off, max_extlen));
      if (!reserve(node, off, len)) return false;
      off += len;
    }
    if (piece.end > end_of_file) node.xfs->i_flags |= XFS_IEOFBLOCKS;
    if (piece.off < end_of_file && piece.end >= end_of_file) {
      node.xfs->i_disk_size = std::min(node.xfs->i_disk_size, piece.off << block_log);
    }
  }
  return true;
}

}  // namespace faultline
