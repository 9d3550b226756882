// VMA look-up, insertion into a process, and mmap_region(). Linux 6.12 mm/vma.c and mm/mmap.c;
// splitting and unmapping are in vma_unmap.cpp.
#include "kernel/mm/vma.hpp"

#include <cerrno>
#include "base/bug.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/shmem.hpp"
#include "kernel/mm/vm_account.hpp"
#include "kernel/mm/vma_merge.hpp"

namespace faultline {

vm_area_struct* find_vma(const mm_struct& mm, Vaddr address) {
  const auto at = mm.mm_mt.upper_bound(address.v);
  return at == mm.mm_mt.end() ? nullptr : at->second;
}

vm_area_struct* vma_lookup(const mm_struct& mm, Vaddr address) {
  vm_area_struct* const vma = find_vma(mm, address);
  return vma && vma->vm_start <= address ? vma : nullptr;
}

vm_area_struct* find_vma_intersection(const mm_struct& mm, Vaddr start, Vaddr end) {
  vm_area_struct* const vma = find_vma(mm, start);
  return vma && vma->vm_start < end ? vma : nullptr;
}

vm_area_struct* find_vma_prev(const mm_struct& mm, Vaddr address) {
  auto at = mm.mm_mt.upper_bound(address.v);
  if (at == mm.mm_mt.begin()) return nullptr;
  return std::prev(at)->second;
}

void vma_set_page_prot(vm_area_struct& vma) {
  const bool x = vma.vm_flags & VM_EXEC;
  const bool write = vma.vm_flags & VM_WRITE;
  const bool shared = vma.vm_flags & VM_SHARED;
  // A shared file mapping wants to be told of the first store to each page: read-only until then.
  const bool wants_notify =
      shared && write && vma.vm_ops && (vma.vm_ops->page_mkwrite || vma.vm_ops->pfn_mkwrite);
  if (!(vma.vm_flags & VM_ACCESS_FLAGS)) {
    vma.vm_page_prot = PAGE_NONE;
  } else if (write && shared && !wants_notify) {
    vma.vm_page_prot = x ? PAGE_SHARED_EXEC : PAGE_SHARED;
  } else {
    vma.vm_page_prot = x ? PAGE_READONLY_EXEC : PAGE_READONLY;
  }
}

static vm_area_struct& new_vma(Kernel& k, mm_struct& mm) {
  vm_area_struct* vma = nullptr;
  if (!mm.free_vmas.empty()) {
    vma = mm.free_vmas.back();
    mm.free_vmas.pop_back();
    *vma = vm_area_struct{};
  } else {
    vma = &mm.vma_storage.emplace_back();
  }
  vma->vm_mm = &mm;
  vma->id = mm.next_vma_id++;
  init_lock(vma->vm_lock, k.locks, k.cls.vm_lock, lock_id(LockOwner::vma, mm.id, vma->id));
  return *vma;
}

vm_area_struct& vm_area_alloc(Kernel& k, mm_struct& mm) {
  k.might_alloc();
  return new_vma(k, mm);
}

vm_area_struct& place_vma(Kernel& k, mm_struct& mm, Vaddr start, Vaddr end, vm_flags_t flags) {
  vm_area_struct& vma = new_vma(k, mm);
  vma.vm_start = start;
  vma.vm_end = end;
  vma.vm_flags = flags | VM_SOFTDIRTY;
  vma.vm_pgoff = Pgoff(start.v >> PAGE_SHIFT);
  vma_set_page_prot(vma);
  mm.mm_mt.emplace(end.v, &vma);
  vma.unlinked = false;
  ++mm.map_count;
  vm_stat_account(mm, vma.vm_flags, static_cast<std::int64_t>(vma_pages(vma)));
  return vma;
}

void remove_vma(Kernel& k, vm_area_struct& vma) {
  if (vma.vm_file) --vma.vm_file->f_count;
  vma.detached = true;
  k.engine.charge(k.costs.vma_change);
  vma.vm_mm->free_vmas.push_back(&vma);
}

Path<void> vma_link_file(Kernel& k, vm_area_struct& vma) {
  if (!vma.vm_file) co_return;
  address_space& mapping = vma.vm_file->f_inode->i_data;
  co_await down_write(mapping.i_mmap_rwsem);
  mapping.i_mmap.push_back(&vma);
  k.engine.charge(k.costs.rmap_op);
  up_write(mapping.i_mmap_rwsem);
}

static bool prepares_mapping(const Kernel& k, const file* file) {
  return k.profile.mmap_prepare && file && file->f_op->mmap_prepare;
}

static Path<std::int64_t> mmap_file(Kernel& k, file& file, vm_area_struct& vma) {
  const std::int64_t error = co_await file.f_op->mmap(k, file, vma);
  co_return error;
}

static Path<std::int64_t> mmap_new_vma(Kernel& k, mm_struct& mm, MergeRequest request,
                                       vm_area_struct** out) {
  vm_area_struct& vma = vm_area_alloc(k, mm);
  vma.vm_start = request.start;
  vma.vm_end = request.end;
  vma.vm_flags = request.flags;
  vma.vm_pgoff = request.pgoff;
  vma_set_page_prot(vma);
  if (request.vm_file) {
    vma.vm_file = request.vm_file;
    ++request.vm_file->f_count;
  }
  if (request.vm_file && !prepares_mapping(k, request.vm_file)) {
    const std::int64_t error = co_await mmap_file(k, *request.vm_file, vma);
    if (error) {
      remove_vma(k, vma);
      co_return error;
    }
    if (vma.vm_flags != request.flags) {
      // The hook has changed the flags: the mapping may fit a neighbour now.
      request.flags = vma.vm_flags;
      vm_area_struct* const merged = co_await vma_merge_new_range(k, mm, request);
      if (merged) {
        remove_vma(k, vma);
        *out = merged;
        co_return 0;
      }
    }
  } else if (!request.vm_file && (vma.vm_flags & VM_SHARED)) {
    const std::int64_t error = shmem_zero_setup(k, vma);
    if (error) {
      remove_vma(k, vma);
      co_return error;
    }
  }
  co_await vma_start_write(k, vma);
  mm.mm_mt.emplace(vma.vm_end.v, &vma);
  vma.unlinked = false;
  ++mm.map_count;
  k.engine.charge(k.costs.vma_change);
  co_await vma_link_file(k, vma);
  *out = &vma;
  co_return 0;
}

// The hook before there is a VMA; what it changed goes into the request. Linux 7.1 mm/vma.c.
static Path<std::int64_t> call_mmap_prepare(Kernel& k, MergeRequest& request,
                                            const vm_operations_struct** vm_ops) {
  vm_area_desc desc;
  desc.start = request.start;
  desc.end = request.end;
  desc.pgoff = request.pgoff;
  desc.vm_file = request.vm_file;
  desc.vm_flags = request.flags;
  const std::int64_t error =
      co_await request.vm_file->f_op->mmap_prepare(k, *request.vm_file, desc);
  if (error) co_return error;
  request.pgoff = desc.pgoff;
  request.flags = desc.vm_flags;
  *vm_ops = desc.vm_ops;
  co_return 0;
}

// Charges a private writable mapping. What the mappings it replaces had been promised goes over.
static int charge_mapping(Kernel& k, const mm_struct& mm, std::uint64_t pages,
                          vma_munmap_struct& vms) {
  if (pages > vms.nr_accounted) {
    if (const int error = vm_enough_memory(k, mm, pages - vms.nr_accounted)) return error;
  } else {
    vm_unacct_memory(k, vms.nr_accounted - pages);
  }
  vms.nr_accounted = 0;
  return 0;
}

static void account_locked(mm_struct& mm, vm_area_struct& vma, std::uint64_t pages) {
  if (!(vma.vm_flags & VM_LOCKED)) return;
  const bool dax = vma.vm_file && vma.vm_file->f_inode->dax;
  if (dax || (vma.vm_flags & (VM_SPECIAL | VM_HUGETLB))) {
    vma.vm_flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
  } else {
    mm.locked_vm += pages;
  }
}

Path<std::int64_t> mmap_region(Kernel& k, mm_struct& mm, file* file, Vaddr addr, std::uint64_t len,
                               vm_flags_t vm_flags, Pgoff pgoff) {
  const Vaddr end = addr + len;
  vma_munmap_struct vms;
  vms.start = addr;
  vms.end = end;
  if (find_vma_intersection(mm, addr, end)) {
    const std::int64_t error = co_await vms_gather_munmap_vmas(k, mm, vms);
    if (error) co_return error;
  }
  const auto pglen = static_cast<std::int64_t>(len >> PAGE_SHIFT);
  const auto replaced = static_cast<std::int64_t>(vms.nr_pages);
  int refused = may_expand_vm(k, mm, vm_flags, pglen - replaced) ? 0 : -ENOMEM;
  std::uint64_t charged = 0;
  if (refused == 0 && accountable_mapping(file, vm_flags)) {
    charged = len >> PAGE_SHIFT;
    refused = charge_mapping(k, mm, charged, vms);
    vm_flags |= VM_ACCOUNT;
  }
  if (refused) {
    for (vm_area_struct* const old : vms.vmas) reattach_vma(*old);
    co_return refused;
  }
  if (!vms.vmas.empty()) co_await vms_clear_ptes(k, mm, vms);

  MergeRequest request;
  request.start = addr;
  request.end = end;
  request.pgoff = pgoff;
  request.flags = vm_flags;
  request.vm_file = file;
  const vm_operations_struct* vm_ops = nullptr;
  if (prepares_mapping(k, file)) {
    const std::int64_t error = co_await call_mmap_prepare(k, request, &vm_ops);
    if (error) {
      if (charged) vm_unacct_memory(k, charged);
      co_await vms_complete_munmap_vmas(k, mm, vms, false, true);
      co_return error;
    }
  }
  vm_area_struct* vma = co_await vma_merge_new_range(k, mm, request);
  if (!vma) {
    const std::int64_t error = co_await mmap_new_vma(k, mm, request, &vma);
    if (error) {
      if (charged) vm_unacct_memory(k, charged);
      co_await vms_complete_munmap_vmas(k, mm, vms, false, true);
      co_return error;
    }
  }
  // Also where the range was merged into a neighbour.
  if (vm_ops) vma->vm_ops = vm_ops;
  co_await vms_complete_munmap_vmas(k, mm, vms, false, true);
  vm_stat_account(mm, vma->vm_flags, pglen);
  account_locked(mm, *vma, len >> PAGE_SHIFT);
  vma->vm_flags |= VM_SOFTDIRTY;
  vma_set_page_prot(*vma);
  co_return static_cast<std::int64_t>(addr.v);
}

}  // namespace faultline
