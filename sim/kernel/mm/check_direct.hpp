// Whether who asked for a MAP_DIRECT mapping has one: looked at when a call that maps is over,
// under the lock that it was made with. Costs no time and changes nothing; what is wrong is a
// finding `direct-lost`. It knows of no reason why a mapping might be lost.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// A mapping that seals its file, or holds a lease of it.
bool is_direct(const vm_area_struct& vma);
/// Whether the range [start, start + len) has any of them.
bool maps_direct(const mm_struct& mm, Vaddr start, std::uint64_t len);

/// mmap with `flags` returned `result`, an address or an errno.
void check_direct_made(Kernel& k, const mm_struct& mm, std::uint64_t flags, std::int64_t result);
/// A call that was not asked to unmap has worked on a range that had direct mappings (`before`).
void check_direct_kept(Kernel& k, const mm_struct& mm, Vaddr start, bool before, const char* call);

}  // namespace faultline
