// Entries for frames that have no page of the page cache: what DAX and drivers install. Linux 6.12
// mm/memory.c insert_pfn, vmf_insert_mixed, vmf_insert_mixed_mkwrite.
#include "kernel/mm/memory.hpp"
#include "kernel/mm/memory_map.hpp"

namespace faultline {

namespace {
enum class Mkwrite { no, yes };
/// Whether a frame has a struct page of device memory.
enum class Behind { nothing, device_page };

Behind behind(Kernel& k, Pfn pfn) { return k.pmem_of(pfn) ? Behind::device_page : Behind::nothing; }

// Walks to the PTE slot, allocating tables, and locks it. mm/memory.c get_locked_pte.
Path<vm_fault_t> get_locked_pte(Kernel& k, vm_fault& vmf) {
  mm_struct& mm = *vmf.vma->vm_mm;
  if (pmd_none(*vmf.pmd)) {
    const vm_fault_t error = co_await __pte_alloc(k, mm, vmf.pmd);
    if (error) co_return error;
  }
  if (pmd_leaf(*vmf.pmd)) co_return VM_FAULT_NOPAGE;
  vmf.ptl = &pte_lockptr(k, mm, vmf.pmd);
  vmf.pte = mm.pgtables->pte_offset(vmf.pmd, vmf.address);
  co_await spin_lock(*vmf.ptl);
  co_return vm_fault_t{};
}

Path<vm_fault_t> insert_pfn(Kernel& k, vm_fault& vmf, Pfn pfn, Mkwrite mkwrite, Behind page) {
  const vm_fault_t unlocked = co_await get_locked_pte(k, vmf);
  if (unlocked) co_return unlocked;
  const pte_t present = *vmf.pte;
  vmf.leaf_order = 0;
  if (!pte_none(present)) {
    // Present already: at most it becomes writable, and only if it maps the same frame.
    if (mkwrite == Mkwrite::yes && pte_pfn(present) == pfn) {
      const pte_t entry = pte_mkdirty(pte_mkwrite(pte_mkyoung(present)));
      set_pte(vmf.pte, entry);
      note_pte_set(k, vmf.address, entry.v, 0);
    }
    spin_unlock(*vmf.ptl);
    co_return VM_FAULT_NOPAGE;
  }
  const pgprot_t prot = vmf.vma->vm_page_prot;
  // A DAX frame is marked as such; any other has no page: the zero page, a device's memory.
  pte_t entry = page == Behind::device_page ? pte_mkdevmap(pfn_pte(pfn, prot))
                                            : pte_mkspecial(pfn_pte(pfn, prot));
  if (mkwrite == Mkwrite::yes) {
    entry = pte_mkyoung(entry);
    entry = pte_mkdirty(entry);
    if (vmf.vma->vm_flags & VM_WRITE) entry = pte_mkwrite(entry);
  }
  k.engine.charge(k.costs.pte_install);
  set_pte(vmf.pte, entry);
  note_pte_set(k, vmf.address, entry.v, 0);
  spin_unlock(*vmf.ptl);
  co_return VM_FAULT_NOPAGE;
}
}  // namespace

Path<vm_fault_t> vmf_insert_pfn(Kernel& k, vm_fault& vmf, Pfn pfn) {
  const vm_area_struct& vma = *vmf.vma;
  const vm_flags_t kind = vma.vm_flags & (VM_PFNMAP | VM_MIXEDMAP);
  if (kind == 0 || kind == (VM_PFNMAP | VM_MIXEDMAP)) {
    co_await k.bug("vmf_insert_pfn: the VMA is neither one of PFNs nor a mixed one, or both");
  }
  if ((kind & VM_PFNMAP) && is_cow_mapping(vma.vm_flags)) {
    co_await k.bug("vmf_insert_pfn: a private VMA of PFNs");
  }
  if (!pfn_modify_allowed(k, pfn, vma.vm_page_prot)) co_return VM_FAULT_SIGBUS;
  const vm_fault_t ret = co_await insert_pfn(k, vmf, pfn, Mkwrite::no, behind(k, pfn));
  co_return ret;
}

Path<vm_fault_t> vmf_insert_mixed(Kernel& k, vm_fault& vmf, Pfn pfn) {
  // 4.13: a file whose DAX flag came after the mapping is found here.
  const bool mixed = vmf.vma->vm_flags & VM_MIXEDMAP;
  if (!mixed && k.profile.dax_entries == DaxEntries::radix_tree) [[unlikely]] {
    co_await k.bug("kernel BUG at mm/memory.c: vm_insert_mixed into a VMA without VM_MIXEDMAP");
  }
  const vm_fault_t ret = co_await insert_pfn(k, vmf, pfn, Mkwrite::no, behind(k, pfn));
  co_return ret;
}

Path<vm_fault_t> vmf_insert_mixed_mkwrite(Kernel& k, vm_fault& vmf, Pfn pfn) {
  const TailCall call(k);
  return call.to(insert_pfn(k, vmf, pfn, Mkwrite::yes, behind(k, pfn)));
}

Path<vm_fault_t> vmf_insert_mixed_devmap(Kernel& k, vm_fault& vmf, Pfn pfn) {
  const TailCall call(k);
  return call.to(insert_pfn(k, vmf, pfn, Mkwrite::no, Behind::device_page));
}

}  // namespace faultline
