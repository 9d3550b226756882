// The system calls mmap and munmap: every check of do_mmap in its order, then mmap_region.
// Linux 6.12 mm/mmap.c, mm/util.c (vm_mmap_pgoff). Left out: pkeys, hugetlb, shared anonymous
// memory (shmem), security modules, MAP_DROPPABLE; refused as the kernel would without them.
#include "kernel/mm/mmap.hpp"

#include <linux/mman.h>

#include <cerrno>

#include "kernel/fs/open.hpp"
#include "kernel/mm/get_unmapped_area.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"
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

vm_flags_t calc_vm_flags(std::uint64_t prot, std::uint64_t flags) {
  vm_flags_t vm = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
  if (prot & PROT_READ) vm |= VM_READ;
  if (prot & PROT_WRITE) vm |= VM_WRITE;
  if (prot & PROT_EXEC) vm |= VM_EXEC;
  if (flags & MAP_GROWSDOWN) vm |= VM_GROWSDOWN;
  if (flags & MAP_LOCKED) vm |= VM_LOCKED;
  if (flags & MAP_SYNC) vm |= VM_SYNC;
  if (flags & MAP_STACK) vm |= VM_NOHUGEPAGE;
  return vm;
}

// Largest file a mapping may reach: generic size limit of a regular file.
bool file_mmap_ok(const inode& node, std::uint64_t pgoff, std::uint64_t len) {
  if (node.type != InodeType::regular) return true;
  const std::uint64_t max_size = 0x7fffffffffffffffULL & PAGE_MASK;
  return len <= max_size && pgoff <= (max_size - len) >> PAGE_SHIFT;
}

int check_shared_file(const file& f, std::uint64_t prot, vm_flags_t& vm) {
  const inode& node = *f.f_inode;
  if ((prot & PROT_WRITE) && !(f.f_mode & FMODE_WRITE)) return -EACCES;
  if (node.append && (f.f_mode & FMODE_WRITE)) return -EACCES;
  vm |= VM_SHARED | VM_MAYSHARE;
  if (!(f.f_mode & FMODE_WRITE)) vm &= ~(VM_MAYWRITE | VM_SHARED);
  return 0;
}

int check_file(const file& f, std::uint64_t len, std::uint64_t prot, std::uint64_t& flags,
               std::uint64_t pgoff, vm_flags_t& vm) {
  const inode& node = *f.f_inode;
  if (!file_mmap_ok(node, pgoff, len)) return -EOVERFLOW;
  const bool sync_ok = node.dax;  // fop_flags of XFS: FOP_MMAP_SYNC
  const std::uint64_t allowed = legacy_map_mask | (sync_ok ? MAP_SYNC : 0);
  switch (flags & MAP_TYPE) {
    case MAP_SHARED:
      flags &= legacy_map_mask;
      vm &= ~VM_SYNC;
      [[fallthrough]];
    case MAP_SHARED_VALIDATE:
      if (flags & ~allowed & ~std::uint64_t{MAP_TYPE}) return -EOPNOTSUPP;
      if (const int error = check_shared_file(f, prot, vm)) return error;
      [[fallthrough]];
    case MAP_PRIVATE:
      if (!(f.f_mode & FMODE_READ)) return -EACCES;
      if (node.noexec) {
        if (vm & VM_EXEC) return -EPERM;
        vm &= ~VM_MAYEXEC;
      }
      if (node.type != InodeType::regular) return -ENODEV;
      if (vm & VM_GROWSDOWN) return -EINVAL;
      return 0;
    default:
      return -EINVAL;
  }
}

int check_anonymous(std::uint64_t flags, Vaddr addr, std::uint64_t& pgoff, vm_flags_t& vm) {
  switch (flags & MAP_TYPE) {
    case MAP_SHARED:
      if (vm & VM_GROWSDOWN) return -EINVAL;
      pgoff = 0;
      vm |= VM_SHARED | VM_MAYSHARE;
      return 0;
    case MAP_PRIVATE:
      pgoff = addr.v >> PAGE_SHIFT;
      return 0;
    default:
      return -EINVAL;
  }
}

int check_mlock(Kernel& k, const mm_struct&, std::uint64_t flags, vm_flags_t vm,
                std::uint64_t len) {
  const task_struct& current = k.current();
  const std::uint64_t limit = current.rlim[RLIMIT_MEMLOCK_];
  if ((flags & MAP_LOCKED) && limit == 0 && !capable(current, CAP_IPC_LOCK)) return -EPERM;
  if ((vm & VM_LOCKED) && limit != RLIM_INFINITY_ && len > limit &&
      !capable(current, CAP_IPC_LOCK)) {
    return -EAGAIN;
  }
  return 0;
}

}  // namespace

static Path<std::int64_t> do_mmap(Kernel& k, mm_struct& mm, file* file, std::uint64_t hint,
                                  std::uint64_t len, std::uint64_t prot, std::uint64_t flags,
                                  std::uint64_t pgoff) {
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
  vm_flags_t vm = calc_vm_flags(prot, flags);
  const std::int64_t where = get_unmapped_area(k, mm, file, hint, len, pgoff, flags);
  if (where < 0 && where > -4096) co_return where;
  const Vaddr addr(static_cast<std::uint64_t>(where));
  if ((flags & MAP_FIXED_NOREPLACE) && find_vma_intersection(mm, addr, addr + len)) {
    co_return -EEXIST;
  }
  if (const int error = check_mlock(k, mm, flags, vm, len)) co_return error;
  const int error = file ? check_file(*file, len, prot, flags, pgoff, vm)
                         : check_anonymous(flags, addr, pgoff, vm);
  if (error) co_return error;
  if (flags & MAP_NORESERVE) vm |= VM_NORESERVE;
  if (vm & VM_GROWSDOWN) k.unmodelled("MAP_GROWSDOWN; the mapping does not grow");
  if (!file && (vm & VM_SHARED)) {
    k.unmodelled("shared anonymous memory (shmem); it behaves as private anonymous memory");
    vm &= ~(VM_SHARED | VM_MAYSHARE);
  }
  const std::int64_t result = co_await mmap_region(k, mm, file, addr, len, vm, Pgoff(pgoff));
  co_return result;
}

static Path<std::int64_t> vm_mmap_pgoff(Kernel& k, file* file, std::uint64_t addr,
                                        std::uint64_t len, std::uint64_t prot, std::uint64_t flags,
                                        std::uint64_t pgoff) {
  mm_struct& mm = *k.current().mm;
  co_await mmap_write_lock(k, mm);
  const std::int64_t result = co_await do_mmap(k, mm, file, addr, len, prot, flags, pgoff);
  mmap_write_unlock(k, mm);
  if (result >= 0 || result <= -4096) {
    const bool populate = (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE;
    if (populate || (flags & MAP_LOCKED)) {
      co_await mm_populate(k, Vaddr(static_cast<std::uint64_t>(result)), page_align(len));
    }
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
  } else if (flags & MAP_HUGETLB) {
    co_return -ENOMEM;  // no huge page is reserved
  }
  const std::int64_t result =
      co_await vm_mmap_pgoff(k, file, addr, len, prot, flags, offset >> PAGE_SHIFT);
  if (file) fput(k, *file);
  co_return result;
}

Path<std::int64_t> vm_munmap(Kernel& k, std::uint64_t start, std::uint64_t len) {
  mm_struct& mm = *k.current().mm;
  co_await mmap_write_lock(k, mm);
  const std::int64_t result = co_await do_vmi_munmap(k, mm, Vaddr(start), len, true);
  if (result) mmap_write_unlock(k, mm);
  co_return result;
}

}  // namespace faultline
