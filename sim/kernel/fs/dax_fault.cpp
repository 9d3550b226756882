// PTE and PMD faults on a DAX file. Linux 6.12 fs/dax.c: dax_iomap_pte_fault, dax_iomap_pmd_fault,
// dax_fault_iter. A fault runs with MMAPLOCK held, so the file's size and blocks stand still.
#include <cerrno>

#include "kernel/fs/dax_trace.hpp"
#include "kernel/mm/huge_memory.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/tlb.hpp"

namespace faultline {

namespace {

Path<vm_fault_t> dax_load_hole(Kernel& k, vm_fault& vmf, XaEntry* entry) {
  address_space& mapping = host_of(vmf).i_data;
  const DaxInsert insert{vmf.pgoff, k.zero_pfn, DAX_ZERO_PAGE, false};
  *entry = co_await dax_insert_entry(k, mapping, *entry, insert);
  const vm_fault_t ret = co_await vmf_insert_mixed(k, vmf, k.zero_pfn);
  trace_pte<Event::dax_load_hole>(k, vmf, ret);
  co_return ret;
}

}  // namespace

vm_fault_t dax_fault_return(std::int64_t error) {
  if (error == 0) return VM_FAULT_NOPAGE;
  if (error == -ENOMEM) return VM_FAULT_OOM;
  if (error == -EHWPOISON) return VM_FAULT_HWPOISON;
  return VM_FAULT_SIGBUS;
}

DirectAccess dax_iomap_direct_access(Kernel& k, const inode& host, const iomap& map,
                                     std::uint64_t pos, std::uint64_t size) {
  k.locks.annotate(k.dax_srcu, HoldMode::shared);
  PmemDevice& device = *host.i_sb->s_daxdev;
  const std::uint64_t at = map.addr + ((pos & PAGE_MASK) - map.offset);
  DirectAccess access;
  if (at + size > device.size()) {
    access.error = -EIO;
  } else if (device.bad_block(at, size)) {
    access.error = -EHWPOISON;
  } else {
    access.pfn = device.pfn(at);
    const bool misaligned = (access.pfn.v & ((size >> PAGE_SHIFT) - 1)) != 0;
    if (misaligned) access.error = -EINVAL;
  }
  return access;
}

// dax_iomap_copy_around(): the whole range is new, and what is not written comes from the old
// block.
std::int64_t dax_iomap_copy_around(Kernel& k, const iomap_iter& iter, Pfn to, std::uint64_t size) {
  if (iter.srcmap.type != IOMAP_MAPPED) {
    PmemDevice& device = *iter.host->i_sb->s_daxdev;
    device.content().zero((to - device.first_pfn()) << PAGE_SHIFT, size);
    return 0;
  }
  const DirectAccess from =
      dax_iomap_direct_access(k, *iter.host, iter.srcmap, iter.pos, PAGE_SIZE);
  if (from.error) return from.error;
  for (std::uint64_t i = 0; i < size >> PAGE_SHIFT; ++i) copy_page(k, to + i, from.pfn + i);
  k.engine.charge(k.costs.page_copy * (size >> PAGE_SHIFT));
  return 0;
}

Path<vm_fault_t> dax_pmd_load_hole(Kernel& k, vm_fault& vmf, XaEntry* entry) {
  inode& host = host_of(vmf);
  const Vaddr pmd_addr(vmf.address.v & PMD_MASK);
  const std::optional<Pfn> zero = mm_get_huge_zero_folio(k, *vmf.vma->vm_mm);
  if (!zero) {
    k.trace<Event::dax_pmd_load_hole_fallback>(host.i_sb->s_dev, host.i_ino, vmf.vma->vm_flags,
                                               vmf.real_address, 0, *entry);
    co_return VM_FAULT_FALLBACK;
  }
  const DaxInsert insert{vmf.pgoff, *zero, DAX_PMD | DAX_ZERO_PAGE, false};
  *entry = co_await dax_insert_entry(k, host.i_data, *entry, insert);
  spinlock_t& ptl = pmd_lockptr(k, vmf.pmd);
  co_await spin_lock(ptl);
  if (!pmd_none(*vmf.pmd)) {
    spin_unlock(ptl);
    k.trace<Event::dax_pmd_load_hole_fallback>(host.i_sb->s_dev, host.i_ino, vmf.vma->vm_flags,
                                               vmf.real_address, zero->v, *entry);
    co_return VM_FAULT_FALLBACK;
  }
  const pmd_t pmd = pmd_mkspecial(pmd_mkhuge(pfn_pmd(*zero, vmf.vma->vm_page_prot)));
  k.engine.charge(k.costs.pmd_install);
  set_pmd(vmf.pmd, pmd);
  note_pte_set(k, pmd_addr, pmd.v, PMD_ORDER);
  vmf.leaf_order = PMD_ORDER;
  spin_unlock(ptl);
  k.trace<Event::dax_pmd_load_hole>(host.i_sb->s_dev, host.i_ino, vmf.vma->vm_flags,
                                    vmf.real_address, zero->v, *entry);
  co_return VM_FAULT_NOPAGE;
}

Path<vm_fault_t> dax_fault_cow_page(Kernel& k, vm_fault& vmf, const iomap_iter& iter) {
  switch (iter.map.type) {
    case IOMAP_HOLE:
    case IOMAP_UNWRITTEN:
      k.dram.zero(vmf.cow_page.v << PAGE_SHIFT, PAGE_SIZE);
      k.engine.charge(k.costs.page_zero);
      break;
    case IOMAP_MAPPED: {
      const DirectAccess from =
          dax_iomap_direct_access(k, *iter.host, iter.map, iter.pos, PAGE_SIZE);
      if (from.error) co_return dax_fault_return(from.error);
      copy_page(k, vmf.cow_page, from.pfn);
      k.engine.charge(k.costs.page_copy);
      break;
    }
    default:
      co_return dax_fault_return(-EIO);
  }
  const vm_fault_t ret = co_await finish_fault(k, vmf);
  if (!ret) co_return VM_FAULT_DONE_COW;
  co_return ret;
}

namespace {

Path<vm_fault_t> dax_fault_iter(Kernel& k, vm_fault& vmf, const iomap_iter& iter, XaEntry* entry,
                                unsigned order) {
  const bool pmd = order == PMD_ORDER;
  const std::uint64_t size = pmd ? PMD_SIZE : PAGE_SIZE;
  const bool write = iter.flags & IOMAP_WRITE;
  if (!pmd && vmf.has_cow_page) {
    const vm_fault_t ret = co_await dax_fault_cow_page(k, vmf, iter);
    co_return ret;
  }
  const bool hole = iter.map.type == IOMAP_UNWRITTEN || iter.map.type == IOMAP_HOLE;
  if (!write && hole) {
    if (!pmd) {
      const vm_fault_t ret = co_await dax_load_hole(k, vmf, entry);
      co_return ret;
    }
    const vm_fault_t ret = co_await dax_pmd_load_hole(k, vmf, entry);
    co_return ret;
  }
  if (iter.map.type != IOMAP_MAPPED) co_return pmd ? VM_FAULT_FALLBACK : VM_FAULT_SIGBUS;
  const DirectAccess found = dax_iomap_direct_access(k, *iter.host, iter.map, iter.pos, size);
  if (found.error) co_return pmd ? VM_FAULT_FALLBACK : dax_fault_return(found.error);
  // A MAP_SYNC mapping may not show a block whose metadata a crash could take back.
  const bool sync = write && (vmf.vma->vm_flags & VM_SYNC) && (iter.map.flags & IOMAP_F_DIRTY) != 0;
  const bool shared = iter.map.flags & IOMAP_F_SHARED;
  const DaxInsert insert{vmf.pgoff, found.pfn, pmd ? DAX_PMD : 0, write && !sync, shared};
  *entry = co_await dax_insert_entry(k, iter.host->i_data, *entry, insert);
  if (write && shared) [[unlikely]] {
    const std::int64_t error = dax_iomap_copy_around(k, iter, found.pfn, size);
    if (error) co_return dax_fault_return(error);
  }
  if (sync) {
    vmf.sync_pfn = found.pfn;
    co_return VM_FAULT_NEEDDSYNC;
  }
  if (pmd) {
    const vm_fault_t ret = co_await vmf_insert_pfn_pmd(k, vmf, found.pfn, write);
    co_return ret;
  }
  if (write) {
    const vm_fault_t ret = co_await vmf_insert_mixed_mkwrite(k, vmf, found.pfn);
    co_return ret;
  }
  const vm_fault_t ret = co_await vmf_insert_mixed(k, vmf, found.pfn);
  co_return ret;
}

unsigned fault_iter_flags(const vm_fault& vmf) {
  unsigned flags = IOMAP_DAX | IOMAP_FAULT;
  if ((vmf.flags & FAULT_FLAG_WRITE) && !vmf.has_cow_page) flags |= IOMAP_WRITE;
  return flags;
}

iomap_iter fault_iter(const vm_fault& vmf, std::uint64_t size) {
  iomap_iter iter;
  iter.host = &host_of(vmf);
  iter.pos = (vmf.pgoff.v << PAGE_SHIFT) & ~(size - 1);
  iter.len = size;
  iter.flags = fault_iter_flags(vmf);
  return iter;
}

Path<vm_fault_t> dax_iomap_pte_fault(Kernel& k, vm_fault& vmf, const iomap_ops& ops) {
  inode& host = host_of(vmf);
  trace_pte<Event::dax_pte_fault>(k, vmf, vm_fault_t{});
  if (vmf.pgoff.v << PAGE_SHIFT >= host.i_size) {
    trace_pte<Event::dax_pte_fault_done>(k, vmf, VM_FAULT_SIGBUS);
    co_return VM_FAULT_SIGBUS;
  }
  GrabbedEntry grabbed = co_await grab_mapping_entry(k, host.i_data, vmf.pgoff, 0);
  if (grabbed.failed) {
    trace_pte<Event::dax_pte_fault_done>(k, vmf, grabbed.failed);
    co_return grabbed.failed;
  }
  vm_fault_t ret;
  if (pmd_leaf(*vmf.pmd)) {
    // A racing PMD fault has put a huge page here: nothing left to do.
    ret = VM_FAULT_NOPAGE;
  } else {
    iomap_iter iter = fault_iter(vmf, PAGE_SIZE);
    std::int64_t error = 0;
    for (;;) {
      error = co_await iomap_iter_next(k, iter, ops, "dax_iomap_pte_fault");
      if (error <= 0) break;
      if (iter.map.length < PAGE_SIZE) {
        iter.processed = -EIO;
        continue;
      }
      ret = co_await dax_fault_iter(k, vmf, iter, &grabbed.entry, 0);
      const bool allocated = (iter.flags & IOMAP_WRITE) && (iter.map.flags & IOMAP_F_NEW);
      if (ret != VM_FAULT_SIGBUS && allocated) ret |= VM_FAULT_MAJOR;
      if (!(ret & VM_FAULT_ERROR)) iter.processed = PAGE_SIZE;
    }
    if (error) ret |= dax_fault_return(error);
  }
  co_await dax_unlock_entry(k, host.i_data, vmf.pgoff, grabbed.entry);
  trace_pte<Event::dax_pte_fault_done>(k, vmf, ret);
  co_return ret;
}

// Geometry that rules a 2 MiB mapping out before any lock is taken. fault_path.md 5.5.
bool dax_fault_check_fallback(const vm_fault& vmf, Pgoff max_pgoff) {
  const Vaddr pmd_addr(vmf.address.v & PMD_MASK);
  const bool write = vmf.flags & FAULT_FLAG_WRITE;
  if ((vmf.pgoff.v & PG_PMD_COLOUR) != ((vmf.address.v >> PAGE_SHIFT) & PG_PMD_COLOUR)) return true;
  if (write && !(vmf.vma->vm_flags & VM_SHARED)) return true;
  if (pmd_addr < vmf.vma->vm_start) return true;
  if (pmd_addr + PMD_SIZE > vmf.vma->vm_end) return true;
  return (vmf.pgoff.v | PG_PMD_COLOUR) >= max_pgoff.v;
}

HelperPath<vm_fault_t> dax_pmd_fault_locked(Kernel& k, vm_fault& vmf, XaEntry* entry,
                                            const iomap_ops& ops) {
  // A racing PTE fault may have put a table here; refault, and meet it.
  if (!pmd_none(*vmf.pmd) && !pmd_leaf(*vmf.pmd)) co_return vm_fault_t{};
  iomap_iter iter = fault_iter(vmf, PMD_SIZE);
  vm_fault_t ret = VM_FAULT_FALLBACK;
  for (;;) {
    const std::int64_t more = co_await iomap_iter_next(k, iter, ops, "dax_iomap_pmd_fault");
    if (more <= 0) break;
    if (iter.map.offset + iter.map.length < iter.pos + PMD_SIZE) continue;
    ret = co_await dax_fault_iter(k, vmf, iter, entry, PMD_ORDER);
    if (ret != VM_FAULT_FALLBACK) iter.processed = PMD_SIZE;
  }
  co_return ret;
}

Path<vm_fault_t> dax_iomap_pmd_fault(Kernel& k, vm_fault& vmf, const iomap_ops& ops) {
  inode& host = host_of(vmf);
  const Pgoff max_pgoff((host.i_size + PAGE_SIZE - 1) >> PAGE_SHIFT);
  trace_pmd<Event::dax_pmd_fault>(k, vmf, max_pgoff, vm_fault_t{});
  vm_fault_t ret = VM_FAULT_FALLBACK;
  if (vmf.pgoff >= max_pgoff) {
    ret = VM_FAULT_SIGBUS;
  } else if (!dax_fault_check_fallback(vmf, max_pgoff)) {
    GrabbedEntry grabbed = co_await grab_mapping_entry(k, host.i_data, vmf.pgoff, PMD_ORDER);
    if (!grabbed.failed) {
      ret = co_await dax_pmd_fault_locked(k, vmf, &grabbed.entry, ops);
      co_await dax_unlock_entry(k, host.i_data, vmf.pgoff, grabbed.entry);
    }
  }
  if (ret == VM_FAULT_FALLBACK) {
    const bool huge = pmd_leaf(*vmf.pmd);
    if (huge) co_await __split_huge_pmd(k, *vmf.vma, vmf.pmd, vmf.address);
  }
  trace_pmd<Event::dax_pmd_fault_done>(k, vmf, max_pgoff, ret);
  co_return ret;
}

}  // namespace

Path<vm_fault_t> dax_iomap_fault(Kernel& k, vm_fault& vmf, unsigned order, const iomap_ops& ops) {
  const TailCall call(k);
  if (order == 0) return call.to(dax_iomap_pte_fault(k, vmf, ops));
  if (order == PMD_ORDER) return call.to(dax_iomap_pmd_fault(k, vmf, ops));
  return call.with(VM_FAULT_FALLBACK);  // no 1 GiB mappings of file systems
}

}  // namespace faultline
