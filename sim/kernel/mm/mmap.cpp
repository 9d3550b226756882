// The system calls mmap and munmap: every check of do_mmap in its order, then mmap_region.
// Linux 6.12 mm/mmap.c, mm/util.c (vm_mmap_pgoff). Left out: pkeys, READ_IMPLIES_EXEC, sealed
// memfds, security modules other than the built-in capability checks.
#include "kernel/mm/mmap.hpp"

#include <linux/mman.h>

#include <cerrno>

#include "kernel/fs/hugetlbfs.hpp"
#include "kernel/fs/open.hpp"
#include "kernel/mm/check_direct.hpp"
#include "kernel/mm/get_unmapped_area.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_4_13.hpp"
#include "kernel/mm/mmap_action.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/vm_account.hpp"
#include "kernel/mm/vma.hpp"

#ifndef MAP_SYNC
#define MAP_SYNC 0x080000
#endif

namespace faultline {

namespace {

// Flags that mmap has always taken silently. include/linux/mman.h LEGACY_MAP_MASK.
constexpr std::uint64_t legacy_map_mask =
    MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE |
    0x4000000 /* MAP_UNINITIALIZED */ | MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE |
    MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | 0x40 /* MAP_32BIT */ | (21u << 26) | (30u << 26);

constexpr std::uint64_t page_align(std::uint64_t n) { return (n + PAGE_SIZE - 1) & PAGE_MASK; }

// `direct`: the bit of MAP_SYNC is MAP_DIRECT.
vm_flags_t calc_vm_flags(std::uint64_t prot, std::uint64_t flags, bool direct) {
  vm_flags_t vm = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
  if (prot & PROT_READ) vm |= VM_READ;
  if (prot & PROT_WRITE) vm |= VM_WRITE;
  if (prot & PROT_EXEC) vm |= VM_EXEC;
  if (flags & MAP_GROWSDOWN) vm |= VM_GROWSDOWN;
  if (flags & MAP_LOCKED) vm |= VM_LOCKED;
  if ((flags & MAP_SYNC) && !direct) vm |= VM_SYNC;
  if (flags & MAP_STACK) vm |= VM_NOHUGEPAGE;
  return vm;
}

// How far the offsets of a mapping may reach; 0: any that do not wrap.
std::uint64_t file_mmap_size_max(const file& f) {
  if (f.f_inode->type == InodeType::regular) return 0x7fffffffffffffff;  // MAX_LFS_FILESIZE
  return f.f_op->fop_flags & FOP_UNSIGNED_OFFSET ? 0 : ~0ULL;
}

bool file_mmap_ok(const file& f, std::uint64_t pgoff, std::uint64_t len) {
  const std::uint64_t max = file_mmap_size_max(f);
  if (max != 0 && len > max) return false;
  return pgoff <= (max - len) >> PAGE_SHIFT;
}

int check_shared_file(const file& f, std::uint64_t prot, vm_flags_t& vm) {
  if ((prot & PROT_WRITE) && !(f.f_mode & FMODE_WRITE)) return -EACCES;
  if (f.f_inode->append && (f.f_mode & FMODE_WRITE)) return -EACCES;
  vm |= VM_SHARED | VM_MAYSHARE;
  if (!(f.f_mode & FMODE_WRITE)) vm &= ~(VM_MAYWRITE | VM_SHARED);
  return 0;
}

// MAP_DIRECT on this kernel: only where the file is asked for it, by who may.
int check_direct(Kernel& k, const file& f, std::uint64_t prot, std::uint64_t flags,
                 vm_flags_t& vm) {
  if (k.profile.map_bit != MapBit::direct || !(flags & MAP_DIRECT)) return 0;
  if (!(prot & PROT_WRITE)) return -EACCES;
  if (!f.f_map_direct && !capable(k.current(), CAP_LINUX_IMMUTABLE)) return -EACCES;
  vm |= VM_DIRECT;
  return 0;
}

int check_file(Kernel& k, const file& f, std::uint64_t len, std::uint64_t prot, std::uint64_t flags,
               std::uint64_t pgoff, vm_flags_t& vm) {
  if (!file_mmap_ok(f, pgoff, len)) return -EOVERFLOW;
  const std::uint64_t sync = f.f_op->fop_flags & FOP_MMAP_SYNC ? MAP_SYNC : 0;
  const std::uint64_t allowed = legacy_map_mask | sync;
  switch (flags & MAP_TYPE) {
    case MAP_SHARED:
      // Unknown bits are dropped here, but VM_SYNC is in the VMA's flags already and stays.
      flags &= legacy_map_mask;
      [[fallthrough]];
    case MAP_SHARED_VALIDATE:
      if (flags & ~allowed & ~std::uint64_t{MAP_TYPE}) return -EOPNOTSUPP;
      if (const int error = check_shared_file(f, prot, vm)) return error;
      if (const int error = check_direct(k, f, prot, flags, vm)) return error;
      [[fallthrough]];
    case MAP_PRIVATE:
      if (!(f.f_mode & FMODE_READ)) return -EACCES;
      if (f.f_inode->noexec) {
        if (vm & VM_EXEC) return -EPERM;
        vm &= ~VM_MAYEXEC;
      }
      if (!can_mmap_file(k, f)) return -ENODEV;
      if (vm & VM_GROWSDOWN) return -EINVAL;
      return 0;
    default:
      return -EINVAL;
  }
}

int check_anonymous(std::uint64_t flags, Vaddr addr, std::uint64_t& pgoff, vm_flags_t& vm) {
  constexpr std::uint64_t map_droppable = 0x08;
  switch (flags & MAP_TYPE) {
    case MAP_SHARED:
      if (vm & VM_GROWSDOWN) return -EINVAL;
      pgoff = 0;
      vm |= VM_SHARED | VM_MAYSHARE;
      return 0;
    case map_droppable:
      if (flags & (MAP_LOCKED | MAP_HUGETLB)) return -EINVAL;
      if (vm & VM_GROWSDOWN) return -EINVAL;
      vm |= VM_DROPPABLE | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP;
      [[fallthrough]];
    case MAP_PRIVATE:
      pgoff = addr.v >> PAGE_SHIFT;
      return 0;
    default:
      return -EINVAL;
  }
}

int check_mlock(Kernel& k, const mm_struct& mm, std::uint64_t flags, vm_flags_t vm,
                std::uint64_t len) {
  if ((flags & MAP_LOCKED) && !can_do_mlock(k)) return -EPERM;
  return mlock_future_ok(k, mm, vm, len) ? 0 : -EAGAIN;
}

}  // namespace

static Path<std::int64_t> do_mmap(Kernel& k, mm_struct& mm, file* file, std::uint64_t hint,
                                  std::uint64_t len, std::uint64_t prot, std::uint64_t flags,
                                  std::uint64_t pgoff, std::uint64_t* populate) {
  if (len == 0) co_return -EINVAL;
  if (flags & MAP_FIXED_NOREPLACE) flags |= MAP_FIXED;
  if (!(flags & MAP_FIXED)) {
    hint &= PAGE_MASK;
    if (hint != 0 && hint < k.profile.mmap_min_addr) hint = page_align(k.profile.mmap_min_addr);
  }
  len = page_align(len);
  if (len == 0) co_return -ENOMEM;
  if (pgoff + (len >> PAGE_SHIFT) < pgoff) co_return -EOVERFLOW;
  if (mm.map_count > k.profile.max_map_count) co_return -ENOMEM;
  vm_flags_t vm = calc_vm_flags(prot, flags, k.profile.map_bit == MapBit::direct);
  const std::int64_t where = get_unmapped_area(k, mm, file, hint, len, pgoff, flags);
  if (where < 0 && where > -4096) co_return where;
  const Vaddr addr(static_cast<std::uint64_t>(where));
  if ((flags & MAP_FIXED_NOREPLACE) && find_vma_intersection(mm, addr, addr + len)) {
    co_return -EEXIST;
  }
  if (const int error = check_mlock(k, mm, flags, vm, len)) co_return error;
  const int error = file ? check_file(k, *file, len, prot, flags, pgoff, vm)
                         : check_anonymous(flags, addr, pgoff, vm);
  if (error) co_return error;
  if (flags & MAP_NORESERVE) {
    const bool heeded = k.profile.overcommit != OvercommitMode::never;
    if (heeded || (file && is_file_hugepages(*file))) vm |= VM_NORESERVE;
  }
  const std::int64_t result = co_await mmap_region(k, mm, file, addr, len, vm, Pgoff(pgoff));
  const bool wanted = (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE;
  const bool made = result >= 0 || result <= -4096;
  if (made && (wanted || (vm & VM_LOCKED))) *populate = len;
  co_return result;
}

HelperPath<std::int64_t> do_mmap_locked(Kernel& k, file* file, std::uint64_t addr,
                                        std::uint64_t len, std::uint64_t prot, std::uint64_t flags,
                                        std::uint64_t pgoff, std::uint64_t* populate) {
  mm_struct& mm = *k.current().mm;
  if (k.profile.mmap_region == MmapRegion::unmaps_first) {
    const v4_13::MmapArguments args{addr, len, prot, flags, pgoff};
    const std::int64_t old = co_await v4_13::do_mmap(k, mm, file, args, populate);
    check_direct_made(k, mm, flags, old);
    co_return old;
  }
  const std::int64_t result =
      co_await do_mmap(k, mm, file, addr, len, prot, flags, pgoff, populate);
  check_direct_made(k, mm, flags, result);
  co_return result;
}

Path<std::int64_t> vm_mmap_pgoff(Kernel& k, file* file, std::uint64_t addr, std::uint64_t len,
                                 std::uint64_t prot, std::uint64_t flags, std::uint64_t pgoff) {
  mm_struct& mm = *k.current().mm;
  std::uint64_t populate = 0;
  bool taken = false;
  co_await mmap_write_lock(k, mm, &taken);
  if (!taken) co_return -EINTR;
  const std::int64_t result =
      co_await do_mmap_locked(k, file, addr, len, prot, flags, pgoff, &populate);
  mmap_write_unlock(k, mm);
  if (populate) {
    co_await mm_populate(k, Vaddr(static_cast<std::uint64_t>(result)), populate);
  }
  co_return result;
}

Path<std::int64_t> ksys_mmap_pgoff(Kernel& k, std::uint64_t addr, std::uint64_t len,
                                   std::uint64_t prot, std::uint64_t flags, std::int64_t fd,
                                   std::uint64_t offset) {
  if (offset & ~PAGE_MASK) co_return -EINVAL;
  file* file = nullptr;
  if (!(flags & MAP_ANONYMOUS)) {
    file = fget(k, fd);
    if (!file) co_return -EBADF;
    if (flags & MAP_HUGETLB) {  // no file of huge pages can be opened
      fput(k, *file);
      co_return -EINVAL;
    }
  } else if (flags & MAP_HUGETLB) {
    const std::uint64_t size = hugetlb_page_size(k, flags);
    if (size == 0) co_return -EINVAL;
    len = (len + size - 1) & ~(size - 1);
    file = &hugetlb_file_setup(k, size);
  }
  if (k.profile.mmap_region == MmapRegion::unmaps_first) {
    flags &= ~std::uint64_t{MAP_EXECUTABLE | MAP_DENYWRITE};  // only callers in the kernel may
  }
  const std::int64_t result =
      co_await vm_mmap_pgoff(k, file, addr, len, prot, flags, offset >> PAGE_SHIFT);
  if (file) fput(k, *file);
  co_return result;
}

Path<std::int64_t> vm_munmap(Kernel& k, std::uint64_t start, std::uint64_t len) {
  mm_struct& mm = *k.current().mm;
  bool taken = false;
  co_await mmap_write_lock(k, mm, &taken);
  if (!taken) co_return -EINTR;
  const bool downgrades = munmap_drops_lock(k.profile);
  const std::int64_t result = co_await unmap_range(k, mm, Vaddr(start), len, downgrades);
  if (result || !downgrades) mmap_write_unlock(k, mm);
  co_return result;
}

}  // namespace faultline
