// Direct reads and writes. See the header. Dirty pages of the range are written back first and, for
// a write, dropped; then each mapping is one request to the device, and the last of them completes
// the whole, with a log force where the file is open for synchronous writes. Left out: merging,
// errors of the device, user buffers of asynchronous requests, writing through the device's cache
// instead of the log force (FUA).
#include "kernel/fs/iomap_direct.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "kernel/arch/x86/access.hpp"
#include "kernel/fs/inode.hpp"
#include "kernel/fs/open.hpp"
#include "kernel/fs/sync.hpp"
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/gup.hpp"
#include "kernel/mm/truncate.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t sector_mask = 511;

/// Bytes that come from the device, to be put into the buffer when they are there.
struct Transfer {
  std::uint64_t device = 0;  // IOMAP_NULL_ADDR: zeros
  Vaddr to{};
  std::uint64_t length = 0;
};

/// One request while it is submitted.
struct Dio {
  const DaxIo& io;
  iomap_ioend& whole;
  std::vector<Transfer> reads;
};

// kiocb_invalidate_pages(), kiocb_write_and_wait()
HelperPath<std::int64_t> flush_pages(Kernel& k, const DaxIo& io) {
  address_space& mapping = io.host->i_data;
  if (mapping.nrpages == 0) co_return 0;
  const std::uint64_t last = io.pos + io.length - 1;
  const std::int64_t error = co_await filemap_write_and_wait_range(k, mapping, io.pos, last);
  // Whole pages go: what a part of one keeps would be old.
  if (!error && io.write) {
    co_await truncate_pagecache_range(k, *io.host, io.pos & PAGE_MASK, last | ~PAGE_MASK);
  }
  co_return error;
}

// Page by page between a device and the pinned pages of a buffer.
template <class Move>
void each_piece(Kernel& k, Vaddr buffer, std::uint64_t length, Move move) {
  std::vector<std::byte> bytes;
  for (std::uint64_t done = 0; done < length;) {
    const Vaddr at = buffer + done;
    const std::uint64_t inside = at.v & ~PAGE_MASK;
    bytes.resize(std::min(length - done, PAGE_SIZE - inside));
    move(Paddr((pinned_page(k, at).v << PAGE_SHIFT) + inside), done, bytes);
    done += bytes.size();
  }
}

void write_to_device(Kernel& k, LineContent& device, std::uint64_t to, Vaddr from,
                     std::uint64_t length) {
  each_piece(k, from, length, [&](Paddr phys, std::uint64_t done, std::vector<std::byte>& bytes) {
    read_phys(k, phys, bytes);
    device.persist(to + done, bytes);
  });
}

void read_from_device(Kernel& k, const LineContent& device, const Transfer& transfer) {
  each_piece(k, transfer.to, transfer.length,
             [&](Paddr phys, std::uint64_t done, std::vector<std::byte>& bytes) {
               if (transfer.device == IOMAP_NULL_ADDR) {
                 std::fill(bytes.begin(), bytes.end(), std::byte{});
               } else {
                 device.read(transfer.device + done, bytes);
               }
               write_phys(k, phys, bytes);
             });
}

// bio_iov_iter_get_pages(): the pages of a piece of the buffer. Bytes that could be had, or an
// errno.
HelperPath<std::int64_t> get_pages(Kernel& k, const DaxIo& io, Vaddr at, std::uint64_t bytes) {
  PinFlags flags;
  flags.write = !io.write;
  const std::int64_t pages = co_await pin_user_pages_fast(k, at, bytes, flags);
  if (pages <= 0) co_return pages;
  const std::uint64_t reach =
      (static_cast<std::uint64_t>(pages) << PAGE_SHIFT) - (at.v & ~PAGE_MASK);
  co_return static_cast<std::int64_t>(std::min(bytes, reach & ~sector_mask));
}

// iomap_dio_zero(): a request of its own.
void zero_on_device(Kernel& k, const iomap_iter& iter, Dio& dio, std::uint64_t pos,
                    std::uint64_t bytes) {
  BlockDevice& device = *iter.host->i_sb->s_bdev;
  device.content().fill(iter.map.addr + (pos - iter.map.offset), bytes, 0);
  dio.whole.done = std::max(dio.whole.done, device.submit(k.now(), bytes));
}

// What a write leaves of its first and its last block must not show what was there before.
void zero_around(Kernel& k, const iomap_iter& iter, Dio& dio, std::uint64_t bytes) {
  constexpr std::uint64_t block_mask = PAGE_SIZE - 1;
  const bool fresh = iter.map.type == IOMAP_UNWRITTEN || (iter.map.flags & IOMAP_F_NEW);
  const std::uint64_t head = iter.pos & block_mask;
  const bool first = iter.pos == dio.io.pos;
  if (fresh && first && head != 0) zero_on_device(k, iter, dio, iter.pos - head, head);
  const std::uint64_t end = iter.pos + bytes;
  const bool at_eof = end >= iter.host->i_size;
  const std::uint64_t tail = (PAGE_SIZE - (end & block_mask)) & block_mask;
  if ((fresh || at_eof) && tail != 0) zero_on_device(k, iter, dio, end, tail);
}

// iomap_dio_iter(): bytes of the mapping that were submitted, or a negative errno.
HelperPath<std::int64_t> iomap_dio_iter(Kernel& k, const iomap_iter& iter, Dio& dio) {
  const iomap& map = iter.map;
  std::uint64_t bytes = std::min(iter.len, map.offset + map.length - iter.pos);
  const bool data = map.type == IOMAP_MAPPED || (dio.io.write && map.type == IOMAP_UNWRITTEN);
  if (!data && dio.io.write) co_return -EIO;
  const std::uint64_t buffer = dio.io.buffer ? dio.io.buffer->v : 0;
  const bool asks = data || k.profile.dio_unaligned == DioUnaligned::exclusive;
  if (asks && ((iter.pos | bytes | buffer) & sector_mask)) co_return -EINVAL;
  const std::uint64_t addr = data ? map.addr + (iter.pos - map.offset) : IOMAP_NULL_ADDR;
  LineContent& content = iter.host->i_sb->s_bdev->content();
  if (dio.io.buffer) {
    const Vaddr at = *dio.io.buffer + (iter.pos - dio.io.pos);
    const std::int64_t got = co_await get_pages(k, dio.io, at, bytes);
    if (got <= 0) co_return got == 0 ? -EFAULT : got;
    bytes = static_cast<std::uint64_t>(got);
    if (dio.io.write) {
      write_to_device(k, content, addr, at, bytes);
    } else {
      dio.reads.push_back({addr, at, bytes});
    }
  } else if (dio.io.write) {
    content.fill(addr, bytes, 0);
  }
  iomap_ioend& whole = dio.whole;
  if (data) whole.done = std::max(whole.done, iter.host->i_sb->s_bdev->submit(k.now(), bytes));
  if (dio.io.write) zero_around(k, iter, dio, bytes);
  if (map.type == IOMAP_UNWRITTEN) whole.type = IOMAP_UNWRITTEN;
  if (map.flags & IOMAP_F_SHARED) whole.flags |= IOMAP_F_SHARED;
  whole.size += bytes;
  co_return static_cast<std::int64_t>(bytes);
}

HelperPath<std::int64_t> submit_all(Kernel& k, Dio& dio, const iomap_ops& ops, unsigned dio_flags) {
  const DaxIo& io = dio.io;
  iomap_iter iter;
  iter.host = io.host;
  iter.pos = io.pos;
  iter.len = io.length;
  iter.flags = IOMAP_DIRECT | (io.write ? IOMAP_WRITE : 0);
  if (dio_flags & IOMAP_DIO_OVERWRITE_ONLY) iter.flags |= IOMAP_OVERWRITE_ONLY;
  for (;;) {
    const std::int64_t more = co_await iomap_iter_next(k, iter, ops, "__iomap_dio_rw");
    if (more <= 0) co_return more;
    iter.processed = co_await iomap_dio_iter(k, iter, dio);
  }
}

// A read ends where the file does.
std::int64_t readable(const iomap_ioend& whole) {
  const std::uint64_t size = whole.host->i_size;
  const std::uint64_t there = size > whole.offset ? size - whole.offset : 0;
  return static_cast<std::int64_t>(std::min(whole.size, there));
}

// Bytes, or the first error.
Path<std::int64_t> iomap_dio_complete(Kernel& k, const iomap_ioend& whole) {
  std::int64_t error = whole.error;
  if (whole.end_io) {
    const std::int64_t failed = co_await whole.end_io(k, whole);
    if (failed) error = failed;
  }
  std::int64_t result = whole.writes ? static_cast<std::int64_t>(whole.size) : readable(whole);
  if (error) result = error;
  inode_dio_end(k, *whole.host);
  if (whole.writes) result = co_await generic_write_sync(k, *whole.filp, whole.offset, result);
  co_return result;
}

// The task has waited.
HelperPath<std::int64_t> wait_and_complete(Kernel& k, Dio& dio) {
  if (k.now() < dio.whole.done) co_await k.engine.block_until(dio.whole.done);
  const LineContent& content = dio.io.host->i_sb->s_bdev->content();
  for (const Transfer& transfer : dio.reads) read_from_device(k, content, transfer);
  const std::int64_t result = co_await iomap_dio_complete(k, dio.whole);
  if (dio.io.buffer) co_await unpin_user_pages(k, *dio.io.buffer, dio.whole.size);
  co_return result;
}

// In a kernel worker, which has the last use of the request's file.
Path<void> iomap_dio_complete_work(Kernel& k, iomap_ioend& whole) {
  const std::int64_t result = co_await iomap_dio_complete(k, whole);
  const inode& host = *whole.host;
  k.trace<Event::sim_aio_complete>(host.i_sb->s_dev, host.i_ino, whole.offset, result);
  fput(k, *std::exchange(whole.filp, nullptr));
  co_await task_work_run(k);
}

}  // namespace

Path<std::int64_t> iomap_dio_rw(Kernel& k, file& filp, const DaxIo& asked, const DioOps& dops,
                                DioWait wait, unsigned dio_flags) {
  DaxIo io = asked;
  if (!io.write) {
    // What is behind the end of the file is not asked for, but for the rest of its block.
    const std::uint64_t end = (io.host->i_size + PAGE_SIZE - 1) & PAGE_MASK;
    if (io.pos >= io.host->i_size) co_return 0;
    io.length = std::min(io.length, end - io.pos);
  }
  const bool extends = io.pos + io.length > io.host->i_size;
  if ((dio_flags & IOMAP_DIO_OVERWRITE_ONLY) && extends) co_return -EAGAIN;
  std::int64_t error = co_await flush_pages(k, io);
  if (error) co_return error;
  ++io.host->i_dio_count;
  auto whole = std::make_unique<iomap_ioend>();
  whole->host = io.host;
  whole->type = IOMAP_MAPPED;
  whole->offset = io.pos;
  whole->filp = &filp;
  whole->writes = io.write;
  whole->end_io = dops.end_io;
  Dio dio{io, *whole, {}};
  error = co_await submit_all(k, dio, *dops.ops, dio_flags);
  if (whole->size == 0) {
    inode_dio_end(k, *io.host);
    co_return error;
  }
  whole->error = error;
  if (wait == DioWait::wait || (dio_flags & IOMAP_DIO_FORCE_WAIT)) {
    const std::int64_t result = co_await wait_and_complete(k, dio);
    co_return result;
  }
  ++filp.f_count;
  whole->finish = iomap_dio_complete_work;
  queue_completion(k, std::move(whole));
  co_return -EIOCBQUEUED;
}

}  // namespace faultline
