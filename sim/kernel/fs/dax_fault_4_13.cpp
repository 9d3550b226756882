// Faults on a DAX file as Linux 4.13 fs/dax.c has them. The slot of a hole that was read holds a
// page of zeros, a small write maps its block read-only, so that the store faults a second time,
// and an entry is made under a second hold of tree_lock, memory having been set aside in between.
#include <cerrno>

#include "kernel/fs/dax_trace.hpp"
#include "kernel/fs/inode.hpp"
#include "kernel/mm/huge_memory.hpp"
#include "kernel/mm/memory.hpp"

namespace faultline {

namespace {

folio& page_of(Kernel& k, XaEntry entry) { return *k.folios.of(dax_to_pfn(entry)); }

// tree_lock is held. The page leaves its slot; it is locked by the caller and freed with the lock.
void delete_page(Kernel& k, address_space& mapping, folio& page) {
  mapping.i_pages.store(page.index, 0, 0);
  mapping.nrpages -= 1;
  page.mapping = nullptr;
  k.engine.charge(k.costs.dax_entry_insert);
}

// Who still waits for the page's lock has a reference; the last one to look frees it.
void free_page(Kernel& k, folio& page) {
  const Pfn pfn = page.pfn;
  folio_unlock(k, page);
  if (page.lock) return;
  k.frames.free_folio(pfn, 0);
  k.folios.drop(page);
}

}  // namespace

Path<void> dax_drop_hole_page(Kernel& k, address_space& mapping, Pgoff index) {
  folio& page = page_of(k, mapping.i_pages.load(index.v));
  co_await folio_lock(k, page);
  if (page.mapping != &mapping) {  // somebody else was faster
    free_page(k, page);
    co_return;
  }
  co_await unmap_mapping_pages(k, mapping, index, 1);
  co_await spin_lock(mapping.xa_lock);
  delete_page(k, mapping, page);
  spin_unlock(mapping.xa_lock);
  free_page(k, page);
}

namespace v4_13 {

namespace {

// A zero or empty entry of 2 MiB is in the way of a small one.
bool needs_downgrade(XaEntry entry, unsigned order) {
  if (entry == 0 || order != 0 || dax_is_page(entry) || !dax_is_pmd_entry(entry)) return false;
  return dax_is_zero_entry(entry) || dax_is_empty_entry(entry);
}

// With tree_lock held: the entry of 2 MiB is locked, unmapped, and removed; everybody is woken.
// tree_lock is held again afterwards.
HelperPath<void> remove_huge_entry(Kernel& k, address_space& mapping, Pgoff index, XaEntry entry) {
  const Pgoff first(index.v & ~PG_PMD_COLOUR);
  dax_lock_entry(k, mapping, index, entry);
  DaxEntryLock& lock = dax_entry_lock(k, mapping, index, entry);
  k.locks.bit_set(lock);
  spin_unlock(mapping.xa_lock);
  if (dax_is_zero_entry(entry)) {
    co_await unmap_mapping_pages(k, mapping, first, 1ULL << PMD_ORDER);
  }
  co_await spin_lock(mapping.xa_lock);
  k.locks.bit_cleared(lock);
  mapping.i_pages.store(first.v, PMD_ORDER, 0);
  mapping.nrpages -= 1ULL << PMD_ORDER;
  lock.owner = nullptr;
  dax_wake_entry(k, mapping, index, entry, WakeMode::all);
}

// With tree_lock held, which is released: the empty, locked entry; 0 if it does not fit.
XaEntry insert_empty_entry(Kernel& k, address_space& mapping, Pgoff index, unsigned order) {
  std::uint64_t where = 0;
  const std::uint64_t last = index.v + (1ULL << order) - 1;
  const bool collides = mapping.i_pages.find(index.v, last, &where) != 0;
  XaEntry entry = 0;
  if (!collides) {
    entry = dax_make_entry(Pfn(0), DAX_EMPTY | (order != 0 ? DAX_PMD : 0));
    mapping.i_pages.store(index.v, order, entry);
    mapping.nrpages += 1ULL << order;
    k.engine.charge(k.costs.dax_entry_insert);
    dax_lock_entry(k, mapping, index, entry);
  }
  spin_unlock(mapping.xa_lock);
  if (entry != 0) {
    k.locks.acquired(dax_entry_lock(k, mapping, index, entry), HoldMode::exclusive, false);
  }
  return entry;
}

// The page of a hole, locked; false if it has left the file meanwhile.
HelperPath<bool> lock_hole_page(Kernel& k, address_space& mapping, XaEntry entry) {
  folio& page = page_of(k, entry);
  co_await folio_lock(k, page);
  if (page.mapping == &mapping) co_return true;
  free_page(k, page);
  co_return false;
}

Path<GrabbedEntry> grab_mapping_entry(Kernel& k, address_space& mapping, Pgoff index,
                                      unsigned order) {
  GrabbedEntry grabbed;
  for (;;) {
    co_await spin_lock(mapping.xa_lock);
    bool conflict = false;
    XaEntry entry = co_await get_unlocked_entry(k, mapping, index, 0, &conflict);
    const bool small = entry != 0 && (dax_is_page(entry) || dax_is_pte_entry(entry));
    if (order != 0 && small) {
      dax_wake_entry(k, mapping, index, entry, WakeMode::next);
      spin_unlock(mapping.xa_lock);
      grabbed.failed = VM_FAULT_FALLBACK;
      co_return grabbed;
    }
    const bool downgrade = needs_downgrade(entry, order);
    if (entry == 0) {
      // Memory is set aside without the lock; somebody else may be faster meanwhile.
      spin_unlock(mapping.xa_lock);
      k.engine.charge(k.costs.page_alloc);
      co_await spin_lock(mapping.xa_lock);
      if (mapping.i_pages.load(index.v) != 0) {
        spin_unlock(mapping.xa_lock);
        continue;
      }
    }
    if (downgrade) co_await remove_huge_entry(k, mapping, index, entry);
    if (entry == 0 || downgrade) {
      grabbed.entry = insert_empty_entry(k, mapping, index, order);
      if (grabbed.entry == 0) grabbed.failed = VM_FAULT_FALLBACK;
      co_return grabbed;
    }
    if (dax_is_page(entry)) {
      spin_unlock(mapping.xa_lock);
      const bool locked = co_await lock_hole_page(k, mapping, entry);
      if (!locked) continue;
      grabbed.entry = entry;
      co_return grabbed;
    }
    dax_lock_entry(k, mapping, index, entry);
    k.engine.charge(k.costs.dax_entry_lock);
    spin_unlock(mapping.xa_lock);
    k.locks.acquired(dax_entry_lock(k, mapping, index, entry), HoldMode::exclusive, false);
    grabbed.entry = entry;
    co_return grabbed;
  }
}

Path<void> put_locked_mapping_entry(Kernel& k, address_space& mapping, Pgoff index, XaEntry entry) {
  if (dax_is_page(entry)) {
    folio_unlock(k, page_of(k, entry));
    co_return;
  }
  co_await dax_unlock_entry(k, mapping, index, entry);
}

// Puts the block into the locked entry. A page of zeros makes room for it and is unmapped first.
Path<XaEntry> dax_insert_mapping_entry(Kernel& k, address_space& mapping, XaEntry entry,
                                       DaxInsert in) {
  if (!dax_is_page(entry)) {
    const XaEntry stored = co_await dax_insert_entry(k, mapping, entry, in);
    co_return stored;
  }
  if (in.dirty) __mark_inode_dirty_pages(k, *mapping.host);
  co_await unmap_mapping_pages(k, mapping, in.index, 1);
  folio& page = page_of(k, entry);
  co_await spin_lock(mapping.xa_lock);
  delete_page(k, mapping, page);
  const XaEntry stored = dax_make_entry(in.pfn, in.flags);
  mapping.i_pages.store(in.index.v, 0, stored);
  mapping.nrpages += 1;
  dax_lock_entry(k, mapping, in.index, stored);
  if (in.dirty) mapping.i_pages.set_mark(in.index.v, 0, XaMark::dirty);
  spin_unlock(mapping.xa_lock);
  k.locks.acquired(dax_entry_lock(k, mapping, in.index, stored), HoldMode::exclusive, false);
  free_page(k, page);
  co_return stored;
}

// With the entry locked: a page of zeros in its place, locked as well; null without memory. Who
// waits for the entry looks again and finds the page.
Path<folio*> find_or_create_page(Kernel& k, address_space& mapping, Pgoff index, XaEntry* entry) {
  const std::optional<Pfn> pfn = k.frames.alloc_folio(0);
  k.engine.charge(k.costs.page_alloc + k.costs.page_zero);
  if (!pfn) co_return nullptr;
  folio& page = k.folios.make(&mapping, index.v, *pfn, 0);
  k.dram.zero(pfn->v << PAGE_SHIFT, PAGE_SIZE);
  folio_trylock(k, page);
  DaxEntryLock& lock = dax_entry_lock(k, mapping, index, *entry);
  k.locks.released(lock);
  co_await spin_lock(mapping.xa_lock);
  const XaEntry old = *entry;
  *entry = dax_make_entry(*pfn, DAX_PAGE);
  mapping.i_pages.store(index.v, 0, *entry);
  lock.owner = nullptr;
  dax_wake_entry(k, mapping, index, old, WakeMode::all);
  spin_unlock(mapping.xa_lock);
  co_return &page;
}

Path<vm_fault_t> dax_load_hole(Kernel& k, vm_fault& vmf, XaEntry* entry) {
  address_space& mapping = host_of(vmf).i_data;
  folio* page = dax_is_page(*entry) ? &page_of(k, *entry) : nullptr;
  if (!page) page = co_await find_or_create_page(k, mapping, vmf.pgoff, entry);
  vm_fault_t ret = VM_FAULT_OOM;
  if (page) {
    vmf.folio = page;
    ret = co_await finish_fault(k, vmf);
    vmf.folio = nullptr;
    if (!ret) ret = VM_FAULT_NOPAGE;
  }
  trace_pte<Event::dax_load_hole>(k, vmf, ret);
  co_return ret;
}

// The block is in the slot and mapped with the protection of the VMA, which is read-only where the
// file system wants to hear of the first store: that store faults again.
Path<vm_fault_t> dax_insert_mapping(Kernel& k, vm_fault& vmf, const iomap& map, XaEntry* entry) {
  inode& host = host_of(vmf);
  const std::uint64_t pos = vmf.pgoff.v << PAGE_SHIFT;
  const bool write = vmf.flags & FAULT_FLAG_WRITE;
  const DirectAccess found = dax_iomap_direct_access(k, host, map, pos, PAGE_SIZE);
  if (found.error) co_return VM_FAULT_SIGBUS;  // poison too is an I/O error here
  const DaxInsert insert{vmf.pgoff, found.pfn, 0, write};
  *entry = co_await dax_insert_mapping_entry(k, host.i_data, *entry, insert);
  k.trace<Event::dax_insert_mapping>(host.i_sb->s_dev, host.i_ino, vmf.vma->vm_flags, write,
                                     vmf.real_address, *entry);
  const vm_fault_t ret = co_await vmf_insert_mixed(k, vmf, found.pfn);
  co_return ret;
}

HelperPath<vm_fault_t> pte_fault_locked(Kernel& k, vm_fault& vmf, XaEntry* entry,
                                        const iomap_ops& ops) {
  if (pmd_leaf(*vmf.pmd)) co_return VM_FAULT_NOPAGE;
  const bool write = vmf.flags & FAULT_FLAG_WRITE;
  iomap_iter iter;
  iter.host = &host_of(vmf);
  iter.pos = vmf.pgoff.v << PAGE_SHIFT;
  iter.len = PAGE_SIZE;
  iter.flags = IOMAP_FAULT | (write && !vmf.has_cow_page ? IOMAP_WRITE : 0);
  const std::int64_t error = co_await ops.iomap_begin(k, *iter.host, iter.pos, iter.len, iter.flags,
                                                      iter.map, iter.srcmap);
  if (error) co_return dax_fault_return(error);
  if (vmf.has_cow_page) {
    const vm_fault_t copied = co_await dax_fault_cow_page(k, vmf, iter);
    co_return copied& VM_FAULT_HWPOISON ? VM_FAULT_SIGBUS : copied;
  }
  if (iter.map.type == IOMAP_MAPPED) {
    vm_fault_t ret = co_await dax_insert_mapping(k, vmf, iter.map, entry);
    if (iter.map.flags & IOMAP_F_NEW) ret |= VM_FAULT_MAJOR;
    co_return ret;
  }
  if (write) co_return VM_FAULT_SIGBUS;
  const vm_fault_t ret = co_await dax_load_hole(k, vmf, entry);
  co_return ret;
}

Path<vm_fault_t> dax_iomap_pte_fault(Kernel& k, vm_fault& vmf, const iomap_ops& ops) {
  inode& host = host_of(vmf);
  trace_pte<Event::dax_pte_fault>(k, vmf, vm_fault_t{});
  vm_fault_t ret = VM_FAULT_SIGBUS;
  if (vmf.pgoff.v << PAGE_SHIFT < host.i_size) {
    GrabbedEntry grabbed = co_await v4_13::grab_mapping_entry(k, host.i_data, vmf.pgoff, 0);
    if (grabbed.failed) {
      ret = grabbed.failed;
    } else {
      ret = co_await pte_fault_locked(k, vmf, &grabbed.entry, ops);
      co_await put_locked_mapping_entry(k, host.i_data, vmf.pgoff, grabbed.entry);
    }
  }
  trace_pte<Event::dax_pte_fault_done>(k, vmf, ret);
  co_return ret;
}

vm_fault_t check_geometry(const vm_fault& vmf, Pgoff max_pgoff) {
  const Vaddr pmd_addr(vmf.address.v & PMD_MASK);
  const bool write = vmf.flags & FAULT_FLAG_WRITE;
  const std::uint64_t colour = (vmf.address.v >> PAGE_SHIFT) & PG_PMD_COLOUR;
  if ((vmf.pgoff.v & PG_PMD_COLOUR) != colour) return VM_FAULT_FALLBACK;
  if (write && !(vmf.vma->vm_flags & VM_SHARED)) return VM_FAULT_FALLBACK;
  if (pmd_addr < vmf.vma->vm_start || pmd_addr + PMD_SIZE > vmf.vma->vm_end) {
    return VM_FAULT_FALLBACK;
  }
  const std::uint64_t first = vmf.pgoff.v & ~PG_PMD_COLOUR;
  if (first > max_pgoff.v) return VM_FAULT_SIGBUS;
  return (first | PG_PMD_COLOUR) > max_pgoff.v ? VM_FAULT_FALLBACK : vm_fault_t{};
}

HelperPath<vm_fault_t> pmd_insert_mapping(Kernel& k, vm_fault& vmf, const iomap_iter& iter,
                                          XaEntry* entry) {
  const DirectAccess found = dax_iomap_direct_access(k, *iter.host, iter.map, iter.pos, PMD_SIZE);
  if (found.error) co_return VM_FAULT_FALLBACK;
  const bool write = vmf.flags & FAULT_FLAG_WRITE;
  const DaxInsert insert{vmf.pgoff, found.pfn, DAX_PMD, write};
  *entry = co_await dax_insert_mapping_entry(k, iter.host->i_data, *entry, insert);
  const vm_fault_t ret = co_await vmf_insert_pfn_pmd(k, vmf, found.pfn, write);
  co_return ret;
}

HelperPath<vm_fault_t> pmd_fault_locked(Kernel& k, vm_fault& vmf, XaEntry* entry,
                                        const iomap_ops& ops) {
  if (!pmd_none(*vmf.pmd) && !pmd_leaf(*vmf.pmd)) co_return vm_fault_t{};
  const bool write = vmf.flags & FAULT_FLAG_WRITE;
  iomap_iter iter;
  iter.host = &host_of(vmf);
  iter.pos = (vmf.pgoff.v << PAGE_SHIFT) & PMD_MASK;
  iter.len = PMD_SIZE;
  iter.flags = IOMAP_FAULT | (write ? IOMAP_WRITE : 0);
  const std::int64_t error = co_await ops.iomap_begin(k, *iter.host, iter.pos, iter.len, iter.flags,
                                                      iter.map, iter.srcmap);
  if (error) co_return VM_FAULT_FALLBACK;
  if (iter.map.offset + iter.map.length < iter.pos + PMD_SIZE) co_return VM_FAULT_FALLBACK;
  if (iter.map.type == IOMAP_MAPPED) {
    const vm_fault_t ret = co_await pmd_insert_mapping(k, vmf, iter, entry);
    co_return ret;
  }
  if (write) co_return VM_FAULT_FALLBACK;
  const vm_fault_t ret = co_await dax_pmd_load_hole(k, vmf, entry);
  co_return ret;
}

Path<vm_fault_t> dax_iomap_pmd_fault(Kernel& k, vm_fault& vmf, const iomap_ops& ops) {
  inode& host = host_of(vmf);
  // For an empty file this wraps, as it does in the kernel: no page is beyond the end then.
  const Pgoff max_pgoff((host.i_size - 1) >> PAGE_SHIFT);
  trace_pmd<Event::dax_pmd_fault>(k, vmf, max_pgoff, vm_fault_t{});
  vm_fault_t ret = check_geometry(vmf, max_pgoff);
  if (!ret) {
    const Pgoff first(vmf.pgoff.v & ~PG_PMD_COLOUR);
    GrabbedEntry grabbed = co_await v4_13::grab_mapping_entry(k, host.i_data, first, PMD_ORDER);
    ret = VM_FAULT_FALLBACK;
    if (!grabbed.failed) {
      ret = co_await pmd_fault_locked(k, vmf, &grabbed.entry, ops);
      co_await put_locked_mapping_entry(k, host.i_data, first, grabbed.entry);
    }
  }
  if (ret == VM_FAULT_FALLBACK && pmd_leaf(*vmf.pmd)) {
    co_await __split_huge_pmd(k, *vmf.vma, vmf.pmd, vmf.address);
  }
  trace_pmd<Event::dax_pmd_fault_done>(k, vmf, max_pgoff, ret);
  co_return ret;
}

}  // namespace

Path<vm_fault_t> dax_iomap_fault(Kernel& k, vm_fault& vmf, unsigned order, const iomap_ops& ops) {
  vm_fault_t ret = VM_FAULT_FALLBACK;  // no 1 GiB mappings of file systems
  if (order == 0) ret = co_await dax_iomap_pte_fault(k, vmf, ops);
  if (order == PMD_ORDER) ret = co_await dax_iomap_pmd_fault(k, vmf, ops);
  co_return ret;
}

Path<vm_fault_t> dax_pfn_mkwrite(Kernel& k, vm_fault& vmf) {
  address_space& mapping = host_of(vmf).i_data;
  co_await spin_lock(mapping.xa_lock);
  bool conflict = false;
  const XaEntry entry = co_await get_unlocked_entry(k, mapping, vmf.pgoff, 0, &conflict);
  if (entry == 0 || dax_is_page(entry)) {
    if (entry != 0) dax_wake_entry(k, mapping, vmf.pgoff, entry, WakeMode::next);
    spin_unlock(mapping.xa_lock);
    trace_pte<Event::dax_pfn_mkwrite_no_entry>(k, vmf, VM_FAULT_NOPAGE);
    co_return VM_FAULT_NOPAGE;
  }
  const std::uint64_t first = vmf.pgoff.v & ~((1ULL << dax_entry_order(entry)) - 1);
  mapping.i_pages.set_mark(first, dax_entry_order(entry), XaMark::dirty);
  dax_lock_entry(k, mapping, vmf.pgoff, entry);
  spin_unlock(mapping.xa_lock);
  k.locks.acquired(dax_entry_lock(k, mapping, vmf.pgoff, entry), HoldMode::exclusive, false);
  co_await finish_mkwrite_fault(k, vmf);
  co_await put_locked_mapping_entry(k, mapping, vmf.pgoff, entry);
  trace_pte<Event::dax_pfn_mkwrite>(k, vmf, VM_FAULT_NOPAGE);
  co_return VM_FAULT_NOPAGE;
}

}  // namespace v4_13
}  // namespace faultline
