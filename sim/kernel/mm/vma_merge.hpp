// Merging a new range with its neighbours. Linux 6.12 mm/vma.c (vma_merge_new_range and the
// can_vma_merge tests; the rules are mmap_path.md section 4). Left out: mempolicy, VMA names,
// userfaultfd contexts.
#pragma once

#include "kernel/mm/vma.hpp"

namespace faultline {

/// The range that a mapping wants to occupy. mm/vma.h struct vma_merge_struct.
struct MergeRequest {
  Vaddr start{}, end{};
  Pgoff pgoff{};
  vm_flags_t flags = 0;
  file* vm_file = nullptr;
};

/// Extends a neighbour over the range, joining both neighbours if all three fit. The VMA that now
/// covers the range, or null.
Path<vm_area_struct*> vma_merge_new_range(Kernel& k, mm_struct& mm, MergeRequest request);

/// A copy of a VMA, not yet in the tree; counts its file and anon_vma.
vm_area_struct& vm_area_dup(Kernel& k, const vm_area_struct& original);

/// Puts a detached VMA back after a failed mmap.
void reattach_vma(vm_area_struct& vma);

}  // namespace faultline
