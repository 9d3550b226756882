// iomap_readahead, iomap_read_folio and iomap_page_mkwrite. Linux 6.12 fs/iomap/buffered-io.c. The
// pages of one mapping are one request to the device; holes and unwritten blocks are zeroed without
// one.
#include "kernel/fs/iomap_buffered.hpp"

#include <algorithm>
#include <cerrno>

#include "kernel/fs/iomap_folio.hpp"
#include "kernel/fs/iomap_write.hpp"
#include "kernel/mm/filemap.hpp"

namespace faultline {

// The part of [pos, pos + length) that lies in `f`, from the device or zeroed.
static void fill_folio(Kernel& k, const folio& f, const iomap& map, std::uint64_t pos,
                       std::uint64_t length) {
  const std::uint64_t start = f.index << PAGE_SHIFT;
  const std::uint64_t from = std::max(start, pos);
  const std::uint64_t to = std::min(start + (f.pages() << PAGE_SHIFT), pos + length);
  if (from >= to) return;
  const std::uint64_t memory = (f.pfn.v << PAGE_SHIFT) + (from - start);
  if (map.type != IOMAP_MAPPED) {
    k.dram.zero(memory, to - from);
    return;
  }
  const BlockDevice& device = *f.mapping->host->i_sb->s_bdev;
  copy_content(k.dram, memory, device.content(), map.addr + (from - map.offset), to - from);
}

// Submits the reads of folios that follow each other.
static HelperPath<void> read_folios(Kernel& k, inode& host, const std::vector<folio*>& folios,
                                    const iomap_ops& ops, const char* caller) {
  const folio& last = *folios.back();
  iomap_iter iter;
  iter.host = &host;
  iter.pos = folios.front()->index << PAGE_SHIFT;
  iter.len = ((last.index + last.pages()) << PAGE_SHIFT) - iter.pos;
  for (folio* const f : folios) ifs_alloc(*f);
  std::vector<Nanos> done(folios.size());
  for (;;) {
    const std::int64_t more = co_await iomap_iter_next(k, iter, ops, caller);
    if (more <= 0) break;
    const std::uint64_t end = std::min(iter.pos + iter.len, iter.map.offset + iter.map.length);
    const std::uint64_t length = end - iter.pos;
    Nanos complete{};
    if (iter.map.type == IOMAP_MAPPED) {
      BlockDevice& device = *host.i_sb->s_bdev;
      complete = device.submit(k.now(), length);
      if (device.synchronous()) co_await k.engine.spend(complete - k.now());
    }
    for (std::size_t i = 0; i < folios.size(); ++i) {
      const std::uint64_t start = folios[i]->index << PAGE_SHIFT;
      const bool meets = start < end && iter.pos < start + (folios[i]->pages() << PAGE_SHIFT);
      if (!meets) continue;
      fill_folio(k, *folios[i], iter.map, iter.pos, length);
      done[i] = std::max(done[i], complete);
    }
    iter.processed = static_cast<std::int64_t>(length);
  }
  for (std::size_t i = 0; i < folios.size(); ++i) folio_start_read(k, *folios[i], done[i]);
}

Path<void> iomap_readahead(Kernel& k, address_space& mapping, std::vector<folio*>& folios,
                           const iomap_ops& ops) {
  inode& host = *mapping.host;
  std::uint64_t pages = 0;
  for (const folio* const f : folios) pages += f->pages();
  k.trace<Event::iomap_readahead>(host.i_sb->s_dev, host.i_ino, pages);
  co_await read_folios(k, host, folios, ops, "iomap_readahead");
}

Path<void> iomap_read_folio(Kernel& k, folio& f, const iomap_ops& ops) {
  inode& host = *f.mapping->host;
  k.trace<Event::iomap_readpage>(host.i_sb->s_dev, host.i_ino, 1);
  const std::vector<folio*> one{&f};
  co_await read_folios(k, host, one, ops, "iomap_read_folio");
}

// Bytes of the folio that are inside the file; -EFAULT if it was truncated away.
static std::int64_t folio_mkwrite_check_truncate(const folio& f, const inode& host) {
  const std::uint64_t pos = f.index << PAGE_SHIFT;
  if (!f.mapping || pos >= host.i_size) return -EFAULT;
  return static_cast<std::int64_t>(std::min(f.pages() << PAGE_SHIFT, host.i_size - pos));
}

static vm_fault_t vmf_fs_error(std::int64_t error) {
  if (error == 0) return VM_FAULT_LOCKED;
  if (error == -EFAULT || error == -EAGAIN) return VM_FAULT_NOPAGE;
  if (error == -ENOMEM) return VM_FAULT_OOM;
  return VM_FAULT_SIGBUS;
}

Path<vm_fault_t> iomap_page_mkwrite(Kernel& k, vm_fault& vmf, const iomap_ops& ops) {
  folio& f = *vmf.folio;
  inode& host = *vmf.vma->vm_file->f_inode;
  co_await folio_lock(k, f);
  std::int64_t ret = folio_mkwrite_check_truncate(f, host);
  if (ret >= 0) {
    iomap_iter iter;
    iter.host = &host;
    iter.pos = f.index << PAGE_SHIFT;
    iter.len = static_cast<std::uint64_t>(ret);
    iter.flags = IOMAP_WRITE | IOMAP_FAULT;
    for (;;) {
      ret = co_await iomap_iter_next(k, iter, ops, "iomap_page_mkwrite");
      if (ret <= 0) break;
      co_await folio_mark_dirty(k, f);
      iter.processed = static_cast<std::int64_t>(iomap_length(iter));
    }
  }
  if (ret < 0) folio_unlock(k, f);
  co_return vmf_fs_error(ret);
}

}  // namespace faultline
