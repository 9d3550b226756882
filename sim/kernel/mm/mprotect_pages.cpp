// change_protection: the walk that gives present entries a new protection. Linux 6.12
// mm/mprotect.c, change_huge_pmd of mm/huge_memory.c and the x86 rules of what a changed entry must
// flush (arch/x86/include/asm/tlbflush.h).
#include "kernel/mm/huge_memory.hpp"
#include "kernel/mm/mprotect.hpp"

namespace faultline {

namespace {

// pte_flags_need_flush(): a translation may outlive a change that only the kernel reads, or that
// the next access repeats.
bool needs_flush(std::uint64_t before, std::uint64_t after) {
  constexpr std::uint64_t on_clear = PTE_D | PTE_P;
  constexpr std::uint64_t on_change =
      PTE_RW | PTE_US | PTE_PWT | PTE_PCD | PTE_PS | PTE_PROTNONE | PTE_NX;
  if (!(before & PTE_P)) return false;
  const std::uint64_t changed = before ^ after;
  return (changed & before & on_clear) != 0 || (changed & on_change) != 0;
}

// vma_wants_manual_pte_write_upgrade(): entries of this VMA may lack the permission although a
// store would only have to grant it.
bool may_upgrade(const vm_area_struct& vma) {
  if (!(vma.vm_flags & VM_WRITE)) return false;
  return !(vma.vm_flags & VM_SHARED) || !(vma.vm_page_prot.v & PTE_RW);
}

// can_change_pte_writable(), can_change_pmd_writable(): shared, the file knows of the store
// already; private, the page is this process's own.
bool can_be_writable(Kernel& k, const vm_area_struct& vma, std::uint64_t entry, Pfn pfn) {
  if (!(vma.vm_flags & VM_SOFTDIRTY) && !(entry & PTE_SOFT_DIRTY)) return false;
  if (vma.vm_flags & VM_SHARED) return (entry & PTE_D) != 0;
  const bool anonymous =
      !(entry & (PTE_SPECIAL | PTE_DEVMAP)) && !k.folios.of(pfn) && !k.pmem_of(pfn);
  return anonymous && !(entry & PTE_SHARED_ANON);
}

Path<void> change_pte_range(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, pmd_ptr pmd,
                            Vaddr addr, Vaddr end, bool upgrade) {
  mm_struct& mm = *vma.vm_mm;
  spinlock_t& ptl = pte_lockptr(k, mm, pmd);
  co_await spin_lock(ptl);
  for (; addr < end; addr += PAGE_SIZE) {
    const pte_ptr slot = mm.pgtables->pte_offset(pmd, addr);
    const pte_t before = *slot;
    if (!pte_present(before)) continue;
    pte_t after = pte_modify(before, vma.vm_page_prot);
    if (upgrade && !pte_write(after) && can_be_writable(k, vma, after.v, pte_pfn(after))) {
      after = pte_mkwrite(after);
    }
    k.engine.charge(k.costs.pte_install);
    set_pte(slot, after);
    note_pte_set(k, addr, after.v, 0);
    if (!needs_flush(before.v, after.v)) continue;
    tlb.adjust(addr, addr + PAGE_SIZE);
    tlb.cleared_ptes = true;
  }
  spin_unlock(ptl);
}

Path<void> change_huge_pmd(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, pmd_ptr pmd, Vaddr addr,
                           bool upgrade) {
  spinlock_t& ptl = pmd_lockptr(k, pmd);
  co_await spin_lock(ptl);
  if (pmd_leaf(*pmd)) {
    const pmd_t before = *pmd;
    pmd_t after = pmd_modify(before, vma.vm_page_prot);
    if (upgrade && !pmd_write(after) && can_be_writable(k, vma, after.v, pmd_pfn(after))) {
      after = pmd_mkwrite(after);
    }
    k.engine.charge(k.costs.pmd_install);
    set_pmd(pmd, after);
    note_pte_set(k, addr, after.v, PMD_ORDER);
    if (needs_flush(before.v, after.v)) {
      tlb.adjust(addr, addr + PMD_SIZE);
      tlb.cleared_pmds = true;
    }
  }
  spin_unlock(ptl);
}

HelperPath<void> change_pmd(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, pmd_ptr pmd,
                            Vaddr addr, Vaddr next, bool upgrade) {
  if (pmd_leaf(*pmd)) {
    if (next - addr == PMD_SIZE) {
      co_await change_huge_pmd(k, tlb, vma, pmd, addr, upgrade);
      co_return;
    }
    co_await __split_huge_pmd(k, vma, pmd, addr);
  }
  if (pmd_none(*pmd) || pmd_leaf(*pmd)) co_return;
  co_await change_pte_range(k, tlb, vma, pmd, addr, next, upgrade);
}

HelperPath<void> change_pud(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, pud_ptr pud,
                            Vaddr addr, Vaddr next) {
  if (next - addr == PUD_SIZE) {
    co_await change_huge_pud(k, tlb, vma, pud, addr);
  } else {
    co_await __split_huge_pud(k, vma, pud, addr);
  }
}

}  // namespace

Path<void> change_protection(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, Vaddr start,
                             Vaddr end) {
  const bool upgrade = may_upgrade(vma);
  PageTables& tables = *vma.vm_mm->pgtables;
  for (Vaddr addr = start; addr < end;) {
    const PmdStep step = next_pmd(tables, addr, end);
    if (step.pud) co_await change_pud(k, tlb, vma, step.pud, addr, step.next);
    if (step.pmd) co_await change_pmd(k, tlb, vma, step.pmd, addr, step.next, upgrade);
    addr = step.next;
  }
}

}  // namespace faultline
