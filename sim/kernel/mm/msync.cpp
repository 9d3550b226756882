// msync(2). Linux 6.12 mm/msync.c: one fsync of the range per shared VMA, with mmap_lock dropped
// around it. MS_ASYNC does nothing but look.
#include "kernel/mm/msync.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "kernel/fs/open.hpp"
#include "kernel/fs/sync.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

// The walk, with mmap_lock held for reading at its begin and dropped at its end.
static HelperPath<std::int64_t> msync_walk(Kernel& k, mm_struct& mm, Vaddr start, Vaddr end,
                                           std::uint64_t flags) {
  std::int64_t unmapped_error = 0;
  std::int64_t error = -ENOMEM;
  for (vm_area_struct* vma = find_vma(mm, start); vma;) {
    if (start < vma->vm_start) {
      if (flags == MS_ASYNC) break;
      start = vma->vm_start;
      if (start >= end) break;
      unmapped_error = -ENOMEM;
    }
    if ((flags & MS_INVALIDATE) && (vma->vm_flags & VM_LOCKED)) {
      error = -EBUSY;
      break;
    }
    file* const file = vma->vm_file;
    const Vaddr stop = std::min(end, vma->vm_end);
    const std::uint64_t from = (start - vma->vm_start) + (vma->vm_pgoff.v << PAGE_SHIFT);
    const std::uint64_t to = from + (stop - start) - 1;
    const bool write_back = (flags & MS_SYNC) && file && (vma->vm_flags & VM_SHARED);
    start = vma->vm_end;
    if (write_back) {
      ++file->f_count;
      mmap_read_unlock(k, mm);
      error = co_await vfs_fsync_range(k, *file, from, to, true);
      fput(k, *file);
      if (error || start >= end) co_return error ? error : unmapped_error;
      error = -ENOMEM;
      co_await mmap_read_lock(k, mm);
      vma = find_vma(mm, start);
      continue;
    }
    if (start >= end) {
      error = 0;
      break;
    }
    vma = find_vma(mm, vma->vm_end);
  }
  mmap_read_unlock(k, mm);
  co_return error ? error : unmapped_error;
}

Path<std::int64_t> ksys_msync(Kernel& k, std::uint64_t start, std::uint64_t len,
                              std::uint64_t flags) {
  co_await k.engine.spend(k.costs.vfs_op);
  if (flags & ~std::uint64_t{MS_ASYNC | MS_INVALIDATE | MS_SYNC}) co_return -EINVAL;
  if (start & ~PAGE_MASK) co_return -EINVAL;
  if ((flags & MS_ASYNC) && (flags & MS_SYNC)) co_return -EINVAL;
  const std::uint64_t end = start + ((len + PAGE_SIZE - 1) & PAGE_MASK);
  if (end < start) co_return -ENOMEM;
  if (end == start) co_return 0;
  mm_struct& mm = *k.current().mm;
  co_await mmap_read_lock(k, mm);
  const std::int64_t result = co_await msync_walk(k, mm, Vaddr(start), Vaddr(end), flags);
  co_return result;
}

}  // namespace faultline
