// Changing bytes of the page cache through iomap: write(2) and zeroing. Linux 6.12
// fs/iomap/buffered-io.c.
#pragma once

#include <algorithm>

#include "kernel/fs/dax.hpp"
#include "kernel/fs/iomap.hpp"
#include "kernel/kernel.hpp"

namespace faultline {

/// iomap_length(): what the mapping at hand covers of the rest, and its source with it.
inline std::uint64_t iomap_length(const iomap_iter& iter) {
  std::uint64_t end = iter.map.offset + iter.map.length;
  const iomap& source = iter.srcmap;
  if (source.type != IOMAP_HOLE) end = std::min(end, source.offset + source.length);
  return std::min(iter.len, end - iter.pos);
}

/// iomap_write_begin(): the folio for bytes from `pos` on, locked and with a reference; blocks that
/// [pos, pos + len) covers only in part are up to date. `folio` null on error. 0 or an errno.
Path<std::int64_t> iomap_write_begin(Kernel& k, iomap_iter& iter, std::uint64_t pos,
                                     std::uint64_t len, folio*& found);
/// iomap_write_end(): the bytes are in; the folio stays locked.
HelperPath<void> iomap_write_end(Kernel& k, folio& f, std::uint64_t pos, std::uint64_t len);

/// iomap_file_buffered_write(): bytes written, or a negative errno. The caller holds IOLOCK.
Path<std::int64_t> iomap_file_buffered_write(Kernel& k, const DaxIo& io, const iomap_ops& ops);

/// Zeroes [pos, pos + len) where there are blocks. `did_zero`: some had to be. 0 or an errno.
Path<std::int64_t> iomap_zero_range(Kernel& k, inode& host, std::uint64_t pos, std::uint64_t len,
                                    bool& did_zero, const iomap_ops& ops);
/// The same from `pos` to the end of its block.
Path<std::int64_t> iomap_truncate_page(Kernel& k, inode& host, std::uint64_t pos, bool& did_zero,
                                       const iomap_ops& ops);

}  // namespace faultline
