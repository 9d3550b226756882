// Direct I/O through iomap. Linux 6.12 fs/iomap/direct-io.c.
#pragma once

#include "kernel/fs/dax.hpp"
#include "kernel/fs/iomap_writeback.hpp"

namespace faultline {

/// An asynchronous write is under way: its completion says how it ended.
inline constexpr std::int64_t EIOCBQUEUED = 529;

/// Writes [pos, pos + length), both multiples of a block, past the page cache; the caller holds
/// IOLOCK. `end_io` runs in a kernel worker once the device has everything. -EIOCBQUEUED, or a
/// negative errno if nothing was submitted.
Path<std::int64_t> iomap_dio_write(Kernel& k, const DaxIo& io, const iomap_ops& ops,
                                   Path<void> (*end_io)(Kernel&, iomap_ioend&));

}  // namespace faultline
