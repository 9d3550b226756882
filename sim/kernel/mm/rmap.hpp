// Reverse mapping of anonymous memory: which VMAs share an anon_vma. Linux 6.12 mm/rmap.c. A VMA
// has one anon_vma here, so the chains that fork builds are left out.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// Finds a neighbour's anon_vma or makes one. Needs a stable VMA tree: mmap_lock, in any mode.
Path<void> __anon_vma_prepare(Kernel& k, vm_area_struct& vma);
/// Takes the VMA off its anon_vma's list.
Path<void> unlink_anon_vmas(Kernel& k, vm_area_struct& vma);

/// Write-protects and cleans every shared mapping of `nr` file pages from `index` on that maps the
/// frames from `pfn` on. Takes i_mmap_rwsem for reading.
Path<void> pfn_mkclean(Kernel& k, address_space& mapping, Pfn pfn, Pgoff index, std::uint64_t nr);

}  // namespace faultline
