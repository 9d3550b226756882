// See the header. Linux 6.12 fs/iomap/buffered-io.c: iomap_writepage_map, iomap_add_to_ioend,
// iomap_submit_ioend. What follows a finished write runs in one kernel worker, in the order of
// completion. Left out: write-back that nobody asked for (flusher threads, dirty limits), errors of
// the device, merging of requests at their completion.
#include "kernel/fs/iomap_writeback.hpp"

#include <algorithm>

#include "kernel/fs/iomap_folio.hpp"
#include "kernel/mm/filemap.hpp"

namespace faultline {

namespace {

// What a kernel worker does with the completions that have been queued for it.
Path<void> worker_thread(Kernel& k) {
  while (!k.completions.empty()) {
    iomap_ioend& ioend = *k.completions.front();  // stays in the queue while it is worked on
    if (k.now() < ioend.done) co_await k.engine.block_until(ioend.done);
    co_await ioend.finish(k, ioend);
    for (folio* const f : ioend.folios) folio_end_writeback(k, *f);
    k.completions.pop_front();
  }
}

}  // namespace

void queue_completion(Kernel& k, std::unique_ptr<iomap_ioend> ioend) {
  const Nanos done = ioend->done;
  k.completions.push_back(std::move(ioend));
  const TaskState state = k.kworker->state;
  if (state != TaskState::created && state != TaskState::done) return;
  k.engine.fork(*k.kworker, [&] { return worker_thread(k); }, done);
}

namespace {

Path<void> iomap_submit_ioend(Kernel& k, iomap_writepage_ctx& wpc) {
  if (!wpc.ioend) co_return;
  const std::unique_ptr<iomap_ioend> taken = std::move(wpc.ioend);
  iomap_ioend& ioend = *taken;
  const std::int64_t refused = co_await wpc.ops->prepare(k, ioend);
  if (refused) {  // nothing reaches the device; who waits for the folios is told at fsync
    mapping_set_error(ioend.host->i_data, refused);
    for (folio* const f : ioend.folios) folio_end_writeback(k, *f);
    co_return;
  }
  BlockDevice& device = *ioend.host->i_sb->s_bdev;
  ioend.done = device.submit(k.now(), ioend.size);
  if (device.synchronous()) co_await k.engine.spend(ioend.done - k.now());
  if (wpc.ops->needs_finish(*ioend.host, ioend)) {
    auto queued = std::make_unique<iomap_ioend>(std::move(ioend));
    queued->finish = wpc.ops->finish;
    queue_completion(k, std::move(queued));
    co_return;
  }
  for (folio* const f : ioend.folios) {
    f->writeback->end = std::max(f->writeback->end, ioend.done);
    folio_end_writeback(k, *f);
  }
}

bool can_add_to_ioend(const iomap_writepage_ctx& wpc, std::uint64_t pos) {
  const iomap_ioend& io = *wpc.ioend;
  const bool same =
      io.type == wpc.map.type && (io.flags & IOMAP_F_SHARED) == (wpc.map.flags & IOMAP_F_SHARED);
  return same && pos == io.offset + io.size &&
         wpc.map.addr + (pos - wpc.map.offset) == io.addr + io.size;
}

HelperPath<void> add_to_ioend(Kernel& k, iomap_writepage_ctx& wpc, folio& f, std::uint64_t pos,
                              std::uint64_t end_pos, std::uint64_t length) {
  if (wpc.ioend && !can_add_to_ioend(wpc, pos)) co_await iomap_submit_ioend(k, wpc);
  inode& host = *f.mapping->host;
  const std::uint64_t addr = wpc.map.addr + (pos - wpc.map.offset);
  if (!wpc.ioend) {
    wpc.ioend = std::make_unique<iomap_ioend>();
    iomap_ioend& fresh = *wpc.ioend;
    fresh.host = &host;
    fresh.type = wpc.map.type;
    fresh.flags = wpc.map.flags;
    fresh.offset = pos;
    fresh.addr = addr;
  }
  iomap_ioend& io = *wpc.ioend;
  const std::uint64_t memory = (f.pfn.v << PAGE_SHIFT) + (pos - (f.index << PAGE_SHIFT));
  copy_content(host.i_sb->s_bdev->content(), addr, k.dram, memory, length);
  io.size += length;
  // Behind the end of the file there is nothing that a size on disk could cover.
  if (io.offset + io.size > end_pos) io.size = end_pos - io.offset;
  if (io.folios.empty() || io.folios.back() != &f) {
    io.folios.push_back(&f);
    ++f.writeback->pending;
  }
}

HelperPath<std::int64_t> writepage_map_blocks(Kernel& k, iomap_writepage_ctx& wpc, folio& f,
                                              std::uint64_t pos, std::uint64_t end_pos,
                                              std::uint64_t dirty_len) {
  inode& host = *f.mapping->host;
  while (dirty_len != 0) {
    const std::int64_t error = co_await wpc.ops->map_blocks(k, wpc, host, pos);
    if (error) co_return error;
    const iomap& map = wpc.map;
    const std::uint64_t dev = host.i_sb->s_dev;
    if (k.profile.writeback_by_folio) {
      k.trace<Event::iomap_add_to_ioend>(dev, host.i_ino, dev, pos, dirty_len, map.addr, map.offset,
                                         map.length, map.type, map.flags);
    } else {
      k.trace<Event::iomap_writepage_map>(dev, host.i_ino, dev, pos, dirty_len, map.addr,
                                          map.offset, map.length, map.type, map.flags);
    }
    const std::uint64_t length = std::min(dirty_len, map.offset + map.length - pos);
    if (map.type != IOMAP_HOLE) co_await add_to_ioend(k, wpc, f, pos, end_pos, length);
    dirty_len -= length;
    pos += length;
  }
  co_return 0;
}

// iomap_writepage_handle_eof(): false if the folio is wholly behind the end of the file. What a
// mapping has stored behind the end inside of the last folio must not reach the device.
bool handle_eof(Kernel& k, const folio& f, const inode& host, std::uint64_t* end_pos) {
  const std::uint64_t isize = host.i_size;
  if (*end_pos <= isize) return true;
  const std::uint64_t start = f.index << PAGE_SHIFT;
  if (isize <= start) return false;
  k.dram.zero((f.pfn.v << PAGE_SHIFT) + (isize - start), *end_pos - isize);
  *end_pos = isize;
  return true;
}

// folio_start_writeback()
HelperPath<void> start_writeback(Kernel&, folio& f, address_space& mapping) {
  f.writeback = std::make_unique<FolioWriteback>();
  f.writeback->pending = 1;  // until all of the folio has been mapped
  co_await spin_lock(mapping.xa_lock);
  if (!f.dirty) mapping.i_pages.clear_mark(f.index, f.order, XaMark::dirty);
  mapping.i_pages.clear_mark(f.index, f.order, XaMark::towrite);
  spin_unlock(mapping.xa_lock);
}

Path<std::int64_t> iomap_writepage_map(Kernel& k, iomap_writepage_ctx& wpc, folio& f) {
  address_space& mapping = *f.mapping;
  inode& host = *mapping.host;
  std::uint64_t pos = f.index << PAGE_SHIFT;
  const std::uint64_t size = f.pages() << PAGE_SHIFT;
  std::uint64_t end_pos = pos + size;
  if (k.profile.writeback_by_folio) {
    k.trace<Event::iomap_writeback_folio>(host.i_sb->s_dev, host.i_ino, host.i_size, pos, size);
  } else {
    k.trace<Event::iomap_writepage>(host.i_sb->s_dev, host.i_ino, host.i_size, pos, size);
  }
  if (!handle_eof(k, f, host, &end_pos)) {
    folio_unlock(k, f);
    co_return 0;
  }
  // A folio that was written whole has no state of its blocks yet.
  if (!f.ifs) iomap_set_range_dirty(f, 0, end_pos - pos);
  co_await start_writeback(k, f, mapping);
  const std::uint64_t end_aligned = (end_pos + PAGE_SIZE - 1) & PAGE_MASK;
  std::int64_t error = 0;
  while (!error) {
    const std::uint64_t length = iomap_find_dirty_range(f, &pos, end_aligned);
    if (length == 0) break;
    error = co_await writepage_map_blocks(k, wpc, f, pos, end_pos, length);
    if (error) co_await wpc.ops->discard_folio(k, f, pos);
    pos += length;
  }
  if (error && !k.profile.discard_keeps_page) {
    f.uptodate = false;
    if (f.ifs) f.ifs->uptodate.assign(f.pages(), false);
  }
  if (error) mapping_set_error(mapping, error);
  iomap_clear_range_dirty(f);
  folio_unlock(k, f);
  folio_end_writeback(k, f);
  co_return error;
}

}  // namespace

Path<std::int64_t> iomap_writepages(Kernel& k, address_space& mapping, const writeback_control& wbc,
                                    const iomap_writeback_ops& ops, WbSync sync) {
  const bool waits = sync == WbSync::all;
  iomap_writepage_ctx wpc;
  wpc.ops = &ops;
  std::uint64_t index = wbc.range_start >> PAGE_SHIFT;
  const std::uint64_t last = wbc.range_end >> PAGE_SHIFT;
  if (waits) co_await tag_pages_for_writeback(k, mapping, index, last);
  std::int64_t error = 0;
  while (folio* const f = waits ? next_tagged_folio(k, mapping, &index, last)
                                : next_folio(k, mapping, &index, last)) {
    if (!waits && !f->dirty) continue;
    folio_get(*f);
    co_await folio_lock(k, *f);
    bool wanted = waits || !folio_test_writeback(k, *f);
    if (wanted) wanted = co_await folio_prepare_writeback(k, mapping, *f);
    if (wanted) {
      const std::int64_t failed = co_await iomap_writepage_map(k, wpc, *f);
      if (!error) error = failed;
    } else {
      folio_unlock(k, *f);
    }
    folio_put(k, *f);
  }
  co_await iomap_submit_ioend(k, wpc);
  co_return error;
}

}  // namespace faultline
