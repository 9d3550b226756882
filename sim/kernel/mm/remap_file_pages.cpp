// remap_file_pages(2), which since 4.0 is an mmap of another part of the same file over the range.
// Linux 6.12 mm/mmap.c. What the mapping was made with besides file and rights is forgotten: where
// it was one of MAP_DIRECT it is a plain one afterwards.
#include <sys/mman.h>

#include <cerrno>

#include "kernel/fs/open.hpp"
#include "kernel/mm/check_direct.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap.hpp"
#include "kernel/mm/mmap_lock.hpp"

namespace faultline {

// The range must be one file's, mapped without a gap and with the same flags.
static vm_area_struct* find_range(const mm_struct& mm, Vaddr start, Vaddr end) {
  vm_area_struct* const first = find_vma(mm, start);
  if (!first || start < first->vm_start || !(first->vm_flags & VM_SHARED)) return nullptr;
  for (const vm_area_struct* vma = first; vma->vm_end < end;) {
    const vm_area_struct* const next = find_vma(mm, vma->vm_end);
    const bool goes_on = next && next->vm_start == vma->vm_end && next->vm_file == first->vm_file &&
                         next->vm_flags == first->vm_flags;
    if (!goes_on) return nullptr;
    vma = next;
  }
  return first;
}

Path<std::int64_t> ksys_remap_file_pages(Kernel& k, std::uint64_t start, std::uint64_t size,
                                         std::uint64_t prot, std::uint64_t pgoff,
                                         std::uint64_t flags) {
  start &= PAGE_MASK;
  size &= PAGE_MASK;
  if (prot != 0 || start + size <= start) co_return -EINVAL;
  if (pgoff + (size >> PAGE_SHIFT) < pgoff) co_return -EINVAL;
  mm_struct& mm = *k.current().mm;
  bool taken = false;
  co_await mmap_write_lock(k, mm, &taken);
  if (!taken) co_return -EINTR;
  k.engine.charge(k.costs.vma_lookup);
  const vm_area_struct* const vma = find_range(mm, Vaddr(start), Vaddr(start + size));
  std::int64_t result = -EINVAL;
  std::uint64_t populate = 0;
  file* const mapped = vma ? vma->vm_file : nullptr;
  if (mapped) {
    if (vma->vm_flags & VM_READ) prot |= PROT_READ;
    if (vma->vm_flags & VM_WRITE) prot |= PROT_WRITE;
    if (vma->vm_flags & VM_EXEC) prot |= PROT_EXEC;
    flags = (flags & MAP_NONBLOCK) | MAP_SHARED | MAP_FIXED | MAP_POPULATE;
    if (vma->vm_flags & VM_LOCKED) flags |= MAP_LOCKED;
    ++mapped->f_count;
    const bool direct = maps_direct(mm, Vaddr(start), size);
    result = co_await do_mmap_locked(k, mapped, start, size, prot, flags, pgoff, &populate);
    check_direct_kept(k, mm, Vaddr(start), direct, "remap_file_pages");
    fput(k, *mapped);
  }
  mmap_write_unlock(k, mm);
  if (populate) co_await mm_populate(k, Vaddr(start), populate);
  co_return result<0 && result> - 4096 ? result : 0;
}

}  // namespace faultline
