// Reverse mapping: which VMAs may hold a page of an anon_vma, kept through splits and forks, and
// the mappings of file pages that are to be cleaned. Linux 6.12 mm/rmap.c. A tree of anon_vmas
// grows with each generation of forks; the rwsem of its root is the lock of all. Left out: KSM.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// Finds a neighbour's anon_vma or makes one. Needs a stable VMA tree: mmap_lock, in any mode.
Path<void> __anon_vma_prepare(Kernel& k, vm_area_struct& vma);
/// The same for a process that exists before the run begins: no lock, no record.
void place_anon_vma(Kernel& k, vm_area_struct& vma);
/// Links `to` to every anon_vma of `from`, as a split, a move or a fork needs it. A forked `to`
/// may get one as its own whose VMAs are all gone.
Path<void> anon_vma_clone(Kernel& k, vm_area_struct& to, const vm_area_struct& from);
/// What a fork's child gets: the parent's chain, and an anon_vma of its own.
Path<void> anon_vma_fork(Kernel& k, vm_area_struct& vma, const vm_area_struct& parent);
/// Takes the VMA off all its anon_vmas; those that nothing links to any more are freed.
Path<void> unlink_anon_vmas(Kernel& k, vm_area_struct& vma);

/// Whether i_mmap_rwsem is held by the caller of a walk.
enum class RmapLock : std::uint8_t { held, takes };
/// Removes every mapping of a locked folio of the page cache.
Path<void> try_to_unmap(Kernel& k, folio& f, RmapLock lock);
/// Write-protects and cleans every shared mapping of a locked folio.
Path<void> folio_mkclean(Kernel& k, folio& f);

/// Write-protects and cleans every shared mapping of `nr` file pages from `index` on that maps the
/// frames from `pfn` on. Takes i_mmap_rwsem for reading.
Path<void> pfn_mkclean(Kernel& k, address_space& mapping, Pfn pfn, Pgoff index, std::uint64_t nr);

}  // namespace faultline
