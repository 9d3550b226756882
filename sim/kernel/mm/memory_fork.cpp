// Copying page tables at fork: private pages become read-only on both sides and shared, until one
// of them writes. Linux 6.12 mm/memory.c copy_page_range, copy_pte_range, copy_present_ptes, and
// copy_huge_pmd of mm/huge_memory.c. A page of the page cache counts the new mapping in its folio,
// an anonymous page in its frame. A page that is pinned is copied at once: the device
// and the parent go on with the one they have. Left out: device frames with references.
#include <cerrno>

#include "kernel/mm/huge_memory.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/tlb.hpp"

namespace faultline {

namespace {

bool is_cow_mapping(vm_flags_t flags) { return (flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE; }

// vma_needs_copy(): entries that a fault can bring back are left to it.
bool needs_copy(const vm_area_struct& original) {
  return (original.vm_flags & (VM_PFNMAP | VM_MIXEDMAP)) != 0 || original.anon_vma;
}

// Counts the page of a copied entry; true if it is anonymous.
bool dup_rmap(Kernel& k, mm_struct& mm, pte_t pte) {
  if (pte_special(pte) || pte_devmap(pte)) return false;
  if (folio* const cached = k.folios.of(pte_pfn(pte))) {
    ++cached->mapcount;
    ++cached->refs;
    ++mm_counter_file(mm, *cached);
    return false;
  }
  k.frames.get(pte_pfn(pte));
  ++mm.rss.anon;
  return true;
}

// page_needs_cow_for_dma(): a device uses the page, and the parent must not lose it to a copy.
bool page_needs_cow_for_dma(const Kernel& k, const mm_struct& old, pte_t pte) {
  if (!old.has_pinned || pte_special(pte) || pte_devmap(pte) || pte_shared_anon(pte)) return false;
  if (k.folios.of(pte_pfn(pte))) return false;
  const std::uint64_t pages = k.frames.in_huge(pte_pfn(pte)) ? 1ULL << PMD_ORDER : 1;
  return k.pins.any(k.frames.head(pte_pfn(pte)), pages);
}

// copy_present_page(): the child gets a copy, the parent's entry stays as it is.
void copy_present_page(Kernel& k, vm_area_struct& copy, pte_ptr to, pte_t from, Pfn fresh) {
  copy_page(k, fresh, pte_pfn(from));
  k.engine.charge(k.costs.page_copy + k.costs.pte_install);
  pte_t pte = pte_mkdirty(mk_pte(fresh, copy.vm_page_prot));
  if (copy.vm_flags & VM_WRITE) pte = pte_mkwrite(pte);
  set_pte(to, pte);
  ++copy.vm_mm->rss.anon;
}

void copy_present_pte(Kernel& k, vm_area_struct& copy, const vm_area_struct& original, pte_ptr to,
                      pte_ptr from, Vaddr addr) {
  pte_t pte = *from;
  const bool anon = dup_rmap(k, *copy.vm_mm, pte);
  if (anon) pte = pte_mkshared_anon(pte);
  if (is_cow_mapping(original.vm_flags)) pte = pte_wrprotect(pte);
  if (!pte_same(pte, *from)) {
    const bool weaker = pte_write(*from) && !pte_write(pte);
    set_pte(from, pte);
    if (weaker) note_pte_set(k, addr, pte.v, 0);
  }
  if (original.vm_flags & VM_SHARED) pte = pte_mkclean(pte);
  set_pte(to, pte_mkold(pte));
  k.engine.charge(k.costs.pte_install);
}

Path<std::int64_t> copy_pte_range(Kernel& k, vm_area_struct& copy, const vm_area_struct& original,
                                  pmd_ptr to, pmd_ptr from, Vaddr addr, Vaddr end,
                                  std::optional<Pfn>* prealloc, Vaddr* stopped) {
  mm_struct& mm = *copy.vm_mm;
  const mm_struct& old = *original.vm_mm;
  if (pmd_none(*to)) {
    const vm_fault_t error = co_await __pte_alloc(k, mm, to);
    if (error) co_return -ENOMEM;
  }
  spinlock_t& outer = pte_lockptr(k, mm, to);
  spinlock_t& inner = pte_lockptr(k, old, from);
  co_await spin_lock(outer);
  k.locks.set_class(inner, k.cls.ptlock_nested);
  co_await spin_lock(inner);
  bool wants_page = false;
  for (; addr < end; addr += PAGE_SIZE) {
    const pte_ptr source = old.pgtables->pte_offset(from, addr);
    if (!pte_present(*source)) continue;
    const pte_ptr target = mm.pgtables->pte_offset(to, addr);
    if (!page_needs_cow_for_dma(k, old, *source)) {
      copy_present_pte(k, copy, original, target, source, addr);
      continue;
    }
    wants_page = !*prealloc;
    if (wants_page) break;  // allocated without the locks, then tried again
    copy_present_page(k, copy, target, *source, **prealloc);
    prealloc->reset();
  }
  spin_unlock(inner);
  k.locks.set_class(inner, k.cls.ptlock);
  spin_unlock(outer);
  *stopped = addr;
  co_return wants_page ? -EAGAIN : 0;
}

// copy_pte_range() until all is copied, with a page for each that is pinned.
HelperPath<std::int64_t> copy_ptes(Kernel& k, vm_area_struct& copy, const vm_area_struct& original,
                                   pmd_ptr to, pmd_ptr from, Vaddr addr, Vaddr end) {
  std::optional<Pfn> prealloc;
  for (;;) {
    const std::int64_t error =
        co_await copy_pte_range(k, copy, original, to, from, addr, end, &prealloc, &addr);
    if (error != -EAGAIN) {
      if (prealloc) k.frames.put(*prealloc);
      co_return error;
    }
    k.might_alloc();
    prealloc = k.alloc_anon_page();
    if (!prealloc) co_return -ENOMEM;
  }
}

// A driver's entry for memory without pages: as it is.
HelperPath<void> copy_special_pmd(Kernel& k, pmd_ptr to, pmd_ptr from) {
  spinlock_t& outer = pmd_lockptr(k, to);
  spinlock_t& inner = pmd_lockptr(k, from);
  co_await spin_lock(outer);
  k.locks.set_class(inner, k.cls.ptlock_nested);
  co_await spin_lock(inner);
  set_pmd(to, pmd_mkold(*from));
  k.engine.charge(k.costs.pmd_install);
  spin_unlock(inner);
  k.locks.set_class(inner, k.cls.ptlock);
  spin_unlock(outer);
}

// A file's huge entry is left to faults.
Path<std::int64_t> copy_huge_pmd(Kernel& k, vm_area_struct& copy, const vm_area_struct& original,
                                 pmd_ptr to, pmd_ptr from, Vaddr addr) {
  if (!vma_is_anonymous(original)) {
    if (pmd_special(*from)) co_await copy_special_pmd(k, to, from);
    co_return 0;
  }
  mm_struct& mm = *copy.vm_mm;
  PageTable* const deposit = pte_alloc_one(k, mm);
  if (!deposit) co_return -ENOMEM;
  mm.pgtables->free_table(deposit);
  spinlock_t& outer = pmd_lockptr(k, to);
  spinlock_t& inner = pmd_lockptr(k, from);
  co_await spin_lock(outer);
  k.locks.set_class(inner, k.cls.ptlock_nested);
  co_await spin_lock(inner);
  pmd_t pmd = pmd_wrprotect(*from);
  if (pmd_special(pmd)) {
    mm.huge_zero_folio = true;
  } else {
    pmd = pmd_mkshared_anon(pmd);
    k.frames.get(pmd_pfn(pmd));
    mm.rss.anon += PMD_SIZE / PAGE_SIZE;
  }
  if (!pmd_same(pmd, *from)) note_pte_set(k, addr, pmd.v, PMD_ORDER);
  set_pmd(from, pmd);
  set_pmd(to, pmd_mkold(pmd));
  k.engine.charge(k.costs.pmd_install);
  spin_unlock(inner);
  k.locks.set_class(inner, k.cls.ptlock);
  spin_unlock(outer);
  co_return 0;
}

// A 2 MiB page of which a device uses a part is given up as such: its pages are looked at one by
// one.
bool huge_is_pinned(const Kernel& k, const vm_area_struct& vma, pmd_t pmd) {
  return vma.vm_mm->has_pinned && vma_is_anonymous(vma) && !pmd_special(pmd) &&
         !pmd_shared_anon(pmd) && k.pins.any(pmd_pfn(pmd), 1ULL << PMD_ORDER);
}

// The child's tables above the PTE level, made as soon as the parent has theirs.
HelperPath<std::int64_t> make_upper_tables(Kernel& k, mm_struct& mm, Vaddr addr, bool has_pmd_table,
                                           pud_ptr* pud_of, pmd_ptr* pmd) {
  PageTables& tables = *mm.pgtables;
  const pgd_ptr pgd = tables.pgd_offset(addr);
  if (tables.pgd_none(*pgd)) {
    const vm_fault_t error = co_await __p4d_alloc(k, mm, pgd);
    if (error) co_return -ENOMEM;
  }
  const p4d_ptr p4d = tables.p4d_offset(pgd, addr);
  if (p4d_none(*p4d)) {
    const vm_fault_t error = co_await __pud_alloc(k, mm, p4d);
    if (error) co_return -ENOMEM;
  }
  *pud_of = tables.pud_offset(p4d, addr);
  if (!has_pmd_table) co_return 0;
  const pud_ptr pud = *pud_of;
  if (pud_none(*pud)) {
    const vm_fault_t error = co_await __pmd_alloc(k, mm, pud);
    if (error) co_return -ENOMEM;
  }
  *pmd = tables.pmd_offset(pud, addr);
  co_return 0;
}

}  // namespace

Path<std::int64_t> copy_page_range(Kernel& k, vm_area_struct& copy, vm_area_struct& original) {
  if (!needs_copy(original)) co_return 0;
  const PageTables& old = *original.vm_mm->pgtables;
  for (Vaddr addr = original.vm_start; addr < original.vm_end;) {
    const PmdStep step = next_pmd(old, addr, original.vm_end);
    const Vaddr next = step.next;
    if (step.lowest != PtLevel::pgd) {
      pmd_ptr to;
      pud_ptr to_pud;
      const std::int64_t error = co_await make_upper_tables(
          k, *copy.vm_mm, addr, step.lowest == PtLevel::pmd, &to_pud, &to);
      if (error) co_return error;
      std::int64_t copied = 0;
      if (step.pmd && pmd_leaf(*step.pmd) && huge_is_pinned(k, original, *step.pmd)) {
        co_await __split_huge_pmd(k, original, step.pmd, addr);
      }
      if (step.pud) {
        co_await copy_huge_pud(k, copy, original, to_pud, step.pud, addr);
      } else if (step.pmd && pmd_leaf(*step.pmd)) {
        copied = co_await copy_huge_pmd(k, copy, original, to, step.pmd, addr);
      } else if (step.pmd) {
        copied = co_await copy_ptes(k, copy, original, to, step.pmd, addr, next);
      }
      if (copied) co_return copied;
    }
    addr = next;
  }
  co_return 0;
}

}  // namespace faultline
