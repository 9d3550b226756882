// Write-back of the page cache through iomap: dirty folios become requests to the device, of which
// some need a transaction when the device is done. Linux 6.12 fs/iomap/buffered-io.c
// (iomap_writepages and what it calls).
#pragma once

#include <vector>

#include "kernel/fs/iomap.hpp"
#include "kernel/kernel.hpp"

namespace faultline {

/// A write of one mapping that is on its way: file bytes and the folios that hold them.
struct iomap_ioend {
  inode* host = nullptr;
  std::uint16_t type = 0, flags = 0;  ///< of the mapping
  std::uint64_t offset = 0, size = 0;
  std::uint64_t addr = 0;  ///< bytes on the device
  std::vector<folio*> folios;
  Nanos done{};  ///< when the device has it
  Path<void> (*finish)(Kernel&, iomap_ioend&) = nullptr;
  /// Of direct I/O: the file system's part of its end, the error that stopped its submission
  /// half-way, and the open file, which stays until then.
  Path<std::int64_t> (*end_io)(Kernel&, const iomap_ioend&) = nullptr;
  std::int64_t error = 0;
  file* filp = nullptr;
  bool writes = false;
};

struct iomap_writepage_ctx;

struct iomap_writeback_ops {
  /// Blocks for the page at `pos`, in ctx.map. 0 or a negative errno.
  Path<std::int64_t> (*map_blocks)(Kernel&, iomap_writepage_ctx& ctx, inode&, std::uint64_t pos);
  /// No blocks could be had for a folio from `pos` on: what is dirty of it is given up.
  Path<void> (*discard_folio)(Kernel&, folio&, std::uint64_t pos);
  /// Before the device gets the request. 0 or a negative errno.
  HelperPath<std::int64_t> (*prepare)(Kernel&, const iomap_ioend&);
  /// Whether a transaction has to follow the write.
  bool (*needs_finish)(const inode&, const iomap_ioend&);
  Path<void> (*finish)(Kernel&, iomap_ioend&);
};

/// One run over a range: the mapping at hand and the request that grows.
struct iomap_writepage_ctx {
  const iomap_writeback_ops* ops = nullptr;
  iomap map;
  /// Changes of the file's mappings, and of those of its copies, when `map` was looked up.
  std::uint64_t data_seq = 0, cow_seq = 0;
  std::unique_ptr<iomap_ioend> ioend;
};

/// queue_work(): `finish` of the request runs in the kernel worker when the device has it.
void queue_completion(Kernel& k, std::unique_ptr<iomap_ioend> ioend);

/// WB_SYNC_ALL: what was dirty at the beginning, also folios under write-back, for which it waits;
/// WB_SYNC_NONE: whatever is dirty when it comes by.
enum class WbSync : std::uint8_t { all, none };

/// Hands the dirty folios of the range to the device. 0, or the first error.
Path<std::int64_t> iomap_writepages(Kernel& k, address_space& mapping, const writeback_control& wbc,
                                    const iomap_writeback_ops& ops, WbSync sync = WbSync::all);

}  // namespace faultline
