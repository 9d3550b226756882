// write(2) into the page cache. Linux 6.12 fs/iomap/buffered-io.c iomap_file_buffered_write,
// iomap_write_iter: the source is faulted in first, since the copy runs under the folio's lock and
// may not fault; a copy that comes to nothing is tried again with as much of the source as there
// is. Left out: waiting in balance_dirty_pages, which is called and never throttles.
#include <algorithm>
#include <cerrno>

#include "kernel/arch/x86/access.hpp"
#include "kernel/fs/iomap_write.hpp"
#include "kernel/mm/filemap.hpp"

namespace faultline {

namespace {

Path<void> balance_dirty_pages_ratelimited_flags(Kernel& k) {
  k.engine.charge(k.costs.vfs_op);
  co_return;
}

// fault_in_iov_iter_readable(): false if not even the first byte is there.
HelperPath<bool> fault_in_source(Kernel& k, Vaddr from, std::uint64_t bytes) {
  const Vaddr first(from.v & PAGE_MASK);
  for (Vaddr page = first; page < from + bytes; page += PAGE_SIZE) {
    const Vaddr at = page < from ? from : page;
    const UserPage there = co_await uaccess_page(k, at, false, "fault_in_readable");
    if (!there.ok) co_return page != first;
  }
  co_return true;
}

// copy_folio_from_iter_atomic(): bytes copied; fewer where a page of the source is not there.
std::uint64_t copy_atomic(Kernel& k, const DaxIo& io, std::uint64_t done, std::uint64_t memory,
                          std::uint64_t bytes) {
  if (!io.buffer) {
    k.dram.store_pattern(memory, bytes, 0);
    return bytes;
  }
  std::uint64_t copied = 0;
  std::vector<std::byte> piece;
  while (copied < bytes) {
    const Vaddr at = *io.buffer + (done + copied);
    const UserPage page = uaccess_page_nofault(k, at, false);
    if (!page.ok) break;
    piece.resize(std::min(bytes - copied, PAGE_SIZE - (at.v & ~PAGE_MASK)));
    read_phys(k, page.phys, piece);
    k.dram.store(memory + copied, piece);
    copied += piece.size();
  }
  return copied;
}

// One folio's share of the write; bytes, 0 if the copy came to nothing, or a negative errno.
// `came`: bytes that the copy did get.
HelperPath<std::int64_t> write_folio(Kernel& k, iomap_iter& iter, const DaxIo& io,
                                     std::uint64_t pos, std::uint64_t bytes, std::uint64_t* came) {
  inode& host = *iter.host;
  folio* f = nullptr;
  if (fatal_signal_pending(k.current())) co_return -EINTR;
  const std::int64_t error = co_await iomap_write_begin(k, iter, pos, bytes, f);
  if (error) co_return error;
  const std::uint64_t offset = pos - (f->index << PAGE_SHIFT);
  bytes = std::min(bytes, (f->pages() << PAGE_SHIFT) - offset);
  const std::uint64_t memory = (f->pfn.v << PAGE_SHIFT) + offset;
  std::uint64_t copied = copy_atomic(k, io, pos - io.pos, memory, bytes);
  *came = copied;
  k.engine.charge(k.costs.page_copy * ((copied + PAGE_SIZE - 1) >> PAGE_SHIFT));
  // What was not up to date and has not been written whole shows nothing that was written.
  if (copied < bytes && !f->uptodate) copied = 0;
  if (copied != 0) co_await iomap_write_end(k, *f, pos, copied);
  if (pos + copied > host.i_size) {
    host.i_size = pos + copied;
    iter.map.flags |= IOMAP_F_SIZE_CHANGED;
  }
  folio_unlock(k, *f);
  folio_put(k, *f);
  co_return static_cast<std::int64_t>(copied);
}

HelperPath<std::int64_t> iomap_write_iter(Kernel& k, iomap_iter& iter, const DaxIo& io) {
  const std::uint64_t length = iomap_length(iter);
  std::uint64_t chunk = PMD_SIZE;  // the largest folio
  std::uint64_t done = 0;
  std::uint64_t wanted = ~0ULL;  // no more than there was, when it is tried again
  std::int64_t error = 0;
  while (done < length) {
    const std::uint64_t pos = iter.pos + done;
    const std::uint64_t bytes = std::min({chunk - (pos & (chunk - 1)), length - done, wanted});
    co_await balance_dirty_pages_ratelimited_flags(k);
    if (io.buffer) {
      const bool there = co_await fault_in_source(k, *io.buffer + (pos - io.pos), bytes);
      if (!there) error = -EFAULT;
      if (error) break;
    }
    std::uint64_t came = 0;
    const std::int64_t n = co_await write_folio(k, iter, io, pos, bytes, &came);
    if (n < 0) error = n;
    if (error) break;
    if (n == 0 && chunk > PAGE_SIZE) chunk /= 2;
    wanted = n == 0 && came != 0 ? came : ~0ULL;
    done += static_cast<std::uint64_t>(n);
    co_await k.engine.spend(Nanos{});  // the copy takes its time under IOLOCK
  }
  co_return done != 0 ? static_cast<std::int64_t>(done) : error;
}

}  // namespace

Path<std::int64_t> iomap_file_buffered_write(Kernel& k, const DaxIo& io, const iomap_ops& ops) {
  iomap_iter iter;
  iter.host = io.host;
  iter.pos = io.pos;
  iter.len = io.length;
  iter.flags = IOMAP_WRITE;
  std::int64_t error = 0;
  for (;;) {
    error = co_await iomap_iter_next(k, iter, ops, "iomap_file_buffered_write");
    if (error <= 0) break;
    iter.processed = co_await iomap_write_iter(k, iter, io);
  }
  const std::uint64_t done = iter.pos - io.pos;
  co_return done != 0 ? static_cast<std::int64_t>(done) : error;
}

}  // namespace faultline
