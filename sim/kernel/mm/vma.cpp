// VMA look-up, allocation, protection and linking. Linux 6.12 mm/vma.c and mm/mmap.c; mmap_region()
// is in mmap_region.cpp, splitting and unmapping in vma_unmap.cpp.
#include "kernel/mm/vma.hpp"

#include "kernel/fs/open.hpp"
#include "kernel/mm/i_mmap.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/vm_account.hpp"

namespace faultline {

vm_area_struct* find_vma(const mm_struct& mm, Vaddr address) { return mm.mm_mt.above(address); }

vm_area_struct* vma_lookup(const mm_struct& mm, Vaddr address) {
  vm_area_struct* const vma = find_vma(mm, address);
  return vma && vma->vm_start <= address ? vma : nullptr;
}

vm_area_struct* find_vma_intersection(const mm_struct& mm, Vaddr start, Vaddr end) {
  vm_area_struct* const vma = find_vma(mm, start);
  return vma && vma->vm_start < end ? vma : nullptr;
}

vm_area_struct* find_vma_prev(const mm_struct& mm, Vaddr address) {
  return mm.mm_mt.below(address);
}

pgprot_t vm_get_page_prot(vm_flags_t flags) {
  const bool x = flags & VM_EXEC;
  if (!(flags & VM_ACCESS_FLAGS)) return PAGE_NONE;
  if ((flags & (VM_WRITE | VM_SHARED)) == (VM_WRITE | VM_SHARED)) {
    return x ? PAGE_SHARED_EXEC : PAGE_SHARED;
  }
  return x ? PAGE_READONLY_EXEC : PAGE_READONLY;
}

void vma_set_page_prot(vm_area_struct& vma) {
  // A shared file mapping wants to be told of the first store to each page: read-only until then.
  const bool wants_notify = vma.vm_ops && (vma.vm_ops->page_mkwrite || vma.vm_ops->pfn_mkwrite);
  const vm_flags_t flags = wants_notify ? vma.vm_flags & ~VM_SHARED : vma.vm_flags;
  const std::uint64_t cache = vma.vm_page_prot.v & (PTE_PWT | PTE_PCD);
  vma.vm_page_prot = {vm_get_page_prot(flags).v | cache};
}

void vma_set_file(Kernel& k, vm_area_struct& vma, file& fresh) {
  ++fresh.f_count;
  if (vma.vm_file) fput(k, *vma.vm_file);
  vma.vm_file = &fresh;
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
  mm.mm_mt.insert(vma);
  vma.unlinked = false;
  ++mm.map_count;
  vm_stat_account(mm, vma.vm_flags, static_cast<std::int64_t>(vma_pages(vma)));
  return vma;
}

const vm_operations_struct vma_dummy_vm_ops{};

Path<void> vma_close(Kernel& k, vm_area_struct& vma) {
  co_await vma.vm_ops->close(k, vma);
  vma.vm_ops = &vma_dummy_vm_ops;
}

void remove_vma(Kernel& k, vm_area_struct& vma) {
  if (vma.vm_file) fput(k, *vma.vm_file);
  vma.detached = true;
  k.engine.charge(k.costs.vma_change);
  vma.vm_mm->free_vmas.push_back(&vma);
}

Path<void> vma_link_file(Kernel& k, vm_area_struct& vma, vm_area_struct* original) {
  if (!vma.vm_file) co_return;
  address_space& mapping = vma.vm_file->f_inode->i_data;
  co_await down_write(mapping.i_mmap_rwsem);
  __vma_link_file(k, vma, mapping, original);
  k.engine.charge(k.costs.rmap_op);
  up_write(mapping.i_mmap_rwsem);
}

}  // namespace faultline
