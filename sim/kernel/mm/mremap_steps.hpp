// What both orders of mremap(2) share: the request, and what is done once it has been checked.
#pragma once

#include "kernel/mm/vma.hpp"

namespace faultline {

inline constexpr std::uint64_t MREMAP_MAYMOVE_ = 1, MREMAP_FIXED_ = 2, MREMAP_DONTUNMAP_ = 4;

/// One call, or one VMA of a call that moves several. Lengths are page aligned.
struct Remap {
  Vaddr addr{};
  std::uint64_t old_len = 0, new_len = 0, flags = 0;
  std::uint64_t new_addr = 0;
  bool locked = false;  ///< the grown part is to be populated
  bool implies_new_addr() const { return flags & (MREMAP_FIXED_ | MREMAP_DONTUNMAP_); }
};

constexpr bool is_mremap_error(std::int64_t result) { return result < 0 && result >= -4095; }

/// What a mapping that is to grow or to move must not be: special, past its end, over a limit. 0 or
/// a negative errno. `old_len` and `new_len` are those of what is moved.
int check_mremap_vma(Kernel& k, const vm_area_struct& vma, const Remap& r, std::uint64_t old_len);

/// Where the mapping goes: the address itself with MREMAP_FIXED, else a hint or nothing.
std::int64_t mremap_new_area(Kernel& k, const vm_area_struct& vma, const Remap& r,
                             std::uint64_t hint, std::uint64_t flags);

/// Copies the VMA to `to`, moves its pages, tells the driver and unmaps the old range, unless it is
/// to stay. The new address or a negative errno.
Path<std::int64_t> move_vma(Kernel& k, vm_area_struct* vma, Remap* r, Vaddr to);

/// In place if the range ends where the VMA ends and there is room, else elsewhere if it may move.
HelperPath<std::int64_t> expand_vma(Kernel& k, vm_area_struct& vma, Remap* r);

/// The orders of checks and steps: until 6.16, and of later kernels.
HelperPath<std::int64_t> mremap_unmaps_first(Kernel& k, const Remap& request);
HelperPath<std::int64_t> mremap_checks_first(Kernel& k, const Remap& request);

}  // namespace faultline
