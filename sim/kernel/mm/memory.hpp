// The heart of the fault path: from handle_mm_fault down to the installed entry, and back out again
// when pages are unmapped. Linux 6.12 mm/memory.c, split over memory.cpp (the walk down),
// memory_anon.cpp, memory_file.cpp (do_fault), memory_wp.cpp (write protection), memory_insert.cpp
// (entries for PFNs) and memory_zap.cpp (unmapping). Left out: swap, NUMA balancing, userfaultfd.
#pragma once

#include <span>

#include "kernel/kernel.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

/// Resolves a fault of the current task. The caller holds mmap_lock for reading or, with
/// FAULT_FLAG_VMA_LOCK, the lock of `vma`. With RETRY or COMPLETED in the result it is released.
Path<vm_fault_t> handle_mm_fault(Kernel& k, vm_area_struct& vma, Vaddr address,
                                 std::uint32_t flags);

// One per kind of mapping; called with no page-table lock held.
Path<vm_fault_t> do_anonymous_page(Kernel& k, vm_fault& vmf);
Path<vm_fault_t> do_fault(Kernel& k, vm_fault& vmf);
/// Entered with vmf.ptl held; releases it.
Path<vm_fault_t> do_wp_page(Kernel& k, vm_fault& vmf);
/// Maps vmf.cow_page, or a page of vmf.folio, into the slot if that is unchanged, else NOPAGE.
Path<vm_fault_t> finish_fault(Kernel& k, vm_fault& vmf);
/// The write-protected entry of vmf becomes writable; NOPAGE if it has changed meanwhile.
Path<vm_fault_t> finish_mkwrite_fault(Kernel& k, vm_fault& vmf);
/// Whether ->fault and its kin may be called: drivers without map_pages never were under the lock
/// of a VMA. RETRY, with that lock released, if not.
vm_fault_t vmf_can_call_fault(const vm_fault& vmf);
/// Tells the file system that the page of vmf.folio is to be written; LOCKED when it agrees.
Path<vm_fault_t> do_page_mkwrite(Kernel& k, vm_fault& vmf);
/// After a shared page was made writable: dirty and unlocked. COMPLETED: the fault's lock is
/// released.
Path<vm_fault_t> fault_dirty_shared_page(Kernel& k, vm_fault& vmf);
/// Puts the entry for one page of a folio into the slot at `address` and counts it.
void set_pte_range(Kernel& k, vm_fault& vmf, struct folio& folio, pte_ptr slot, Vaddr address);
/// Gives the VMA an anon_vma; VM_FAULT_RETRY if that needs mmap_lock and it cannot be had.
Path<vm_fault_t> vmf_anon_prepare(Kernel& k, vm_fault& vmf);

/// Allocates and links missing tables. 0, or VM_FAULT_OOM. A P4D table is missing only with five
/// levels.
Path<vm_fault_t> __p4d_alloc(Kernel& k, mm_struct& mm, pgd_ptr pgd);
Path<vm_fault_t> __pud_alloc(Kernel& k, mm_struct& mm, p4d_ptr p4d);
Path<vm_fault_t> __pmd_alloc(Kernel& k, mm_struct& mm, pud_ptr pud);
Path<vm_fault_t> __pte_alloc(Kernel& k, mm_struct& mm, pmd_ptr pmd);
/// A PTE table that is not linked yet; null when memory is out.
PageTable* pte_alloc_one(Kernel& k, mm_struct& mm);
/// The table that was set aside with a huge entry, for its split; null when memory is out.
PageTable* pgtable_trans_huge_withdraw(Kernel& k, mm_struct& mm);
/// Links `table` under the PMD lock if nobody was faster; sets it to null if it was used.
Path<void> pmd_install(Kernel& k, mm_struct& mm, pmd_ptr pmd, PageTable** table);

spinlock_t& ptlock_of(Kernel& k, PageTable& table);
spinlock_t& pte_lockptr(Kernel& k, const mm_struct& mm, pmd_ptr pmd);
spinlock_t& pmd_lockptr(Kernel& k, pmd_ptr pmd);
/// PUD tables have no locks of their own.
inline spinlock_t& pud_lockptr(mm_struct& mm) { return mm.page_table_lock; }

/// Maps a PFN that has no page (or a device page). `write`: writable and dirty at once.
Path<vm_fault_t> vmf_insert_mixed(Kernel& k, vm_fault& vmf, Pfn pfn);
/// The same for a page of device memory that has a struct page (PFN_DEV | PFN_MAP).
Path<vm_fault_t> vmf_insert_mixed_devmap(Kernel& k, vm_fault& vmf, Pfn pfn);
Path<vm_fault_t> vmf_insert_mixed_mkwrite(Kernel& k, vm_fault& vmf, Pfn pfn);

/// Copies what a fork's child needs of a VMA's entries. 0, or -ENOMEM.
Path<std::int64_t> copy_page_range(Kernel& k, vm_area_struct& copy, vm_area_struct& original);

/// One stretch of a walk over [addr, end) that one PMD entry covers: the entry, null where there is
/// none, and where the next stretch begins. An absent upper table is passed over at once, and a
/// 1 GiB leaf is a stretch of its own: `pud` is its entry then.
struct PmdStep {
  pmd_ptr pmd;
  Vaddr next{};
  PtLevel lowest = PtLevel::pgd;  ///< of the tables above the PTE level that are there
  pud_ptr pud = {};
};
PmdStep next_pmd(const PageTables& tables, Vaddr addr, Vaddr end);

/// Removes the entries of [start, end) of one VMA and notes what must be flushed.
Path<void> unmap_page_range(Kernel& k, mmu_gather& tlb, vm_area_struct& vma, Vaddr start,
                            Vaddr end);
/// Removes all entries of the VMAs.
Path<void> unmap_vmas(Kernel& k, mmu_gather& tlb, std::span<vm_area_struct* const> vmas);
/// Unlinks the VMAs from rmap and frees page tables that [floor, ceiling) leaves to them.
/// `mm_wr_locked`: mmap_lock is held for writing, and the VMAs are still to be locked.
Path<void> free_pgtables(Kernel& k, mmu_gather& tlb, mm_struct& mm,
                         std::span<vm_area_struct* const> vmas, Vaddr floor, Vaddr ceiling,
                         bool mm_wr_locked = false);
/// A page without mapping goes into the batch; if that is full, it is flushed and given back.
HelperPath<void> tlb_remove_page(Kernel& k, mm_struct& mm, mmu_gather& tlb, Pfn page);
Path<void> tlb_finish_mmu(Kernel& k, mm_struct& mm, mmu_gather& tlb);
/// Removes all mappings of a range of a file's pages; `nr` 0: to the end. Private copies go too if
/// `even_cows`.
Path<void> unmap_mapping_pages(Kernel& k, address_space& mapping, Pgoff start, std::uint64_t nr,
                               bool even_cows = false);
/// The same in bytes: the pages that the range touches. `len` 0: to the end.
Path<void> unmap_mapping_range(Kernel& k, address_space& mapping, std::uint64_t start,
                               std::uint64_t len, bool even_cows);

/// Faults in the pages of [*start, end), part of one VMA, for stores where they are private to it.
/// Stops when mmap_lock was dropped on the way (*locked false), which null forbids. 0, -ENOMEM or
/// -EFAULT.
Path<std::int64_t> populate_vma_page_range(Kernel& k, vm_area_struct& vma, Vaddr* start, Vaddr end,
                                           bool* locked);
/// The same for MADV_POPULATE_READ and, with `write`, MADV_POPULATE_WRITE.
Path<std::int64_t> faultin_page_range(Kernel& k, vm_area_struct& vma, Vaddr* address, Vaddr end,
                                      bool write, bool* locked);
/// Faults a range in, as MAP_POPULATE and mlock do. 0, or the errno of what ended it.
Path<std::int64_t> mm_populate(Kernel& k, Vaddr start, std::uint64_t len);

/// A private page at `address` for a process that exists before the run begins, written if the VMA
/// allows it; tables as needed. No lock, no record. False when memory is out.
bool place_anon_page(Kernel& k, vm_area_struct& vma, Vaddr address);
/// Makes the upper tables and the PTE table of `address` in the same way; null: memory is out.
pte_ptr place_tables(Kernel& k, mm_struct& mm, Vaddr address);
/// zap_page_range_single(): removes the entries of [start, end) and flushes the TLBs.
Path<void> zap_page_range_single(Kernel& k, vm_area_struct& vma, Vaddr start, Vaddr end);

/// Where a page of a file counts as resident.
inline std::int64_t& mm_counter_file(mm_struct& mm, const folio& f) {
  return f.swapbacked ? mm.rss.shmem : mm.rss.file;
}
/// The entry for a page has gone.
inline void folio_remove_rmap(mm_struct& mm, folio& f) {
  --mm_counter_file(mm, f);
  --f.mapcount;
  --f.refs;
}

/// Tells the trace that a leaf was written.
void note_pte_set(Kernel& k, Vaddr address, std::uint64_t entry, unsigned order);

}  // namespace faultline
