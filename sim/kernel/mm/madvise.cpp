// madvise(2): see the header. What changes a VMA holds mmap_lock for writing, the rest for reading;
// what only drops pages of one VMA needs no more than its lock in later kernels.
#include "kernel/mm/madvise.hpp"

#include <linux/falloc.h>
#include <sys/mman.h>

#include <cerrno>
#include <optional>

#include "kernel/fs/open.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/mm/khugepaged.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/shmem.hpp"
#include "kernel/mm/vma_merge.hpp"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace faultline {

namespace {

enum class Kind : std::uint8_t {
  invalid,
  flags,
  drop,
  free,
  populate,
  remove,
  willneed,
  reclaim,
  unmodelled
};

Kind kind_of(const Kernel& k, std::uint64_t advice) {
  switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_DONTFORK:
    case MADV_DOFORK:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:
      return Kind::flags;
    case MADV_DONTNEED:
    case MADV_DONTNEED_LOCKED:
      return Kind::drop;
    case MADV_FREE:
      return Kind::free;
    case MADV_POPULATE_READ:
    case MADV_POPULATE_WRITE:
      return Kind::populate;
    case MADV_COLD:
    case MADV_PAGEOUT:
      return Kind::reclaim;
    case MADV_WILLNEED:
      return Kind::willneed;
    case MADV_REMOVE:
      return Kind::remove;
    case MADV_MERGEABLE:
    case MADV_UNMERGEABLE:
      return k.profile.ksm ? Kind::flags : Kind::invalid;
    case MADV_COLLAPSE:
      return Kind::unmodelled;
    default:
      return Kind::invalid;
  }
}

// vma_ksm_compatible(): of other mappings the advice is heeded by doing nothing.
bool can_merge_pages(const vm_area_struct& vma) {
  const bool dax = vma.vm_file && vma.vm_file->f_inode->dax;
  constexpr vm_flags_t never =
      VM_SHARED | VM_MAYSHARE | VM_SPECIAL | VM_HUGETLB | VM_DROPPABLE | VM_MERGEABLE;
  return !dax && !(vma.vm_flags & never);
}

// The flags that the advice gives a VMA, or a negative errno.
std::int64_t advised_flags(const vm_area_struct& vma, std::uint64_t advice) {
  const vm_flags_t f = vma.vm_flags;
  const auto as_result = [](vm_flags_t flags) { return static_cast<std::int64_t>(flags); };
  switch (advice) {
    case MADV_NORMAL:
      return as_result(f & ~(VM_RAND_READ | VM_SEQ_READ));
    case MADV_RANDOM:
      return as_result((f & ~VM_SEQ_READ) | VM_RAND_READ);
    case MADV_SEQUENTIAL:
      return as_result((f & ~VM_RAND_READ) | VM_SEQ_READ);
    case MADV_DONTFORK:
      return as_result(f | VM_DONTCOPY);
    case MADV_DOFORK:
      return f & VM_IO ? -EINVAL : as_result(f & ~VM_DONTCOPY);
    case MADV_HUGEPAGE:
      return as_result((f & ~VM_NOHUGEPAGE) | VM_HUGEPAGE);
    case MADV_NOHUGEPAGE:
      return as_result((f & ~VM_HUGEPAGE) | VM_NOHUGEPAGE);
    case MADV_DONTDUMP:
      return as_result(f | VM_DONTDUMP);
    case MADV_DODUMP:
      return f & (VM_SPECIAL | VM_DROPPABLE) ? -EINVAL : as_result(f & ~VM_DONTDUMP);
    case MADV_MERGEABLE:
      return as_result(can_merge_pages(vma) ? f | VM_MERGEABLE : f);
    case MADV_UNMERGEABLE:
      return as_result(f & ~VM_MERGEABLE);
    case MADV_WIPEONFORK:
      return vma.vm_file || (f & VM_SHARED) ? -EINVAL : as_result(f | VM_WIPEONFORK);
    default:  // MADV_KEEPONFORK
      return f & VM_DROPPABLE ? -EINVAL : as_result(f & ~VM_WIPEONFORK);
  }
}

}  // namespace

static Path<std::int64_t> madvise_dontneed_free(Kernel& k, mmu_gather& tlb, vm_area_struct& vma,
                                                Vaddr start, Vaddr end, std::uint64_t advice) {
  vm_flags_t forbidden = VM_PFNMAP;
  if (advice != MADV_DONTNEED_LOCKED) forbidden |= VM_LOCKED;
  if (vma.vm_flags & forbidden) co_return -EINVAL;
  std::int64_t error = 0;
  if (advice == MADV_FREE) {
    error = co_await madvise_free_single_vma(k, tlb, vma, start, end);
  } else if (k.profile.madvise_vma_lock) {
    co_await unmap_page_range(k, tlb, vma, start, end);
  } else {
    co_await zap_page_range_single(k, vma, start, end);
  }
  co_return error;
}

// Punches the hole in the file. Its locks are outside mmap_lock, which is given up meanwhile.
static Path<std::int64_t> madvise_remove(Kernel& k, vm_area_struct& vma, Vaddr start, Vaddr end) {
  if (vma.vm_flags & VM_LOCKED) co_return -EINVAL;
  file* const f = vma.vm_file;
  if (!f) co_return -EINVAL;
  constexpr vm_flags_t shared_maywrite = VM_SHARED | VM_MAYWRITE;
  if ((vma.vm_flags & shared_maywrite) != shared_maywrite) co_return -EACCES;
  mm_struct& mm = *vma.vm_mm;
  const std::uint64_t offset = linear_page_index(vma, start).v << PAGE_SHIFT;
  ++f->f_count;
  mmap_read_unlock(k, mm);
  const std::int64_t error = co_await vfs_fallocate(
      k, *f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<std::int64_t>(offset),
      static_cast<std::int64_t>(end - start));
  fput(k, *f);
  co_await mmap_read_lock(k, mm);
  co_return error;
}

// Pages of a file may be read ahead, with mmap_lock given up; a DAX file and memory have none.
static Path<std::int64_t> madvise_willneed(Kernel& k, vm_area_struct& vma, Vaddr start, Vaddr end) {
  file* const f = vma.vm_file;
  if (!f || f->f_inode->dax || f->f_op == &shmem_file_operations) co_return 0;
  mm_struct& mm = *vma.vm_mm;
  const std::uint64_t offset = linear_page_index(vma, start).v << PAGE_SHIFT;
  ++f->f_count;
  mmap_read_unlock(k, mm);
  if (f->f_inode->xfs && f->f_inode->i_data.a_ops) {
    co_await xfs::xfs_file_fadvise_willneed(k, *f, offset, end - start);
  }
  fput(k, *f);
  co_await mmap_read_lock(k, mm);
  co_return 0;
}

// One VMA. Where the next one is to be looked for, in `next`.
static Path<std::int64_t> madvise_update_vma(Kernel& k, vm_area_struct& vma, Vaddr start, Vaddr end,
                                             std::uint64_t advice, Vaddr* next) {
  const std::int64_t wanted = advised_flags(vma, advice);
  if (wanted < 0) co_return wanted;
  const auto flags = static_cast<vm_flags_t>(wanted);
  if (advice == MADV_HUGEPAGE) khugepaged_enter_vma(k, vma, flags);
  if (advice == MADV_MERGEABLE && flags != vma.vm_flags) ksm_enter(k, *vma.vm_mm);
  if (flags == vma.vm_flags) co_return 0;
  vm_area_struct* changed = nullptr;
  const std::int64_t error = co_await vma_modify_flags(k, vma, start, end, flags, &changed);
  if (error) co_return error == -ENOMEM ? -EAGAIN : error;
  co_await vma_start_write(k, *changed);
  changed->vm_flags = flags;
  if (*next < changed->vm_end) *next = changed->vm_end;
  co_return 0;
}

static Path<std::int64_t> madvise_vma_behavior(Kernel& k, mmu_gather& tlb, vm_area_struct& vma,
                                               Vaddr start, Vaddr end, std::uint64_t advice,
                                               Vaddr* next) {
  *next = end;
  std::int64_t error = 0;
  switch (kind_of(k, advice)) {
    case Kind::drop:
    case Kind::free:
      error = co_await madvise_dontneed_free(k, tlb, vma, start, end, advice);
      break;
    case Kind::remove:
      error = co_await madvise_remove(k, vma, start, end);
      break;
    case Kind::willneed:
      error = co_await madvise_willneed(k, vma, start, end);
      break;
    case Kind::reclaim:  // of what can be reclaimed at all
      error = vma.vm_flags & (VM_LOCKED | VM_PFNMAP | VM_HUGETLB) ? -EINVAL : 0;
      break;
    case Kind::flags:
      error = co_await madvise_update_vma(k, vma, start, end, advice, next);
      break;
    case Kind::invalid:
    case Kind::populate:
    case Kind::unmodelled:
      break;
  }
  co_return error;
}

// Holes are passed over, and told at the end.
static Path<std::int64_t> madvise_walk_vmas(Kernel& k, mmu_gather& tlb, mm_struct& mm, Vaddr start,
                                            Vaddr end, std::uint64_t advice) {
  std::int64_t holes = 0;
  while (start < end) {
    vm_area_struct* const vma = find_vma(mm, start);
    if (!vma) co_return -ENOMEM;
    if (start < vma->vm_start) {
      holes = -ENOMEM;
      start = vma->vm_start;
      if (start >= end) break;
    }
    const Vaddr stop = vma->vm_end < end ? vma->vm_end : end;
    const std::int64_t error =
        co_await madvise_vma_behavior(k, tlb, *vma, start, stop, advice, &start);
    if (error) co_return error;
  }
  co_return holes;
}

// The range lies in one VMA whose lock can be had. The result, or nothing: mmap_lock is needed.
static HelperPath<std::optional<std::int64_t>> madvise_one_vma(Kernel& k, mmu_gather& tlb,
                                                               mm_struct& mm, Vaddr start,
                                                               Vaddr end, std::uint64_t advice) {
  vm_area_struct* const vma = co_await lock_vma_under_rcu(k, mm, start);
  if (!vma) co_return std::nullopt;
  std::optional<std::int64_t> result;
  if (end <= vma->vm_end) {
    result = co_await madvise_dontneed_free(k, tlb, *vma, start, end, advice);
  }
  vma_end_read(*vma);
  co_return result;
}

static Path<std::int64_t> madvise_populate(Kernel& k, mm_struct& mm, Vaddr start, Vaddr end,
                                           bool write) {
  bool locked = true;
  std::int64_t result = 0;
  while (start < end && result == 0) {
    if (!locked) co_await mmap_read_lock(k, mm);
    locked = true;
    vm_area_struct* const vma = vma_lookup(mm, start);
    if (!vma) {
      result = -ENOMEM;
    } else if ((vma->vm_flags & (VM_IO | VM_PFNMAP)) ||
               !(vma->vm_flags & (write ? VM_WRITE : VM_READ))) {
      result = -EINVAL;
    } else {
      const Vaddr stop = vma->vm_end < end ? vma->vm_end : end;
      result = co_await faultin_page_range(k, *vma, &start, stop, write, &locked);
    }
  }
  if (!locked) co_await mmap_read_lock(k, mm);
  co_return result;
}

static std::optional<std::int64_t> check_arguments(const Kernel& k, std::uint64_t start,
                                                   std::uint64_t len_in, std::uint64_t advice) {
  if (kind_of(k, advice) == Kind::invalid) return -EINVAL;
  if (start & ~PAGE_MASK) return -EINVAL;
  const std::uint64_t len = (len_in + PAGE_SIZE - 1) & PAGE_MASK;
  if (len_in != 0 && len == 0) return -EINVAL;
  if (start + len < start) return -EINVAL;
  if (len == 0) return 0;
  return std::nullopt;
}

// What does not change VMAs, under mmap_lock for reading or less.
static HelperPath<std::int64_t> madvise_reading(Kernel& k, mm_struct& mm, Vaddr start, Vaddr end,
                                                std::uint64_t advice) {
  const Kind kind = kind_of(k, advice);
  mmu_gather tlb;
  const bool one_vma = k.profile.madvise_vma_lock && (kind == Kind::drop || kind == Kind::free);
  if (one_vma) {
    const auto done = co_await madvise_one_vma(k, tlb, mm, start, end, advice);
    if (done) {
      co_await tlb_finish_mmu(k, mm, tlb);
      co_return *done;
    }
  }
  co_await mmap_read_lock(k, mm);
  std::int64_t result = 0;
  if (kind == Kind::populate) {
    result = co_await madvise_populate(k, mm, start, end, advice == MADV_POPULATE_WRITE);
  } else {
    result = co_await madvise_walk_vmas(k, tlb, mm, start, end, advice);
  }
  if (one_vma) co_await tlb_finish_mmu(k, mm, tlb);
  mmap_read_unlock(k, mm);
  co_return result;
}

Path<std::int64_t> do_madvise(Kernel& k, std::uint64_t start, std::uint64_t len_in,
                              std::uint64_t advice) {
  if (const auto done = check_arguments(k, start, len_in, advice)) co_return *done;
  const Kind kind = kind_of(k, advice);
  if (kind == Kind::unmodelled) {
    k.unmodelled("this advice to madvise; it is refused");
    co_return -EINVAL;
  }
  const Vaddr from(start);
  const Vaddr end(start + ((len_in + PAGE_SIZE - 1) & PAGE_MASK));
  mm_struct& mm = *k.current().mm;
  if (kind != Kind::flags) {
    const std::int64_t result = co_await madvise_reading(k, mm, from, end, advice);
    co_return result;
  }
  bool taken = false;
  co_await mmap_write_lock(k, mm, &taken);
  if (!taken) co_return -EINTR;
  mmu_gather tlb;
  const std::int64_t result = co_await madvise_walk_vmas(k, tlb, mm, from, end, advice);
  mmap_write_unlock(k, mm);
  co_return result;
}

}  // namespace faultline
