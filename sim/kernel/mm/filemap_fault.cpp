// A fault that fault-around did not serve: the folio is found or read in. Linux 6.12 mm/filemap.c
// filemap_fault. I/O is waited for with the fault's lock released; the access is then tried again.
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/readahead.hpp"

namespace faultline {

static void release_fault_lock(Kernel& k, const vm_fault& vmf) {
  if (vmf.flags & FAULT_FLAG_VMA_LOCK) {
    vma_end_read(*vmf.vma);
  } else {
    mmap_read_unlock(k, *vmf.vma->vm_mm);
  }
}

bool maybe_unlock_mmap_for_io(Kernel& k, const vm_fault& vmf) {
  constexpr std::uint32_t deciding =
      FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_TRIED | FAULT_FLAG_RETRY_NOWAIT;
  if ((vmf.flags & deciding) != FAULT_FLAG_ALLOW_RETRY) return false;
  release_fault_lock(k, vmf);
  return true;
}

// What a fault has given up and taken on its way; `dropped` is the kernel's fpin.
namespace {
struct FaultIo {
  bool dropped = false;
  bool mapping_locked = false;
};
}  // namespace

// do_sync_mmap_readahead(): the page is missing.
static Path<void> sync_mmap_readahead(Kernel& k, vm_fault& vmf, file& f, FaultIo& io) {
  constexpr std::uint64_t MMAP_LOTSAMISS = 100;
  file_ra_state& ra = f.f_ra;
  if (vmf.vma->vm_flags & VM_RAND_READ) co_return;
  if (vmf.vma->vm_flags & VM_SEQ_READ) {
    io.dropped = maybe_unlock_mmap_for_io(k, vmf) || io.dropped;
    co_await page_cache_sync_ra(k, f.f_inode->i_data, ra, vmf.pgoff.v, ra.ra_pages);
    co_return;
  }
  if (ra.mmap_miss < MMAP_LOTSAMISS * 10) ++ra.mmap_miss;
  if (ra.mmap_miss > MMAP_LOTSAMISS) co_return;  // reading around has not helped so far
  io.dropped = maybe_unlock_mmap_for_io(k, vmf) || io.dropped;
  ra.start = vmf.pgoff.v > ra.ra_pages / 2 ? vmf.pgoff.v - ra.ra_pages / 2 : 0;
  ra.size = ra.ra_pages;
  ra.async_size = ra.ra_pages / 4;
  co_await page_cache_ra_order(k, f.f_inode->i_data, ra, ra.start, 0);
}

// do_async_mmap_readahead(): the page is there; if it is the marked one, the next window is read.
static Path<void> async_mmap_readahead(Kernel& k, vm_fault& vmf, file& f, folio& found,
                                       FaultIo& io) {
  file_ra_state& ra = f.f_ra;
  if (vmf.vma->vm_flags & VM_RAND_READ) co_return;
  if (ra.mmap_miss != 0) --ra.mmap_miss;
  if (!found.readahead) co_return;
  io.dropped = maybe_unlock_mmap_for_io(k, vmf) || io.dropped;
  co_await page_cache_async_ra(k, f.f_inode->i_data, ra, found, vmf.pgoff.v, ra.ra_pages);
}

// lock_folio_maybe_drop_mmap(): false if a signal ended the wait; then the fault's lock is released
// even of a fault that would not have given it up to wait.
static Path<bool> lock_folio_maybe_drop_mmap(Kernel& k, vm_fault& vmf, folio& f, FaultIo& io) {
  if (folio_trylock(k, f)) co_return true;
  if (vmf.flags & FAULT_FLAG_RETRY_NOWAIT) co_return false;
  const bool now = !io.dropped && maybe_unlock_mmap_for_io(k, vmf);
  io.dropped = io.dropped || now;
  const bool taken = co_await folio_lock(k, f, (vmf.flags & FAULT_FLAG_KILLABLE) != 0);
  if (!taken && !io.dropped) {
    release_fault_lock(k, vmf);
    io.dropped = true;
  }
  co_return taken;
}

// The locked, up-to-date folio of the fault in vmf.folio; null if the fault has to be retried.
static HelperPath<bool> find_and_lock(Kernel& k, vm_fault& vmf, FaultIo& io, vm_fault_t* ret) {
  file& f = *vmf.vma->vm_file;
  address_space& mapping = f.f_inode->i_data;
  const std::uint64_t index = vmf.pgoff.v;
  folio* found = filemap_get_folio(k, mapping, index);
  if (found) {
    if (!(vmf.flags & FAULT_FLAG_TRIED)) {
      co_await async_mmap_readahead(k, vmf, f, *found, io);
    }
  } else {
    *ret |= VM_FAULT_MAJOR;
    co_await sync_mmap_readahead(k, vmf, f, io);
  }
  for (;;) {
    found = filemap_get_folio(k, mapping, index);
    if (found) {
      folio_get(*found);
      folio_test_locked(k, *found);  // notices a read that is complete
    }
    const bool needs_lock = !found || !found->uptodate;
    const bool locks = k.profile.filemap_fault_locks && !io.mapping_locked;
    if ((needs_lock || bool(*ret & VM_FAULT_MAJOR)) && locks) {
      co_await down_read(mapping.invalidate_lock);
      io.mapping_locked = true;
    }
    if (!found) {
      const bool added = co_await filemap_make_folio(k, mapping, index);
      if (!added) co_return false;
      continue;
    }
    const bool locked = co_await lock_folio_maybe_drop_mmap(k, vmf, *found, io);
    if (locked && found->mapping == &mapping && found->uptodate) break;
    // Truncated meanwhile, or not to be read without invalidate_lock.
    const bool again = locked && (found->mapping != &mapping || !io.mapping_locked);
    if (locked && !again) {
      // page_not_uptodate: nobody has asked for it yet
      io.dropped = (!io.dropped && maybe_unlock_mmap_for_io(k, vmf)) || io.dropped;
      co_await read_locked_folio(k, *found);
      break;
    }
    if (locked) folio_unlock(k, *found);
    folio_put(k, *found);
    if (!again) co_return false;
  }
  folio_put(k, *found);  // while it is locked it stays
  vmf.folio = found;
  co_return true;
}

Path<vm_fault_t> filemap_fault(Kernel& k, vm_fault& vmf) {
  inode& host = *vmf.vma->vm_file->f_inode;
  address_space& mapping = host.i_data;
  const auto beyond_end = [&] {
    return vmf.pgoff.v >= (host.i_size + PAGE_SIZE - 1) >> PAGE_SHIFT;
  };
  if (beyond_end()) co_return VM_FAULT_SIGBUS;
  k.trace<Event::mm_filemap_fault>(host.i_sb->s_dev, host.i_ino, vmf.pgoff.v << PAGE_SHIFT);
  FaultIo io;
  vm_fault_t ret;
  const bool found = co_await find_and_lock(k, vmf, io, &ret);
  if (found && io.dropped) folio_unlock(k, *vmf.folio);
  if (io.mapping_locked) up_read(mapping.invalidate_lock);
  if (!found || io.dropped) {
    vmf.folio = nullptr;
    if (!io.dropped && !(vmf.flags & FAULT_FLAG_RETRY_NOWAIT)) co_return ret | VM_FAULT_OOM;
    co_return ret | VM_FAULT_RETRY;
  }
  // The size is looked at again under the folio's lock, which truncation takes after it has
  // changed.
  if (beyond_end()) {
    folio_unlock(k, *vmf.folio);
    vmf.folio = nullptr;
    co_return VM_FAULT_SIGBUS;
  }
  co_return ret | VM_FAULT_LOCKED;
}

}  // namespace faultline
