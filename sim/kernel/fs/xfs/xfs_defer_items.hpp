// What a transaction leaves for later ones: work that is logged as an intent first and done after a
// roll, so that no transaction needs more log space than it reserved. Linux 6.12
// fs/xfs/libxfs/xfs_defer.h. Left out: attribute, reverse-mapping and exchange items.
#pragma once

#include <cstdint>
#include <vector>

#include "kernel/fs/xfs/xfs_iext.hpp"

namespace faultline {
struct inode;
}

namespace faultline::xfs {

/// The type of work; items of one type that follow each other share an intent.
enum class DeferKind : std::uint8_t {
  bmap,       ///< map or unmap an extent of a fork
  refcount,   ///< change reference counts
  free,       ///< give an extent back to the free-space trees
  agfl_free,  ///< give a surplus block of the free list back
};

/// What an item of its kind does.
enum class DeferOp : std::uint8_t {
  none,
  bmap_map,
  bmap_unmap,
  refcount_increase,
  refcount_decrease,
  refcount_alloc_cow,
  refcount_free_cow,
};

struct DeferItem {
  DeferKind kind = DeferKind::free;
  DeferOp op = DeferOp::none;
  ExtState state = ExtState::written;
  ExtLen len = 0;
  FsBlock start{};
  std::uint64_t off = 0;  ///< bmap: in the file, blocks
  inode* ip = nullptr;    ///< bmap: the file

  static DeferItem extent(DeferKind kind, FsBlock start, ExtLen len) {
    DeferItem item;
    item.kind = kind;
    item.start = start;
    item.len = len;
    return item;
  }
};

/// Work that has an intent and waits for its transaction; what comes next is on top. A stack in two
/// vectors, whose memory serves one transaction of a chain after the other.
struct DeferStack {
  std::vector<DeferItem> items;      ///< of each intent in order, the last intent's at the end
  std::vector<std::size_t> intents;  ///< how many items each has
};

/// The most items one intent holds (XFS_EFI_MAX_FAST_EXTENTS and its like).
constexpr std::size_t max_defer_items(DeferKind kind) { return kind == DeferKind::bmap ? 1 : 16; }

}  // namespace faultline::xfs
