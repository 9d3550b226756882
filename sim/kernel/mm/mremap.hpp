// mremap(2): shrinking, growing and moving a mapping. Linux 6.12 and 7.1 mm/mremap.c.
// Left out: hugetlb, sealed memory, userfaultfd, and 1 GiB entries, which are moved as their parts.
#pragma once

#include "kernel/mm/vma.hpp"

namespace faultline {

/// mremap(2): the address of the mapping, or a negative errno. Arguments as given, unjudged.
Path<std::int64_t> do_mremap(Kernel& k, std::uint64_t addr, std::uint64_t old_len,
                             std::uint64_t new_len, std::uint64_t flags, std::uint64_t new_addr);

/// Moves the entries of [from, from + len) of one VMA to `to` in another; tables as needed. How
/// many bytes were done: fewer than `len` when memory is out.
Path<std::uint64_t> move_page_tables(Kernel& k, vm_area_struct& old, Vaddr from,
                                     vm_area_struct& fresh, Vaddr to, std::uint64_t len,
                                     bool need_rmap_locks);

}  // namespace faultline
