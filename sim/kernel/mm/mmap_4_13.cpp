// do_mmap and mmap_region of Linux 4.13 mm/mmap.c with patches 1/5, 3/5 and 4/5 of MAP_DIRECT,
// checks in that order. The file's hook is the last thing that can fail, and it is not called at
// all when a neighbour can be extended instead. Left out: mandatory locks, userfaultfd, policies.
#include "kernel/mm/mmap_4_13.hpp"

#include <linux/mman.h>

#include <cerrno>

#include "kernel/fs/hugetlbfs.hpp"
#include "kernel/fs/open.hpp"
#include "kernel/mm/get_unmapped_area.hpp"
#include "kernel/mm/i_mmap.hpp"
#include "kernel/mm/mmap.hpp"
#include "kernel/mm/shmem.hpp"
#include "kernel/mm/vm_account.hpp"
#include "kernel/mm/vma_merge.hpp"

namespace faultline {

bool has_mmap3(const Profile& profile) {
  return profile.map_bit == MapBit::direct && profile.map_direct == MapDirect::seal &&
         profile.mmap_region == MmapRegion::unmaps_first;
}

std::uint64_t legacy_map_supported_mask(const Profile& profile) {
  constexpr std::uint64_t always = MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS |
                                   0x4000000 /* MAP_UNINITIALIZED */ | MAP_GROWSDOWN | MAP_LOCKED |
                                   MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |
                                   MAP_HUGETLB | 0x40 /* MAP_32BIT */ | (21u << 26) | (30u << 26);
  return profile.map_mask_denywrite ? always | MAP_DENYWRITE | MAP_EXECUTABLE : always;
}

namespace v4_13 {

namespace {

constexpr std::uint64_t page_align(std::uint64_t n) { return (n + PAGE_SIZE - 1) & PAGE_MASK; }

vm_flags_t calc_vm_flags(std::uint64_t prot, std::uint64_t flags) {
  vm_flags_t vm = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
  if (prot & PROT_READ) vm |= VM_READ;
  if (prot & PROT_WRITE) vm |= VM_WRITE;
  if (prot & PROT_EXEC) vm |= VM_EXEC;
  if (flags & MAP_GROWSDOWN) vm |= VM_GROWSDOWN;
  if (flags & MAP_LOCKED) vm |= VM_LOCKED;
  return vm;
}

// MAP_DIRECT where the core judges it; with leases only the file's own ->mmap_validate does.
bool is_direct(const Kernel& k, std::uint64_t flags) {
  if (k.profile.map_direct == MapDirect::lease) return false;
  return k.profile.map_bit == MapBit::direct && (flags & MAP_DIRECT) != 0;
}

// MAP_SHARED_VALIDATE as version 7 introduces it. With old flags only it is MAP_SHARED.
int check_validate(const Kernel& k, const file& f, MmapArguments& args) {
  if (k.profile.map_direct != MapDirect::lease) return -EINVAL;
  if ((args.flags & ~legacy_map_supported_mask(k.profile)) == 0) {
    args.flags = (args.flags & ~std::uint64_t{MAP_TYPE}) | MAP_SHARED;
  } else if (!f.f_op->mmap_validate) {
    return -EOPNOTSUPP;
  }
  return 0;
}

int check_shared(Kernel& k, const file& f, const MmapArguments& args, vm_flags_t& vm) {
  if ((args.prot & PROT_WRITE) && !(f.f_mode & FMODE_WRITE)) return -EACCES;
  if (is_direct(k, args.flags)) {
    if (!(args.prot & PROT_WRITE)) return -EACCES;
    if (!f.f_map_direct && !capable(k.current(), CAP_LINUX_IMMUTABLE)) return -EACCES;
  }
  if (f.f_inode->append && (f.f_mode & FMODE_WRITE)) return -EACCES;
  vm |= VM_SHARED | VM_MAYSHARE;
  if (!(f.f_mode & FMODE_WRITE)) vm &= ~(VM_MAYWRITE | VM_SHARED);
  return 0;
}

int check_file(Kernel& k, const file& f, MmapArguments& args, vm_flags_t& vm) {
  switch (args.flags & MAP_TYPE) {
    case MAP_SHARED_VALIDATE:
      if (const int error = check_validate(k, f, args)) return error;
      [[fallthrough]];
    case MAP_SHARED:
      if (const int error = check_shared(k, f, args, vm)) return error;
      [[fallthrough]];
    case MAP_PRIVATE:
      if ((args.flags & MAP_TYPE) == MAP_PRIVATE && is_direct(k, args.flags)) return -EINVAL;
      if (!(f.f_mode & FMODE_READ)) return -EACCES;
      if (f.f_inode->noexec) {
        if (vm & VM_EXEC) return -EPERM;
        vm &= ~VM_MAYEXEC;
      }
      if (!f.f_op->mmap && !f.f_op->mmap_flagged) return -ENODEV;
      return vm & VM_GROWSDOWN ? -EINVAL : 0;
    default:
      return -EINVAL;
  }
}

int check_anonymous(Kernel& k, Vaddr addr, MmapArguments& args, vm_flags_t& vm) {
  switch (args.flags & MAP_TYPE) {
    case MAP_SHARED:
      if (vm & VM_GROWSDOWN) return -EINVAL;
      args.pgoff = 0;
      vm |= VM_SHARED | VM_MAYSHARE;
      break;
    case MAP_PRIVATE:
      args.pgoff = addr.v >> PAGE_SHIFT;
      break;
    default:
      return -EINVAL;
  }
  return is_direct(k, args.flags) ? -EINVAL : 0;
}

// Pages of [start, end) that are mapped now and will be replaced.
std::uint64_t count_vma_pages_range(const mm_struct& mm, Vaddr start, Vaddr end) {
  std::uint64_t pages = 0;
  const vm_area_struct* vma = find_vma_intersection(mm, start, end);
  for (; vma; vma = find_vma_intersection(mm, vma->vm_end, end)) {
    const Vaddr from = vma->vm_start < start ? start : vma->vm_start;
    const Vaddr to = end < vma->vm_end ? end : vma->vm_end;
    pages += (to - from) >> PAGE_SHIFT;
  }
  return pages;
}

Path<std::int64_t> call_mmap(Kernel& k, file& file, vm_area_struct& vma, std::uint64_t map_flags) {
  if ((map_flags & MAP_TYPE) == MAP_SHARED_VALIDATE) {
    const std::int64_t error = co_await file.f_op->mmap_validate(k, file, vma, map_flags);
    co_return error;
  }
  if (file.f_op->mmap_flagged) {
    const std::int64_t error = co_await file.f_op->mmap_flagged(k, file, vma, map_flags);
    co_return error;
  }
  const std::int64_t error = co_await file.f_op->mmap(k, file, vma);
  co_return error;
}

// The VMA becomes visible to the process and to the file under one hold of i_mmap_rwsem.
Path<void> vma_link(Kernel& k, mm_struct& mm, vm_area_struct& vma) {
  address_space* const mapping = vma.vm_file ? &vma.vm_file->f_inode->i_data : nullptr;
  if (mapping) co_await down_write(mapping->i_mmap_rwsem);
  mm.mm_mt.insert(vma);
  vma.unlinked = false;
  ++mm.map_count;
  k.engine.charge(k.costs.vma_change);
  if (!mapping) co_return;
  __vma_link_file(k, vma, *mapping);
  k.engine.charge(k.costs.rmap_op);
  up_write(mapping->i_mmap_rwsem);
}

// A new VMA for the request. On an error of the file's hook its ->close is not called.
HelperPath<std::int64_t> new_vma(Kernel& k, mm_struct& mm, MergeRequest request,
                                 std::uint64_t map_flags, vm_area_struct** out) {
  vm_area_struct& vma = vm_area_alloc(k, mm);
  vma.vm_start = request.start;
  vma.vm_end = request.end;
  vma.vm_flags = request.flags;
  vma.vm_pgoff = request.pgoff;
  vma_set_page_prot(vma);
  std::int64_t error = 0;
  const bool may_write = request.vm_file && is_shared_maywrite(k.profile, request.flags);
  if (may_write) error = mapping_map_writable(request.vm_file->f_inode->i_data);
  if (error) {
    faultline::remove_vma(k, vma);
    co_return error;
  }
  if (request.vm_file) {
    vma.vm_file = request.vm_file;
    ++request.vm_file->f_count;
    error = co_await call_mmap(k, *request.vm_file, vma, map_flags);
    if (error) {  // what the hook has mapped goes again
      fput(k, *vma.vm_file);
      vma.vm_file = nullptr;
      co_await unmap_region(k, mm, vma);
    }
  } else if (vma.vm_flags & VM_SHARED) {
    error = shmem_zero_setup(k, vma);
  }
  if (!error) co_await vma_link(k, mm, vma);
  if (may_write) mapping_unmap_writable(request.vm_file->f_inode->i_data);
  if (error) {
    faultline::remove_vma(k, vma);
    co_return error;
  }
  *out = &vma;
  co_return 0;
}

void account_locked(mm_struct& mm, vm_area_struct& vma, std::uint64_t pages) {
  if (!(vma.vm_flags & VM_LOCKED)) return;
  if (vma.vm_flags & (VM_SPECIAL | VM_HUGETLB)) {
    vma.vm_flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
  } else {
    mm.locked_vm += pages;
  }
}

Path<std::int64_t> mmap_region(Kernel& k, mm_struct& mm, MergeRequest request,
                               std::uint64_t map_flags) {
  const std::uint64_t len = request.end - request.start;
  const auto pages = static_cast<std::int64_t>(len >> PAGE_SHIFT);
  if (!may_expand_vm(k, mm, request.flags, pages)) {
    const std::uint64_t replaced = count_vma_pages_range(mm, request.start, request.end);
    const bool fits =
        may_expand_vm(k, mm, request.flags, pages - static_cast<std::int64_t>(replaced));
    if (!fits) co_return -ENOMEM;
  }
  // What is in the way is gone from here on, whatever becomes of the rest.
  if (find_vma_intersection(mm, request.start, request.end)) {
    const std::int64_t error = co_await do_munmap(k, mm, request.start, len);
    if (error) co_return -ENOMEM;
  }
  std::uint64_t charged = 0;
  if (accountable_mapping(request.vm_file, request.flags)) {
    charged = len >> PAGE_SHIFT;
    if (vm_enough_memory(k, mm, charged)) co_return -ENOMEM;
    request.flags |= VM_ACCOUNT;
  }
  vm_area_struct* vma = co_await vma_merge_new_range(k, mm, request);
  if (!vma) {
    const std::int64_t error = co_await new_vma(k, mm, request, map_flags, &vma);
    if (error) {
      if (charged) vm_unacct_memory(k, charged);
      co_return error;
    }
  }
  vm_stat_account(mm, vma->vm_flags, pages);
  account_locked(mm, *vma, len >> PAGE_SHIFT);
  vma->vm_flags |= VM_SOFTDIRTY;
  vma_set_page_prot(*vma);
  co_return static_cast<std::int64_t>(request.start.v);
}

}  // namespace

Path<std::int64_t> do_mmap(Kernel& k, mm_struct& mm, file* file, MmapArguments args,
                           std::uint64_t* populate) {
  if (args.len == 0) co_return -EINVAL;
  if (!(args.flags & MAP_FIXED)) {
    args.addr &= PAGE_MASK;
    const std::uint64_t lowest = page_align(k.profile.mmap_min_addr);
    if (args.addr != 0 && args.addr < lowest) args.addr = lowest;
  }
  const std::uint64_t len = page_align(args.len);
  if (len == 0) co_return -ENOMEM;
  if (args.pgoff + (len >> PAGE_SHIFT) < args.pgoff) co_return -EOVERFLOW;
  if (mm.map_count > k.profile.max_map_count) co_return -ENOMEM;
  const std::int64_t where = get_unmapped_area(k, mm, file, args.addr, len, args.pgoff, args.flags);
  if (where < 0 && where > -4096) co_return where;
  const Vaddr addr(static_cast<std::uint64_t>(where));
  vm_flags_t vm = calc_vm_flags(args.prot, args.flags);
  if ((args.flags & MAP_LOCKED) && !can_do_mlock(k)) co_return -EPERM;
  if (!mlock_future_ok(k, mm, vm, len)) co_return -EAGAIN;
  const int error = file ? check_file(k, *file, args, vm) : check_anonymous(k, addr, args, vm);
  if (error) co_return error;
  if (args.flags & MAP_NORESERVE) {
    const bool heeded = k.profile.overcommit != OvercommitMode::never;
    if (heeded || (file && is_file_hugepages(*file))) vm |= VM_NORESERVE;
  }
  if (args.flags & MAP_GROWSDOWN) k.unmodelled("MAP_GROWSDOWN; the mapping does not grow");
  MergeRequest request;
  request.start = addr;
  request.end = addr + len;
  request.pgoff = Pgoff(args.pgoff);
  request.flags = vm;
  request.vm_file = file;
  const std::int64_t result = co_await mmap_region(k, mm, request, args.flags);
  const bool wanted = (args.flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE;
  const bool made = result >= 0 || result <= -4096;
  if (made && (wanted || (vm & VM_LOCKED))) *populate = len;
  co_return result;
}

}  // namespace v4_13

Path<std::int64_t> mmap_pgoff_strict(Kernel& k, std::uint64_t addr, std::uint64_t len,
                                     std::uint64_t prot, std::uint64_t flags, std::int64_t fd,
                                     std::uint64_t offset) {
  const std::uint64_t legacy = legacy_map_supported_mask(k.profile);
  if (!has_mmap3(k.profile)) co_return -ENOSYS;
  if (flags & ~(legacy | MAP_DIRECT)) co_return -EOPNOTSUPP;
  if (!(flags & MAP_ANONYMOUS)) {
    // Looked up here for its mask and again by mmap: the descriptor may be another file by then.
    file* const f = fget(k, fd);
    if (!f) co_return -EBADF;
    const std::uint64_t known = legacy | f->f_op->mmap_extra_flags;
    fput(k, *f);
    if (flags & ~known) co_return -EOPNOTSUPP;
    co_await k.engine.spend(k.costs.vfs_op);
  }
  const std::int64_t result = co_await ksys_mmap_pgoff(k, addr, len, prot, flags, fd, offset);
  co_return result;
}

}  // namespace faultline
