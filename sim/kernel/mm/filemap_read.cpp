// read(2) from the page cache. Linux 6.12 mm/filemap.c filemap_read, filemap_get_pages,
// filemap_update_page. Left out: reads that may not wait, splice, direct I/O.
#include <algorithm>
#include <cerrno>

#include "kernel/arch/x86/access.hpp"
#include "kernel/fs/dax.hpp"
#include "kernel/fs/inode.hpp"
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/readahead.hpp"

namespace faultline {

namespace {

using FolioBatch = std::vector<folio*>;
constexpr std::size_t folio_batch_size = 31;

void release(Kernel& k, FolioBatch& batch) {
  for (folio* const f : batch) folio_put(k, *f);
  batch.clear();
}

// filemap_get_read_batch(): folios without a gap, up to the first that has to be worked on.
void get_read_batch(Kernel& k, address_space& mapping, std::uint64_t index, std::uint64_t last,
                    FolioBatch& batch) {
  while (index <= last && batch.size() < folio_batch_size) {
    folio* const f = filemap_get_folio(k, mapping, index);
    if (!f) return;
    folio_get(*f);
    folio_test_locked(k, *f);  // notices a read that is complete
    batch.push_back(f);
    index = f->index + f->pages();
    if (!f->uptodate || f->readahead) return;
  }
}

// filemap_update_page(): 0 when the folio is up to date; 1 to look again; else an errno.
HelperPath<std::int64_t> update_page(Kernel& k, address_space& mapping, folio& f) {
  const bool locks = k.profile.filemap_fault_locks;
  if (locks) co_await down_read(mapping.invalidate_lock);
  if (!folio_trylock(k, f)) {
    if (locks) up_read(mapping.invalidate_lock);
    const bool taken = co_await folio_lock(k, f, true);  // folio_put_wait_locked()
    if (!taken) co_return -EINTR;
    folio_unlock(k, f);
    co_return 1;
  }
  const bool gone = f.mapping != &mapping;
  if (!gone && !f.uptodate) co_await read_locked_folio(k, f);
  folio_unlock(k, f);
  if (locks) up_read(mapping.invalidate_lock);
  co_return gone ? 1 : 0;
}

// The folios of the next bytes, with references; the last may be the only one up to date.
Path<std::int64_t> filemap_get_pages(Kernel& k, file& f, std::uint64_t pos, std::uint64_t count,
                                     FolioBatch& batch) {
  address_space& mapping = f.f_inode->i_data;
  const std::uint64_t index = pos >> PAGE_SHIFT;
  const std::uint64_t last = (pos + count + PAGE_SIZE - 1) >> PAGE_SHIFT;
  for (;;) {
    if (fatal_signal_pending(k.current())) co_return -EINTR;
    get_read_batch(k, mapping, index, last - 1, batch);
    if (batch.empty()) {
      co_await page_cache_sync_ra(k, mapping, f.f_ra, index, last - index);
      get_read_batch(k, mapping, index, last - 1, batch);
    }
    if (batch.empty()) {  // filemap_create_folio()
      const bool locks = k.profile.filemap_fault_locks;
      if (locks) co_await down_read(mapping.invalidate_lock);
      const bool added = co_await filemap_make_folio(k, mapping, index);
      if (locks) up_read(mapping.invalidate_lock);
      if (!added) co_return -ENOMEM;
      continue;
    }
    folio& end = *batch.back();
    if (end.readahead) {  // filemap_readahead()
      co_await page_cache_async_ra(k, mapping, f.f_ra, end, end.index, last - end.index);
    }
    if (!end.uptodate) {
      const std::int64_t error = co_await update_page(k, mapping, end);
      if (error != 0) release(k, batch);
      if (error > 0) continue;
      if (error < 0) co_return error;
    }
    const inode& host = *f.f_inode;
    k.trace<Event::mm_filemap_get_pages>(host.i_sb->s_dev, host.i_ino, index << PAGE_SHIFT,
                                         (last << PAGE_SHIFT) - 1);
    co_return 0;
  }
}

// copy_folio_to_iter(): page by page, each of which may fault. Bytes copied.
HelperPath<std::uint64_t> copy_to_user_buffer(Kernel& k, const DaxIo& io, std::uint64_t memory,
                                              std::uint64_t done, std::uint64_t bytes) {
  if (!io.buffer) co_return bytes;
  std::uint64_t copied = 0;
  std::vector<std::byte> piece;
  while (copied < bytes) {
    const std::uint64_t source = memory + copied;
    std::uint64_t length = std::min(bytes - copied, PAGE_SIZE - (source & ~PAGE_MASK));
    might_fault(k);
    while (length != 0) {
      const Vaddr at = *io.buffer + (done + copied);
      const std::uint64_t n = std::min(length, PAGE_SIZE - (at.v & ~PAGE_MASK));
      const UserPage page = co_await uaccess_page(k, at, true, "rep_movs_alternative");
      if (!page.ok) co_return copied;
      piece.resize(n);
      k.dram.read(memory + copied, piece);
      write_phys(k, page.phys, piece);
      copied += n;
      length -= n;
    }
  }
  co_return copied;
}

// What the folios have of the request; false when a copy fell short.
HelperPath<bool> copy_batch(Kernel& k, const DaxIo& io, const FolioBatch& batch, std::uint64_t end,
                            std::uint64_t* pos) {
  for (const folio* const f : batch) {
    const std::uint64_t start = f->index << PAGE_SHIFT;
    const std::uint64_t stop = std::min(end, start + (f->pages() << PAGE_SHIFT));
    if (stop <= *pos) continue;
    const std::uint64_t bytes = stop - *pos;
    const std::uint64_t memory = (f->pfn.v << PAGE_SHIFT) + (*pos - start);
    const std::uint64_t n = co_await copy_to_user_buffer(k, io, memory, *pos - io.pos, bytes);
    k.engine.charge(k.costs.page_copy * ((n + PAGE_SIZE - 1) >> PAGE_SHIFT));
    *pos += n;
    if (n < bytes) co_return false;
  }
  co_return true;
}

}  // namespace

Path<std::int64_t> filemap_read(Kernel& k, file& f, const DaxIo& io) {
  inode& host = *f.f_inode;
  std::uint64_t pos = io.pos;
  const std::uint64_t end = io.pos + io.length;
  std::int64_t error = 0;
  FolioBatch batch;
  while (pos < end && pos < host.i_size) {
    error = co_await filemap_get_pages(k, f, pos, end - pos, batch);
    if (error) break;
    const std::uint64_t isize = host.i_size;
    const bool whole = co_await copy_batch(k, io, batch, std::min(isize, end), &pos);
    if (!whole) error = -EFAULT;
    release(k, batch);
    f.f_ra.prev_pos = pos;
    if (error) break;
    co_await k.engine.spend(Nanos{});
  }
  co_await touch_atime(k, host);
  co_return pos != io.pos ? static_cast<std::int64_t>(pos - io.pos) : error;
}

}  // namespace faultline
