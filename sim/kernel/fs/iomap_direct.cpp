// Asynchronous direct writes. See the header. The pages of the range are written back and dropped
// first, then each mapping is one request to the device; the last of them completes the whole. Left
// out: reads, synchronous writes, writes that are not whole blocks, pages of user memory.
#include "kernel/fs/iomap_direct.hpp"

#include <algorithm>

#include "kernel/fs/inode.hpp"
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/truncate.hpp"

namespace faultline {

namespace {

// kiocb_invalidate_pages()
HelperPath<std::int64_t> invalidate_pages(Kernel& k, const DaxIo& io) {
  address_space& mapping = io.host->i_data;
  if (mapping.nrpages == 0) co_return 0;
  const std::uint64_t last = io.pos + io.length - 1;
  const std::int64_t error = co_await filemap_write_and_wait_range(k, mapping, io.pos, last);
  if (!error) co_await truncate_pagecache_range(k, *io.host, io.pos, last);
  co_return error;
}

// iomap_dio_bio_iter(): bytes of the mapping that were submitted.
std::uint64_t submit(Kernel& k, const iomap_iter& iter, iomap_ioend& whole) {
  BlockDevice& device = *iter.host->i_sb->s_bdev;
  const std::uint64_t bytes = std::min(iter.len, iter.map.offset + iter.map.length - iter.pos);
  const std::uint64_t addr = iter.map.addr + (iter.pos - iter.map.offset);
  device.content().fill(addr, bytes, 0);
  whole.done = std::max(whole.done, device.submit(k.now(), bytes));
  if (iter.map.type == IOMAP_UNWRITTEN) whole.type = IOMAP_UNWRITTEN;
  if (iter.map.flags & IOMAP_F_SHARED) whole.flags |= IOMAP_F_SHARED;
  whole.size += bytes;
  return bytes;
}

}  // namespace

Path<std::int64_t> iomap_dio_write(Kernel& k, const DaxIo& io, const iomap_ops& ops,
                                   Path<void> (*end_io)(Kernel&, iomap_ioend&)) {
  std::int64_t error = co_await invalidate_pages(k, io);
  if (error) co_return error;
  ++io.host->i_dio_count;
  auto whole = std::make_unique<iomap_ioend>();
  whole->host = io.host;
  whole->type = IOMAP_MAPPED;
  whole->offset = io.pos;
  whole->finish = end_io;
  iomap_iter iter;
  iter.host = io.host;
  iter.pos = io.pos;
  iter.len = io.length;
  iter.flags = IOMAP_WRITE | IOMAP_DIRECT;
  for (;;) {
    error = co_await iomap_iter_next(k, iter, ops, "__iomap_dio_rw");
    if (error <= 0) break;
    iter.processed = static_cast<std::int64_t>(submit(k, iter, *whole));
  }
  if (whole->size == 0) {
    inode_dio_end(k, *io.host);
    co_return error;
  }
  queue_completion(k, std::move(whole));
  co_return -EIOCBQUEUED;
}

}  // namespace faultline
