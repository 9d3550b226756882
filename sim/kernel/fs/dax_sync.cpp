// The second phase of a write fault on a MAP_SYNC mapping. Linux 6.12 fs/dax.c
// dax_finish_sync_fault, dax_insert_pfn_mkwrite: the fault has put the entry in place but mapped
// nothing; when the block's metadata are durable, the frame is mapped writable.
#include "kernel/fs/dax.hpp"
#include "kernel/fs/sync.hpp"
#include "kernel/mm/huge_memory.hpp"
#include "kernel/mm/memory.hpp"

namespace faultline {

namespace {

template <Event E>
void trace_insert(Kernel& k, const vm_fault& vmf, vm_fault_t result) {
  const inode& host = *vmf.vma->vm_file->f_inode;
  k.trace<E>(host.i_sb->s_dev, host.i_ino, vmf.vma->vm_flags, vmf.flags, vmf.real_address,
             vmf.pgoff, result);
}

Path<vm_fault_t> dax_insert_pfn_mkwrite(Kernel& k, vm_fault& vmf, unsigned order) {
  address_space& mapping = vmf.vma->vm_file->f_inode->i_data;
  co_await spin_lock(mapping.xa_lock);
  bool conflict = false;
  const XaEntry entry = co_await get_unlocked_entry(k, mapping, vmf.pgoff, order, &conflict);
  // Did we race with someone who replaced the entry?
  if (entry == 0 || conflict || (order == 0 && dax_is_pmd_entry(entry))) {
    if (entry != 0) dax_wake_entry(k, mapping, vmf.pgoff, entry, WakeMode::next);
    spin_unlock(mapping.xa_lock);
    trace_insert<Event::dax_insert_pfn_mkwrite_no_entry>(k, vmf, VM_FAULT_NOPAGE);
    co_return VM_FAULT_NOPAGE;
  }
  const std::uint64_t first = vmf.pgoff.v & ~((1ULL << dax_entry_order(entry)) - 1);
  mapping.i_pages.set_mark(first, dax_entry_order(entry), XaMark::dirty);
  dax_lock_entry(k, mapping, vmf.pgoff, entry);
  k.locks.bit_set(dax_entry_lock(k, mapping, vmf.pgoff, entry));
  spin_unlock(mapping.xa_lock);
  vm_fault_t ret;
  if (order == 0) {
    ret = co_await vmf_insert_mixed_mkwrite(k, vmf, vmf.sync_pfn);
  } else {
    ret = co_await vmf_insert_pfn_pmd(k, vmf, vmf.sync_pfn, true);
  }
  co_await dax_unlock_entry(k, mapping, vmf.pgoff, entry);
  trace_insert<Event::dax_insert_pfn_mkwrite>(k, vmf, ret);
  co_return ret;
}

}  // namespace

Path<vm_fault_t> dax_finish_sync_fault(Kernel& k, vm_fault& vmf, unsigned order) {
  const std::uint64_t start = vmf.pgoff.v << PAGE_SHIFT;
  const std::uint64_t len = PAGE_SIZE << order;
  const std::int64_t error =
      co_await vfs_fsync_range(k, *vmf.vma->vm_file, start, start + len - 1, true);
  if (error) co_return VM_FAULT_SIGBUS;
  const vm_fault_t ret = co_await dax_insert_pfn_mkwrite(k, vmf, order);
  co_return ret;
}

}  // namespace faultline
