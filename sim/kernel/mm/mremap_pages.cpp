// Moving entries to another address: a whole PMD entry where both addresses allow it, else one by
// one. Linux 6.12 mm/mremap.c (move_page_tables, move_ptes, move_normal_pmd), move_huge_pmd of
// mm/huge_memory.c.
#include <algorithm>

#include "kernel/mm/huge_memory.hpp"
#include "kernel/mm/mremap.hpp"
#include "kernel/mm/tlb.hpp"

namespace faultline {

namespace {

struct Move {
  vm_area_struct& old;
  vm_area_struct& fresh;
  bool need_rmap_locks;
};

// A walk of the reverse map that is under way could miss a page which moves to a place it has
// passed.
HelperPath<void> take_rmap_locks(Kernel&, vm_area_struct& vma) {
  if (vma.vm_file) co_await down_write(vma.vm_file->f_inode->i_data.i_mmap_rwsem);
  if (vma.anon_vma) co_await down_write(vma.anon_vma->root->rwsem);
}
void drop_rmap_locks(vm_area_struct& vma) {
  if (vma.anon_vma) up_write(vma.anon_vma->root->rwsem);
  if (vma.vm_file) up_write(vma.vm_file->f_inode->i_data.i_mmap_rwsem);
}

HelperPath<void> lock_nested(Kernel& k, spinlock_t& outer, spinlock_t& inner) {
  co_await spin_lock(outer);
  if (&inner == &outer) co_return;
  k.locks.set_class(inner, k.cls.ptlock_nested);
  co_await spin_lock(inner);
}
void unlock_nested(Kernel& k, spinlock_t& outer, spinlock_t& inner) {
  if (&inner != &outer) {
    spin_unlock(inner);
    k.locks.set_class(inner, k.cls.ptlock);
  }
  spin_unlock(outer);
}

Path<void> move_ptes(Kernel& k, Move m, pmd_ptr old_pmd, Vaddr from, Vaddr end, pmd_ptr new_pmd,
                     Vaddr to) {
  mm_struct& mm = *m.old.vm_mm;
  if (m.need_rmap_locks) co_await take_rmap_locks(k, m.old);
  spinlock_t& outer = pte_lockptr(k, mm, old_pmd);
  spinlock_t& inner = pte_lockptr(k, mm, new_pmd);
  co_await lock_nested(k, outer, inner);
  bool flush = false;
  const Vaddr start = from;
  for (; from < end; from += PAGE_SIZE, to += PAGE_SIZE) {
    const pte_ptr slot = mm.pgtables->pte_offset(old_pmd, from);
    if (pte_none(*slot)) continue;
    const pte_t pte = ptep_get_and_clear(slot);
    flush = flush || pte_present(pte);
    k.trace<Event::sim_pte_clear>(from, 0);
    const pte_t moved{pte.v | PTE_SOFT_DIRTY};
    set_pte(mm.pgtables->pte_offset(new_pmd, to), moved);
    note_pte_set(k, to, moved.v, 0);
    k.engine.charge(k.costs.pte_clear + k.costs.pte_install);
  }
  if (flush) co_await flush_tlb_range(k, mm, start, end, PAGE_SHIFT, false);
  unlock_nested(k, outer, inner);
  if (m.need_rmap_locks) drop_rmap_locks(m.old);
}

// A huge entry, or the pointer to a whole table.
HelperPath<bool> move_whole_pmd(Kernel& k, Move m, pmd_ptr old_pmd, Vaddr from, pmd_ptr new_pmd,
                                Vaddr to) {
  mm_struct& mm = *m.old.vm_mm;
  const bool leaf = pmd_leaf(*old_pmd);
  if (!pmd_none(*new_pmd)) co_return false;
  const bool rmap = m.need_rmap_locks || !leaf;
  if (rmap) co_await take_rmap_locks(k, m.old);
  spinlock_t& outer = pmd_lockptr(k, old_pmd);
  spinlock_t& inner = pmd_lockptr(k, new_pmd);
  co_await lock_nested(k, outer, inner);
  const pmd_t pmd = pmdp_get_and_clear(old_pmd);
  set_pmd(new_pmd, leaf ? pmd_t{pmd.v | PTE_SOFT_DIRTY} : pmd);
  if (leaf) {
    k.trace<Event::sim_pte_clear>(from, PMD_ORDER);
    note_pte_set(k, to, (*new_pmd).v, PMD_ORDER);
  }
  k.engine.charge(k.costs.pmd_install);
  co_await flush_tlb_range(k, mm, from, from + PMD_SIZE, PAGE_SHIFT, false);
  unlock_nested(k, outer, inner);
  if (rmap) drop_rmap_locks(m.old);
  co_return true;
}

// The PMD entry for `address`, with the tables above it; null when memory is out.
HelperPath<pmd_ptr> alloc_new_pmd(Kernel& k, mm_struct& mm, Vaddr address) {
  PageTables& tables = *mm.pgtables;
  const pgd_ptr pgd = tables.pgd_offset(address);
  if (tables.pgd_none(*pgd)) {
    const vm_fault_t error = co_await __p4d_alloc(k, mm, pgd);
    if (error) co_return pmd_ptr();
  }
  const p4d_ptr p4d = tables.p4d_offset(pgd, address);
  if (p4d_none(*p4d)) {
    const vm_fault_t error = co_await __pud_alloc(k, mm, p4d);
    if (error) co_return pmd_ptr();
  }
  const pud_ptr pud = tables.pud_offset(p4d, address);
  if (pud_none(*pud)) {
    const vm_fault_t error = co_await __pmd_alloc(k, mm, pud);
    if (error) co_return pmd_ptr();
  }
  co_return tables.pmd_offset(pud, address);
}

// How far one step goes: to the next boundary of either address, or to the end.
std::uint64_t get_extent(Vaddr from, Vaddr end, Vaddr to) {
  const std::uint64_t old_left = PMD_SIZE - (from.v & ~PMD_MASK);
  const std::uint64_t new_left = PMD_SIZE - (to.v & ~PMD_MASK);
  return std::min({old_left, new_left, end - from});
}

// Beginning a little earlier moves a whole table instead of a part of it, if nothing lies there.
bool can_align_down(const vm_area_struct& vma, Vaddr address) {
  if (vma.vm_start != address) return false;
  return !find_vma_intersection(*vma.vm_mm, Vaddr(address.v & PMD_MASK), address);
}

// One step. False when memory is out.
HelperPath<bool> move_extent(Kernel& k, Move m, pmd_ptr old_pmd, Vaddr from, Vaddr to,
                             std::uint64_t extent) {
  mm_struct& mm = *m.old.vm_mm;
  const pmd_ptr new_pmd = co_await alloc_new_pmd(k, mm, to);
  if (!new_pmd) co_return false;
  if (extent == PMD_SIZE) {
    const bool moved = co_await move_whole_pmd(k, m, old_pmd, from, new_pmd, to);
    if (moved) co_return true;
  }
  if (pmd_leaf(*old_pmd)) co_await __split_huge_pmd(k, m.old, old_pmd, from);
  if (pmd_none(*old_pmd)) co_return true;
  if (pmd_none(*new_pmd)) {
    const vm_fault_t error = co_await __pte_alloc(k, mm, new_pmd);
    if (error) co_return false;
  }
  co_await move_ptes(k, m, old_pmd, from, from + extent, new_pmd, to);
  co_return true;
}

}  // namespace

Path<std::uint64_t> move_page_tables(Kernel& k, vm_area_struct& old, Vaddr from,
                                     vm_area_struct& fresh, Vaddr to, std::uint64_t len,
                                     bool need_rmap_locks) {
  const Vaddr end = from + len;
  const Vaddr start = from;
  const Move move{old, fresh, need_rmap_locks};
  const std::uint64_t into = from.v & ~PMD_MASK;
  if (len >= PMD_SIZE - into && into == (to.v & ~PMD_MASK) && can_align_down(old, from) &&
      can_align_down(fresh, to)) {
    from = Vaddr(from.v & PMD_MASK);
    to = Vaddr(to.v & PMD_MASK);
  }
  while (from < end) {
    const std::uint64_t extent = get_extent(from, end, to);
    const PmdStep step = next_pmd(*old.vm_mm->pgtables, from, from + extent);
    if (step.pud) {
      k.unmodelled("mremap of a 1 GiB page; it is mapped anew by the next fault");
      co_await __split_huge_pud(k, old, step.pud, from);
    }
    if (step.pmd) {
      const bool done = co_await move_extent(k, move, step.pmd, from, to, extent);
      if (!done) break;
    }
    from += extent;
    to += extent;
  }
  co_return from < start ? 0 : from - start;
}

}  // namespace faultline
