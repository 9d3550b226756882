// Entries that a driver asks for: ranges of frames without a page (remap), and pages of its own
// (insert). Linux 6.12 and 7.1 mm/memory.c; mmap_path.md sections 6 and 7. memory_remap.cpp has the
// first, memory_insert_pages.cpp the second. Left out: huge entries, conflicts of cache modes
// between mappings, protection against speculative reads of frames other than by
// pfn_modify_allowed.
#pragma once

#include "kernel/kernel.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

/// Checks a remap or io-remap action, sets the flags it forces, and for a private mapping the page
/// offset by which its entries are known again. 0 or a negative errno.
std::int64_t remap_pfn_range_prepare(Kernel& k, vm_area_desc& desc);
Path<std::int64_t> remap_pfn_range_complete(Kernel& k, vm_area_struct& vma,
                                            const mmap_action& action);
/// As an mmap hook calls it, on its own VMA.
Path<std::int64_t> remap_pfn_range(Kernel& k, vm_area_struct& vma, Vaddr addr, Pfn pfn,
                                   std::uint64_t size, pgprot_t prot);
Path<std::int64_t> vm_iomap_memory(Kernel& k, vm_area_struct& vma, std::uint64_t phys,
                                   std::uint64_t size);
/// Whether this task may have that frame under that protection. arch/x86/mm/mmap.c.
bool pfn_modify_allowed(Kernel& k, Pfn pfn, pgprot_t prot);
/// What an unmapping that is about to begin has to ask of the VMA's entries (6.12): the table's
/// lock is taken once to find the first frame.
Path<void> untrack_pfn(Kernel& k, vm_area_struct& vma);

Path<std::int64_t> map_kernel_pages_prepare(Kernel& k, vm_area_desc& desc);
Path<std::int64_t> map_kernel_pages_complete(Kernel& k, vm_area_struct& vma,
                                             const mmap_action& action);
/// One page, or `*num` of them; afterwards *num is how many were not mapped.
Path<std::int64_t> vm_insert_page(Kernel& k, vm_area_struct& vma, Vaddr addr, folio& page);
Path<std::int64_t> vm_insert_pages(Kernel& k, vm_area_struct& vma, Vaddr addr, folio* const* pages,
                                   std::uint64_t* num);
/// The array from the VMA's page offset on. -ENXIO if it is too short.
Path<std::int64_t> vm_map_pages(Kernel& k, vm_area_struct& vma, folio* const* pages,
                                std::uint64_t num);
/// In a fault handler: a frame without a page. NOPAGE also where an entry was already.
Path<vm_fault_t> vmf_insert_pfn(Kernel& k, vm_fault& vmf, Pfn pfn);

/// The PMD slot of `addr`, with the tables above it. Null when memory is out.
Path<pmd_ptr> walk_to_pmd(Kernel& k, mm_struct& mm, Vaddr addr);

}  // namespace faultline
