// Stores to shared mappings of cached files: the file system is asked first, the folio is dirty
// afterwards. Linux 6.12 mm/memory.c do_page_mkwrite, fault_dirty_shared_page. Left out: throttling
// of those who dirty pages faster than they are written back, of which only the lock's release is
// seen.
#include "kernel/fs/inode.hpp"
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/memory.hpp"

namespace faultline {

Path<vm_fault_t> do_page_mkwrite(Kernel& k, vm_fault& vmf) {
  const std::uint32_t old_flags = vmf.flags;
  vmf.flags = FAULT_FLAG_WRITE | FAULT_FLAG_MKWRITE;
  vm_fault_t ret = co_await vmf.vma->vm_ops->page_mkwrite(k, vmf);
  vmf.flags = old_flags;
  if (ret & (VM_FAULT_ERROR | VM_FAULT_NOPAGE | VM_FAULT_LOCKED)) co_return ret;
  co_await folio_lock(k, *vmf.folio);
  if (!vmf.folio->mapping) {
    folio_unlock(k, *vmf.folio);
    co_return vm_fault_t{};
  }
  co_return ret | VM_FAULT_LOCKED;
}

Path<vm_fault_t> fault_dirty_shared_page(Kernel& k, vm_fault& vmf) {
  const vm_area_struct& vma = *vmf.vma;
  const bool dirtied = co_await folio_mark_dirty(k, *vmf.folio);
  const bool in_cache = vmf.folio->mapping != nullptr;
  folio_unlock(k, *vmf.folio);
  const bool page_mkwrite = vma.vm_ops->page_mkwrite != nullptr;
  if (!page_mkwrite) co_await file_update_time(k, *vma.vm_file->f_inode);
  if ((!dirtied && !page_mkwrite) || !in_cache) co_return vm_fault_t{};
  if (!k.profile.dirtying_fault_unlocks) co_return vm_fault_t{};
  co_return maybe_unlock_mmap_for_io(k, vmf) ? VM_FAULT_COMPLETED : vm_fault_t{};
}

}  // namespace faultline
