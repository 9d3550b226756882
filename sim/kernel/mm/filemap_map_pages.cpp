// Fault-around: up-to-date pages that are cached around a read fault are mapped with it. Linux 6.12
// mm/filemap.c filemap_map_pages, next_uptodate_folio. i_pages of a DAX file holds value entries
// only, which are passed over: nothing is mapped and no lock taken; the walk still costs its time.
#include <algorithm>

#include "kernel/mm/filemap.hpp"
#include "kernel/mm/memory.hpp"

namespace faultline {

// The next folio from `index` on that can be mapped without waiting, locked; `index` moves to the
// first page of it that is wanted.
static folio* next_uptodate_folio(Kernel& k, address_space& mapping, std::uint64_t* index,
                                  std::uint64_t end) {
  const std::uint64_t size = mapping.host->i_size;
  const std::uint64_t max_index = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
  while (*index <= end) {
    std::uint64_t where = 0;
    const XaEntry entry = mapping.i_pages.find(*index, end, &where);
    if (entry == 0) return nullptr;
    folio& f = k.folios.at(entry);
    *index = std::max(*index, f.index);
    if (*index >= max_index) return nullptr;
    const bool usable = !folio_test_locked(k, f) && f.uptodate && !f.readahead;
    if (usable && folio_trylock(k, f)) return &f;
    *index = f.index + f.pages();
  }
  return nullptr;
}

// The pages of one folio from `index` on. True if the page of the fault is among them.
static bool filemap_map_folio_range(Kernel& k, vm_fault& vmf, folio& f, std::uint64_t* index,
                                    std::uint64_t end, std::uint64_t* missed) {
  const vm_area_struct& vma = *vmf.vma;
  const std::uint64_t last = std::min(f.index + f.pages() - 1, end);
  bool mapped = false;
  for (; *index <= last; ++*index) {
    const Vaddr address = vma.vm_start + ((*index - vma.vm_pgoff.v) << PAGE_SHIFT);
    ++*missed;
    const pte_ptr slot = vma.vm_mm->pgtables->pte_offset(vmf.pmd, address);
    if (!pte_none(*slot)) continue;
    if (address == vmf.address) mapped = true;
    set_pte_range(k, vmf, f, slot, address);
  }
  return mapped;
}

Path<vm_fault_t> filemap_map_pages(Kernel& k, vm_fault& vmf, Pgoff start, Pgoff end) {
  inode& host = *vmf.vma->vm_file->f_inode;
  if (host.dax) {
    k.engine.charge(k.costs.extent_lookup);
    co_return vm_fault_t{};
  }
  address_space& mapping = host.i_data;
  // Nothing is mapped behind the end of the file, where an access has to fail.
  const std::uint64_t file_end = (host.i_size + PAGE_SIZE - 1) >> PAGE_SHIFT;
  if (file_end != 0 && end.v >= file_end) end = Pgoff(file_end - 1);
  std::uint64_t index = start.v;
  folio* f = next_uptodate_folio(k, mapping, &index, end.v);
  if (!f) co_return vm_fault_t{};
  mm_struct& mm = *vmf.vma->vm_mm;
  if (pmd_none(*vmf.pmd) && vmf.prealloc_pte) {
    co_await pmd_install(k, mm, vmf.pmd, &vmf.prealloc_pte);
  }
  vmf.ptl = &pte_lockptr(k, mm, vmf.pmd);
  co_await spin_lock(*vmf.ptl);
  vm_fault_t ret;
  std::uint64_t missed = 0;
  while (f) {
    const bool here = filemap_map_folio_range(k, vmf, *f, &index, end.v, &missed);
    if (here) ret |= VM_FAULT_NOPAGE;
    folio_unlock(k, *f);
    f = next_uptodate_folio(k, mapping, &index, end.v);
  }
  spin_unlock(*vmf.ptl);
  if (ret) vmf.leaf_order = 0;
  k.trace<Event::mm_filemap_map_pages>(host.i_sb->s_dev, host.i_ino, start.v << PAGE_SHIFT,
                                       ((end.v + 1) << PAGE_SHIFT) - 1);
  std::uint64_t& misses = vmf.vma->vm_file->f_ra.mmap_miss;
  misses -= std::min(misses, missed);
  co_return ret;
}

}  // namespace faultline
