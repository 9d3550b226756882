// The driver learns of the bad block, the page is marked and unmapped everywhere, and who has read
// the poison gets SIGBUS with the page's address.
#include "kernel/mm/memory_failure.hpp"

#include <cerrno>
#include <csignal>
#include <utility>

#include "kernel/arch/x86/fault.hpp"
#include "kernel/fs/dax.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

namespace {

// dax_lock_folio(): the entry of the file that has the page; 0: it is gone.
Path<XaEntry> dax_lock_folio(Kernel& k, address_space& mapping, Pgoff index) {
  co_await spin_lock(mapping.xa_lock);
  bool conflict = false;
  const XaEntry entry = co_await get_unlocked_entry(k, mapping, index, 0, &conflict);
  if (entry != 0) {
    dax_lock_entry(k, mapping, index, entry);
    k.locks.bit_set(dax_entry_lock(k, mapping, index, entry));
  }
  spin_unlock(mapping.xa_lock);
  co_return entry;
}

// dev_pagemap_mapping_shift(): how much of the file the entry at `va` maps.
std::uint64_t mapped_size(const mm_struct& mm, Vaddr va) {
  const EntryAt at = mm.pgtables->lookup(va);
  if (!(*at.entry & PTE_P)) return 0;
  return at.level == PtLevel::pmd ? PMD_SIZE : PAGE_SIZE;
}

// 0, or -ENXIO where nothing can be done about the page.
Path<std::int64_t> mf_generic_kill_procs(Kernel& k, Vaddr va, Pfn pfn) {
  mm_struct& mm = *k.current().mm;
  const vm_area_struct* const vma = find_vma(mm, va);
  const bool dax = vma && vma->vm_start <= va && vma->vm_file && vma->vm_file->f_inode->dax;
  if (!dax) co_return -ENXIO;
  address_space& mapping = vma->vm_file->f_inode->i_data;
  const Pgoff index = linear_page_index(*vma, va);
  const XaEntry entry = co_await dax_lock_folio(k, mapping, index);
  if (entry == 0) co_return -EBUSY;
  k.hwpoison.insert(pfn);
  co_await down_read(mapping.i_mmap_rwsem);  // collect_procs()
  const std::uint64_t size = mapped_size(mm, va);
  up_read(mapping.i_mmap_rwsem);
  // unmap_and_kill(): device memory has no other page to put in its place.
  const std::uint64_t start = (index.v << PAGE_SHIFT) & ~(size - 1);
  if (size != 0) co_await unmap_mapping_range(k, mapping, start, size, false);
  force_sig_fault(k, SIGBUS, BUS_MCEERR_AR, Vaddr(va.v & PAGE_MASK));
  co_await dax_unlock_entry(k, mapping, index, entry);
  co_return 0;
}

Path<std::int64_t> memory_failure(Kernel& k, Vaddr va, Pfn pfn) {
  if (!k.profile.dax_recovery_write) co_return -ENXIO;  // a frame that the kernel does not manage
  const std::int64_t error = co_await mf_generic_kill_procs(k, va, pfn);
  co_return error;
}

}  // namespace

Path<void> do_machine_check(Kernel& k, Vaddr va) {
  const Paddr at = *std::exchange(k.machine_check, std::nullopt);
  co_await k.engine.spend(k.costs.exception_entry);
  // nfit_handle_mce(): the line's sector is among the bad blocks from now on.
  PmemDevice& device = *k.pmem_of(Pfn(at.v >> PAGE_SHIFT));
  if (k.profile.dax_recovery_write) device.note_bad_blocks(device.offset(at), 1);
  const std::int64_t error = co_await memory_failure(k, va, Pfn(at.v >> PAGE_SHIFT));
  if (error) force_sig_fault(k, SIGBUS, 0x80 /* SI_KERNEL */, Vaddr(0));  // kill_me_now()
  co_await k.engine.spend(k.costs.exception_exit);
}

}  // namespace faultline
