// Direct I/O through iomap. Linux 6.12 fs/iomap/direct-io.c.
#pragma once

#include "kernel/fs/dax.hpp"
#include "kernel/fs/iomap_writeback.hpp"

namespace faultline {

/// An asynchronous request is under way: its completion says how it ended.
inline constexpr std::int64_t EIOCBQUEUED = 529;

/// Whether the call returns when everything is submitted, or when the device has it.
enum class DioWait : std::uint8_t { queue, wait };

/// What a file system wants of a request.
struct DioOps {
  const iomap_ops* ops;
  /// Once the device has everything: in a kernel worker, or in the task that has waited for it.
  /// Bytes, or a negative errno; ends the request (inode_dio_end).
  Path<std::int64_t> (*end_io)(Kernel&, const iomap_ioend&);
};

/// iomap_dio_rw(): moves [pos, pos + length), multiples of 512 bytes, past the page cache; the
/// caller holds IOLOCK. The pages of a user buffer are pinned under it; only a request that is
/// waited for may have one. Bytes, -EIOCBQUEUED, or a negative errno.
Path<std::int64_t> iomap_dio_rw(Kernel& k, const DaxIo& io, const DioOps& dops, DioWait wait);

}  // namespace faultline
