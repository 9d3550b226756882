// Where a new mapping goes when the caller does not insist. Linux 6.12 mm/mmap.c
// (__get_unmapped_area, generic_get_unmapped_area_topdown, vm_unmapped_area) and mm/huge_memory.c
// (thp_get_unmapped_area). Left out: address randomisation, 32-bit and five-level address spaces.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// The address for `len` (page-aligned) bytes, or a negative errno. Needs mmap_lock for writing.
std::int64_t get_unmapped_area(Kernel& k, const mm_struct& mm, const file* file, std::uint64_t hint,
                               std::uint64_t len, std::uint64_t pgoff, std::uint64_t flags);

}  // namespace faultline
