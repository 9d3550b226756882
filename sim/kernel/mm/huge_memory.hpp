// 2 MiB entries: eligibility, insertion, write protection, splitting, zapping. Linux 6.12
// mm/huge_memory.c. Left out: khugepaged's work, defrag settings other than madvise, and the
// deferred split of large folios, which keep all their memory until their last page is unmapped.
#pragma once

#include "kernel/mm/memory.hpp"

namespace faultline {

/// Whether anonymous memory with these flags may have huge pages.
bool anon_thp_enabled(const Kernel& k, vm_flags_t flags);
/// Whether a fault in this VMA may try an entry of that order.
bool thp_vma_allowable_order(const Kernel& k, const vm_area_struct& vma, unsigned order);

Path<vm_fault_t> do_huge_pmd_anonymous_page(Kernel& k, vm_fault& vmf);
/// A store to a write-protected 2 MiB entry; FALLBACK: split it and go on with small pages.
Path<vm_fault_t> wp_huge_pmd(Kernel& k, vm_fault& vmf);
Path<void> huge_pmd_set_accessed(Kernel& k, vm_fault& vmf);
/// Installs a 2 MiB entry for a device frame.
Path<vm_fault_t> vmf_insert_pfn_pmd(Kernel& k, vm_fault& vmf, Pfn pfn, bool write);
/// The same for device memory without a struct page (a PFN map).
Path<vm_fault_t> vmf_insert_special_pmd(Kernel& k, vm_fault& vmf, Pfn pfn, bool write);
/// The same for 1 GiB, on memory with struct pages (`devmap`) or without.
Path<vm_fault_t> vmf_insert_pfn_pud(Kernel& k, vm_fault& vmf, Pfn pfn, bool write, bool devmap);
/// A store to a read-only 1 GiB entry, vmf.orig_pud. FALLBACK: the entry is gone.
Path<vm_fault_t> wp_huge_pud(Kernel& k, vm_fault& vmf);
Path<void> huge_pud_set_accessed(Kernel& k, vm_fault& vmf);
/// Clears a whole 1 GiB entry.
Path<void> zap_huge_pud(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, pud_ptr pud, Vaddr addr);
/// Takes a 1 GiB entry away; faults bring its parts back.
Path<void> __split_huge_pud(Kernel& k, vm_area_struct& vma, pud_ptr pud, Vaddr addr);
/// mprotect: gives a whole 1 GiB entry the protection of its VMA.
Path<void> change_huge_pud(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, pud_ptr pud,
                           Vaddr addr);
/// Copies a driver's 1 GiB entry at fork.
Path<void> copy_huge_pud(Kernel& k, vm_area_struct& copy, const vm_area_struct& original,
                         pud_ptr to, pud_ptr from, Vaddr addr);

Path<void> zap_huge_pmd(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, pmd_ptr pmd, Vaddr addr);
/// Replaces a 2 MiB entry by 512 small ones. A file's is only removed: faults bring the parts back.
Path<void> __split_huge_pmd(Kernel& k, vm_area_struct& vma, pmd_ptr pmd, Vaddr addr);
/// Before a VMA is cut at `addr`: a 2 MiB entry across the cut is split.
Path<void> vma_adjust_trans_huge(Kernel& k, vm_area_struct& vma, Vaddr addr);

/// The huge zero page, allocated when first wanted; nothing when memory is out.
std::optional<Pfn> mm_get_huge_zero_folio(Kernel& k, mm_struct& mm);

}  // namespace faultline
