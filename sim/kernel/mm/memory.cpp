// handle_mm_fault and the walk down the page tables: the PUD, PMD and PTE attempts, each one step
// smaller when the larger one falls back. Linux 6.12 mm/memory.c.
#include "kernel/mm/memory.hpp"

#include "kernel/mm/huge_memory.hpp"
#include "kernel/mm/mmap_lock.hpp"

namespace faultline {

// The lock of a table is made with the table and lives as long as its index.
static PageTable* new_table(Kernel& k, mm_struct& mm, PtLevel level) {
  PageTable* const table = mm.pgtables->alloc_table(level);
  if (!table) return nullptr;
  while (k.ptlocks.size() <= table->index) k.ptlocks.emplace_back();
  spinlock_t& lock = k.ptlocks[table->index];
  lock = spinlock_t{};
  init_lock(lock, k.locks, k.cls.ptlock, lock_id(LockOwner::page_table, mm.id, table->id));
  return table;
}

static PageTable* alloc_table(Kernel& k, mm_struct& mm, PtLevel level) {
  k.might_alloc();
  return new_table(k, mm, level);
}

spinlock_t& ptlock_of(Kernel& k, PageTable& table) { return k.ptlocks[table.index]; }

spinlock_t& pte_lockptr(Kernel& k, const mm_struct& mm, pmd_ptr pmd) {
  return ptlock_of(k, *mm.pgtables->pte_table(*pmd));
}

spinlock_t& pmd_lockptr(Kernel& k, pmd_ptr pmd) { return ptlock_of(k, *PageTables::table_of(pmd)); }

PageTable* pte_alloc_one(Kernel& k, mm_struct& mm) {
  if (k.inject.fails(FailPoint::pte_alloc_one)) return nullptr;
  return alloc_table(k, mm, PtLevel::pte);
}

PageTable* pgtable_trans_huge_withdraw(Kernel& k, mm_struct& mm) {
  return new_table(k, mm, PtLevel::pte);
}

Path<vm_fault_t> __p4d_alloc(Kernel& k, mm_struct& mm, pgd_ptr pgd) {
  PageTable* const fresh = alloc_table(k, mm, PtLevel::p4d);
  if (!fresh) co_return VM_FAULT_OOM;
  co_await spin_lock(mm.page_table_lock);
  if (mm.pgtables->pgd_none(*pgd)) {
    mm.pgtables->pgd_populate(pgd, fresh);
  } else {
    mm.pgtables->free_table(fresh);
  }
  spin_unlock(mm.page_table_lock);
  co_return vm_fault_t{};
}

Path<vm_fault_t> __pud_alloc(Kernel& k, mm_struct& mm, p4d_ptr p4d) {
  if (k.inject.fails(FailPoint::pud_alloc)) co_return VM_FAULT_OOM;
  PageTable* const fresh = alloc_table(k, mm, PtLevel::pud);
  if (!fresh) co_return VM_FAULT_OOM;
  co_await spin_lock(mm.page_table_lock);
  if (p4d_none(*p4d)) {
    mm.pgtables->p4d_populate(p4d, fresh);
  } else {
    mm.pgtables->free_table(fresh);
  }
  spin_unlock(mm.page_table_lock);
  co_return vm_fault_t{};
}

Path<vm_fault_t> __pmd_alloc(Kernel& k, mm_struct& mm, pud_ptr pud) {
  if (k.inject.fails(FailPoint::pmd_alloc)) co_return VM_FAULT_OOM;
  PageTable* const fresh = alloc_table(k, mm, PtLevel::pmd);
  if (!fresh) co_return VM_FAULT_OOM;
  co_await spin_lock(mm.page_table_lock);
  if (pud_none(*pud)) {
    mm.pgtables->pud_populate(pud, fresh);
  } else {
    mm.pgtables->free_table(fresh);
  }
  spin_unlock(mm.page_table_lock);
  co_return vm_fault_t{};
}

Path<void> pmd_install(Kernel& k, mm_struct& mm, pmd_ptr pmd, PageTable** table) {
  spinlock_t& ptl = pmd_lockptr(k, pmd);
  co_await spin_lock(ptl);
  if (pmd_none(*pmd)) {
    mm.pgtables->pmd_populate(pmd, *table);
    *table = nullptr;
  }
  spin_unlock(ptl);
}

Path<vm_fault_t> __pte_alloc(Kernel& k, mm_struct& mm, pmd_ptr pmd) {
  PageTable* fresh = pte_alloc_one(k, mm);
  if (!fresh) co_return VM_FAULT_OOM;
  co_await pmd_install(k, mm, pmd, &fresh);
  if (fresh) mm.pgtables->free_table(fresh);
  co_return vm_fault_t{};
}

pte_ptr place_tables(Kernel& k, mm_struct& mm, Vaddr address) {
  PageTables& tables = *mm.pgtables;
  const auto fresh = [&](PtLevel level) { return new_table(k, mm, level); };
  const pgd_ptr pgd = tables.pgd_offset(address);
  if (tables.pgd_none(*pgd)) {
    PageTable* const table = fresh(PtLevel::p4d);
    if (!table) return {};
    tables.pgd_populate(pgd, table);
  }
  const p4d_ptr p4d = tables.p4d_offset(pgd, address);
  if (p4d_none(*p4d)) {
    PageTable* const table = fresh(PtLevel::pud);
    if (!table) return {};
    tables.p4d_populate(p4d, table);
  }
  const pud_ptr pud = tables.pud_offset(p4d, address);
  if (pud_none(*pud)) {
    PageTable* const table = fresh(PtLevel::pmd);
    if (!table) return {};
    tables.pud_populate(pud, table);
  }
  const pmd_ptr pmd = tables.pmd_offset(pud, address);
  if (pmd_none(*pmd)) {
    PageTable* const table = fresh(PtLevel::pte);
    if (!table) return {};
    tables.pmd_populate(pmd, table);
  }
  return tables.pte_offset(pmd, address);
}

bool place_anon_page(Kernel& k, vm_area_struct& vma, Vaddr address) {
  mm_struct& mm = *vma.vm_mm;
  const pte_ptr slot = place_tables(k, mm, address);
  const std::optional<Pfn> frame = slot ? k.frames.alloc() : std::nullopt;
  if (!frame) return false;
  pte_t entry = pte_mkdirty(mk_pte(*frame, vma.vm_page_prot));
  if (vma.vm_flags & VM_WRITE) entry = pte_mkwrite(entry);
  set_pte(slot, entry);
  ++mm.rss.anon;
  return true;
}

void note_pte_set(Kernel& k, Vaddr address, std::uint64_t entry, unsigned order) {
  k.trace<Event::sim_pte_set>(address, (entry & PTE_PFN_MASK) >> PAGE_SHIFT, order,
                              entry & ~PTE_PFN_MASK);
}

// A page fault meets an entry that is already there: only its bits may be missing.
static Path<vm_fault_t> pte_access_flags(Kernel& k, vm_fault& vmf) {
  pte_t entry = pte_mkyoung(*vmf.pte);
  if (vmf.flags & FAULT_FLAG_WRITE) entry = pte_mkdirty(entry);
  if (!pte_same(entry, *vmf.pte)) {
    set_pte(vmf.pte, entry);
    note_pte_set(k, vmf.address, entry.v, 0);
  }
  vmf.leaf_order = 0;
  spin_unlock(*vmf.ptl);
  co_return vm_fault_t{};
}

// The part of handle_pte_fault() that has an entry; in call paths under the same name.
static Path<vm_fault_t> handle_pte_fault(Kernel& k, vm_fault& vmf, spinlock_t& ptl) {
  vmf.ptl = &ptl;
  co_await spin_lock(ptl);
  if (!pte_same(*vmf.pte, vmf.orig_pte)) {
    spin_unlock(ptl);
    co_return vm_fault_t{};
  }
  if ((vmf.flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)) && !pte_write(vmf.orig_pte)) {
    const vm_fault_t wp = co_await do_wp_page(k, vmf);
    co_return wp;
  }
  const vm_fault_t young = co_await pte_access_flags(k, vmf);
  co_return young;
}

static Path<vm_fault_t> handle_pte_fault(Kernel& k, vm_fault& vmf) {
  mm_struct& mm = *vmf.vma->vm_mm;
  if (pmd_none(*vmf.pmd)) {
    // No PTE table: its allocation is left to who needs it, since ->fault may install a huge page.
    vmf.pte = pte_ptr();
    vmf.flags &= ~FAULT_FLAG_ORIG_PTE_VALID;
  } else {
    vmf.pte = mm.pgtables->pte_offset(vmf.pmd, vmf.address);
    vmf.orig_pte = *vmf.pte;
    vmf.flags |= FAULT_FLAG_ORIG_PTE_VALID;
    if (pte_none(vmf.orig_pte)) vmf.pte = pte_ptr();
  }
  if (vmf.pte) return handle_pte_fault(k, vmf, pte_lockptr(k, mm, vmf.pmd));
  const TailCall call(k);  // do_pte_missing()
  if (vma_is_anonymous(*vmf.vma)) return call.to(do_anonymous_page(k, vmf));
  return call.to(do_fault(k, vmf));
}

// There is no anonymous 1 GiB page.
static Path<vm_fault_t> create_huge_pud(Kernel& k, vm_fault& vmf) {
  const vm_operations_struct* const ops = vmf.vma->vm_ops;
  if (!ops || !ops->huge_fault) co_return VM_FAULT_FALLBACK;
  const vm_fault_t ret = co_await ops->huge_fault(k, vmf, PUD_ORDER);
  co_return ret;
}

// A 1 GiB entry is present. FALLBACK: it has been taken away for smaller ones.
static Path<vm_fault_t> handle_huge_pud(Kernel& k, vm_fault& vmf) {
  if ((vmf.flags & FAULT_FLAG_WRITE) && !pud_write(vmf.orig_pud)) {
    const vm_fault_t ret = co_await wp_huge_pud(k, vmf);
    co_return ret;
  }
  co_await huge_pud_set_accessed(k, vmf);
  co_return vm_fault_t{};
}

static Path<vm_fault_t> create_huge_pmd(Kernel& k, vm_fault& vmf) {
  if (vma_is_anonymous(*vmf.vma)) {
    const vm_fault_t ret = co_await do_huge_pmd_anonymous_page(k, vmf);
    co_return ret;
  }
  if (!vmf.vma->vm_ops->huge_fault) co_return VM_FAULT_FALLBACK;
  const vm_fault_t ret = co_await vmf.vma->vm_ops->huge_fault(k, vmf, PMD_ORDER);
  co_return ret;
}

// A huge entry is present: either it must become writable, or another CPU was faster.
static Path<vm_fault_t> handle_huge_pmd(Kernel& k, vm_fault& vmf) {
  if ((vmf.flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)) && !pmd_write(vmf.orig_pmd)) {
    const vm_fault_t ret = co_await wp_huge_pmd(k, vmf);
    co_return ret;
  }
  co_await huge_pmd_set_accessed(k, vmf);
  co_return vm_fault_t{};
}

static Path<vm_fault_t> __handle_mm_fault(Kernel& k, vm_fault& vmf) {
  vm_area_struct& vma = *vmf.vma;
  mm_struct& mm = *vma.vm_mm;
  k.engine.charge(k.costs.fault_dispatch);
  const pgd_ptr pgd = mm.pgtables->pgd_offset(vmf.address);
  if (mm.pgtables->pgd_none(*pgd)) [[unlikely]] {
    const vm_fault_t error = co_await __p4d_alloc(k, mm, pgd);
    if (error) co_return error;
  }
  const p4d_ptr p4d = mm.pgtables->p4d_offset(pgd, vmf.address);
  if (p4d_none(*p4d)) {
    const vm_fault_t error = co_await __pud_alloc(k, mm, p4d);
    if (error) co_return error;
  }
  vmf.pud = mm.pgtables->pud_offset(p4d, vmf.address);
  if (pud_none(*vmf.pud) && thp_vma_allowable_order(k, vma, PUD_ORDER)) {
    const vm_fault_t ret = co_await create_huge_pud(k, vmf);
    if (!(ret & VM_FAULT_FALLBACK)) co_return ret;
  } else if (pud_leaf(*vmf.pud)) [[unlikely]] {
    vmf.orig_pud = *vmf.pud;
    const vm_fault_t ret = co_await handle_huge_pud(k, vmf);
    if (!(ret & VM_FAULT_FALLBACK)) co_return ret;
  }
  if (pud_none(*vmf.pud)) {
    const vm_fault_t error = co_await __pmd_alloc(k, mm, vmf.pud);
    if (error) co_return error;
  }
  // pud_trans_unstable(): another task has just mapped the whole GiB.
  if (pud_leaf(*vmf.pud)) [[unlikely]]
    co_return vm_fault_t{};
  vmf.pmd = mm.pgtables->pmd_offset(vmf.pud, vmf.address);
  if (pmd_none(*vmf.pmd) && thp_vma_allowable_order(k, vma, PMD_ORDER)) {
    const vm_fault_t ret = co_await create_huge_pmd(k, vmf);
    if (!(ret & VM_FAULT_FALLBACK)) co_return ret;
  } else {
    vmf.orig_pmd = *vmf.pmd;
    if (pmd_leaf(vmf.orig_pmd)) {
      const vm_fault_t ret = co_await handle_huge_pmd(k, vmf);
      if (!(ret & VM_FAULT_FALLBACK)) co_return ret;
    }
  }
  const vm_fault_t ret = co_await handle_pte_fault(k, vmf);
  co_return ret;
}

// Combinations of flags that no caller may make, or that mean the access can never succeed.
static vm_fault_t sanitize_fault_flags(Kernel& k, const vm_area_struct& vma, std::uint32_t flags) {
  if (!(flags & FAULT_FLAG_WRITE)) return {};
  const bool may_cow = (vma.vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
  if (!(vma.vm_flags & VM_MAYWRITE)) {
    k.warn_on_once("handle_mm_fault: a write fault on a mapping that may not be written");
    return VM_FAULT_SIGSEGV;
  }
  if (!(vma.vm_flags & VM_WRITE) && !may_cow) {
    k.warn_on_once("handle_mm_fault: a forced write fault on a shared mapping");
    return VM_FAULT_SIGSEGV;
  }
  return {};
}

static void mm_account_fault(Kernel& k, vm_fault_t ret, std::uint32_t flags) {
  if (ret & (VM_FAULT_RETRY | VM_FAULT_ERROR)) return;
  task_struct& current = k.current();
  const bool major = bool(ret & VM_FAULT_MAJOR) || (flags & FAULT_FLAG_TRIED);
  ++(major ? current.maj_flt : current.min_flt);
}

Path<vm_fault_t> handle_mm_fault(Kernel& k, vm_area_struct& vma, Vaddr address,
                                 std::uint32_t flags) {
  const vm_fault_t bad = sanitize_fault_flags(k, vma, flags);
  if (bad) co_return bad;
  vm_fault vmf;
  vmf.vma = &vma;
  vmf.real_address = address;
  vmf.address = Vaddr(address.v & PAGE_MASK);
  vmf.pgoff = linear_page_index(vma, address);
  vmf.flags = flags;
  const vm_fault_t ret = co_await __handle_mm_fault(k, vmf);
  k.current().last_fault.leaf_order = vmf.leaf_order;
  mm_account_fault(k, ret, flags);
  co_return ret;
}

}  // namespace faultline
