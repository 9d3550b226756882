// 1 GiB entries: inserted by handlers of huge faults, never anonymous, never split into smaller
// entries: what is taken apart is simply gone, and faults bring back what is wanted. Linux 6.12
// mm/huge_memory.c, the functions of PUDs. Left out: moving such an entry by mremap.
#include "kernel/mm/huge_memory.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/tlb.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t PUD_MASK = ~(PUD_SIZE - 1);

pud_t maybe_pud_mkwrite(pud_t entry, const vm_area_struct& vma) {
  return vma.vm_flags & VM_WRITE ? pud_mkwrite(entry) : entry;
}

void write_pud(Kernel& k, vm_fault& vmf, pud_t entry) {
  vmf.pud.set(entry);
  note_pte_set(k, Vaddr(vmf.address.v & PUD_MASK), entry.v, PUD_ORDER);
}

}  // namespace

Path<vm_fault_t> vmf_insert_pfn_pud(Kernel& k, vm_fault& vmf, Pfn pfn, bool write, bool devmap) {
  const vm_area_struct& vma = *vmf.vma;
  spinlock_t& ptl = pud_lockptr(*vma.vm_mm);
  co_await spin_lock(ptl);
  if (!pud_none(*vmf.pud)) {
    // There already: at most it becomes writable, and only if it maps the same frames.
    if (write && pud_leaf(*vmf.pud) && pud_pfn(*vmf.pud) == pfn) {
      write_pud(k, vmf, maybe_pud_mkwrite(pud_mkdirty(pud_mkyoung(*vmf.pud)), vma));
    }
  } else {
    pud_t entry = pud_mkhuge(pfn_pud(pfn, vma.vm_page_prot));
    entry = devmap ? pud_mkdevmap(entry) : pud_mkspecial(entry);
    if (write) entry = maybe_pud_mkwrite(pud_mkyoung(pud_mkdirty(entry)), vma);
    k.engine.charge(k.costs.pmd_install);
    write_pud(k, vmf, entry);
  }
  if (pud_leaf(*vmf.pud)) vmf.leaf_order = PUD_ORDER;
  spin_unlock(ptl);
  co_return VM_FAULT_NOPAGE;
}

Path<vm_fault_t> wp_huge_pud(Kernel& k, vm_fault& vmf) {
  vm_area_struct& vma = *vmf.vma;
  if ((vma.vm_flags & (VM_SHARED | VM_MAYSHARE)) && vma.vm_ops && vma.vm_ops->huge_fault) {
    const vm_fault_t ret = co_await vma.vm_ops->huge_fault(k, vmf, PUD_ORDER);
    if (!(ret & VM_FAULT_FALLBACK)) co_return ret;
  }
  co_await __split_huge_pud(k, vma, vmf.pud, vmf.address);
  co_return VM_FAULT_FALLBACK;
}

Path<void> huge_pud_set_accessed(Kernel&, vm_fault& vmf) {
  spinlock_t& ptl = pud_lockptr(*vmf.vma->vm_mm);
  co_await spin_lock(ptl);
  if (pud_same(*vmf.pud, vmf.orig_pud)) {
    pud_t entry = pud_mkyoung(vmf.orig_pud);
    if (vmf.flags & FAULT_FLAG_WRITE) entry = pud_mkdirty(entry);
    vmf.pud.set(entry);
    vmf.leaf_order = PUD_ORDER;
  }
  spin_unlock(ptl);
}

Path<void> zap_huge_pud(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, pud_ptr pud, Vaddr addr) {
  spinlock_t& ptl = pud_lockptr(*vma.vm_mm);
  co_await spin_lock(ptl);
  if (pud_leaf(*pud)) {
    pudp_get_and_clear(pud);
    k.trace<Event::sim_pte_clear>(addr, PUD_ORDER);
    k.engine.charge(k.costs.pte_clear);
    tlb.adjust(addr, addr + PUD_SIZE);
    tlb.cleared_puds = true;
  }
  spin_unlock(ptl);
}

Path<void> __split_huge_pud(Kernel& k, vm_area_struct& vma, pud_ptr pud, Vaddr addr) {
  const Vaddr haddr(addr.v & PUD_MASK);
  spinlock_t& ptl = pud_lockptr(*vma.vm_mm);
  co_await spin_lock(ptl);
  if (pud_leaf(*pud)) {
    pudp_get_and_clear(pud);
    k.trace<Event::sim_pte_clear>(haddr, PUD_ORDER);
    k.engine.charge(k.costs.pte_clear);
    co_await flush_tlb_range(k, *vma.vm_mm, haddr, haddr + PUD_SIZE, PAGE_SHIFT, false);
  }
  spin_unlock(ptl);
}

Path<void> change_huge_pud(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, pud_ptr pud,
                           Vaddr addr) {
  spinlock_t& ptl = pud_lockptr(*vma.vm_mm);
  co_await spin_lock(ptl);
  if (pud_leaf(*pud)) {
    // pudp_invalidate(): no CPU may use the entry while it changes, so it is flushed at once.
    const pud_t before = *pud;
    co_await flush_tlb_range(k, *vma.vm_mm, addr, addr + PUD_SIZE, PAGE_SHIFT, false);
    const pud_t after = pud_modify(before, vma.vm_page_prot);
    k.engine.charge(k.costs.pmd_install);
    pud.set(after);
    note_pte_set(k, addr, after.v, PUD_ORDER);
    tlb.adjust(addr, addr + PUD_SIZE);
    tlb.cleared_puds = true;
  }
  spin_unlock(ptl);
}

Path<void> copy_huge_pud(Kernel& k, vm_area_struct& copy, const vm_area_struct& original,
                         pud_ptr to, pud_ptr from, Vaddr addr) {
  spinlock_t& outer = pud_lockptr(*copy.vm_mm);
  spinlock_t& inner = pud_lockptr(*original.vm_mm);
  co_await spin_lock(outer);
  k.locks.set_class(inner, k.cls.page_table_lock_nested);
  co_await spin_lock(inner);
  pud_t entry = *from;
  if (is_cow_mapping(original.vm_flags) && pud_write(entry)) {
    entry = pud_wrprotect(entry);
    from.set(entry);
    note_pte_set(k, addr, entry.v, PUD_ORDER);
  }
  to.set(pud_mkold(entry));
  k.engine.charge(k.costs.pmd_install);
  spin_unlock(inner);
  k.locks.set_class(inner, k.cls.page_table_lock);
  spin_unlock(outer);
}

}  // namespace faultline
