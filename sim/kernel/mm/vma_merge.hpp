// Changing the bounds of VMAs: merging a new or a changed range with its neighbours, splitting, and
// the two together as mprotect, mlock and madvise need them. Linux 6.12 mm/vma.c (the rules are
// mmap_path.md section 4). Left out: mempolicy, VMA names, userfaultfd contexts, and the node
// boundaries of the maple tree: a change that needs memory only there is not annotated.
#pragma once

#include "kernel/mm/vma.hpp"

namespace faultline {

/// The range that a mapping wants to occupy. mm/vma.h struct vma_merge_struct.
struct MergeRequest {
  Vaddr start{}, end{};
  Pgoff pgoff{};
  vm_flags_t flags = 0;
  file* vm_file = nullptr;
  struct anon_vma* anon_vma = nullptr;  ///< of the pages there; null: none, or not known yet
  bool forked = false;                  ///< these pages may be a parent's: a chain of several
};

/// Whether an attempt to merge the whole of `middle` stops after it has looked at the neighbour
/// below, because its `close` must not be lost.
bool vma_merge_rewinds(Kernel& k, const vm_area_struct& middle, const MergeRequest& request);

/// Extends a neighbour over the range, joining both neighbours if all three fit. The VMA that now
/// covers the range, or null.
Path<vm_area_struct*> vma_merge_new_range(Kernel& k, mm_struct& mm, MergeRequest request);
/// Gives the part [start, end) of `middle`, which is to change, to a neighbour that is like it will
/// be. The VMA that now covers that part, or null.
Path<vm_area_struct*> vma_merge_existing_range(Kernel& k, vm_area_struct& middle,
                                               MergeRequest request);
/// Grows `vma` upwards by `delta` bytes of free space. The VMA, or null if it may not merge.
Path<vm_area_struct*> vma_merge_extend(Kernel& k, vm_area_struct& vma, std::uint64_t delta);

/// Makes [start, end) of `vma` a VMA of its own, or part of a neighbour, that can be given
/// `flags`. 0 and the VMA in `out`, or a negative errno.
Path<std::int64_t> vma_modify_flags(Kernel& k, vm_area_struct& vma, Vaddr start, Vaddr end,
                                    vm_flags_t flags, vm_area_struct** out);

/// Which side of a cut becomes the new VMA.
enum class NewPart : std::uint8_t { below, above };
/// Cuts `vma` at `addr`. 0 or a negative errno.
Path<std::int64_t> __split_vma(Kernel& k, vm_area_struct& vma, Vaddr addr, NewPart part);
/// The same, refused when the process has as many VMAs as it may.
Path<std::int64_t> split_vma(Kernel& k, vm_area_struct& vma, Vaddr addr, NewPart part);

/// The request for a range as `vma` is.
MergeRequest merge_request(const vm_area_struct& vma, Vaddr start, Vaddr end, vm_flags_t flags);

/// A copy of a VMA for `mm`, the same or a fork's child, not yet in the tree; counts its file,
/// links no anon_vma.
Path<vm_area_struct*> vm_area_dup(Kernel& k, const vm_area_struct& original, mm_struct& mm);

/// Puts a detached VMA back after a failed mmap.
void reattach_vma(vm_area_struct& vma);

}  // namespace faultline
