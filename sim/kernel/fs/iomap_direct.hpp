// Direct I/O through iomap. Linux 6.12 fs/iomap/direct-io.c.
#pragma once

#include "kernel/fs/dax.hpp"
#include "kernel/fs/iomap_writeback.hpp"

namespace faultline {

/// An asynchronous request is under way: its completion says how it ended.
inline constexpr std::int64_t EIOCBQUEUED = 529;

/// Whether the call returns when everything is submitted, or when the device has it.
enum class DioWait : std::uint8_t { queue, wait };

/// The call returns when it is done, whoever asked for it.
inline constexpr unsigned IOMAP_DIO_FORCE_WAIT = 1u << 0;
/// Only in place, in one written mapping inside the file: else -EAGAIN.
inline constexpr unsigned IOMAP_DIO_OVERWRITE_ONLY = 1u << 1;

/// What a file system wants of a request.
struct DioOps {
  const iomap_ops* ops;
  /// Once the device has everything: in a kernel worker, or in the task that has waited for it. 0
  /// or a negative errno. Null: nothing is to be done.
  Path<std::int64_t> (*end_io)(Kernel&, const iomap_ioend&);
};

/// iomap_dio_rw(): moves [pos, pos + length), multiples of 512 bytes, past the page cache of
/// `filp`; the caller holds IOLOCK. The rest of a block that is new or unwritten is zeroed. The
/// pages of a user buffer are pinned under it; only a request that is waited for may have one.
/// Bytes, -EIOCBQUEUED, or a negative errno.
Path<std::int64_t> iomap_dio_rw(Kernel& k, file& filp, const DaxIo& io, const DioOps& dops,
                                DioWait wait, unsigned dio_flags = 0);

}  // namespace faultline
