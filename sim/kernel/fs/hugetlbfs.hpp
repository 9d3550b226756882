// Mappings of reserved huge pages: MAP_HUGETLB and its internal file. Linux 6.12
// fs/hugetlbfs/inode.c (hugetlb_file_setup, hugetlbfs_file_mmap), mm/hugetlb.c. No page is reserved
// in the pool, so only a mapping without reservation can be made; its faults are not modelled.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

extern const file_operations hugetlbfs_file_operations;

inline bool is_file_hugepages(const file& f) { return f.f_op == &hugetlbfs_file_operations; }

/// The size of huge pages that the MAP_HUGE_ bits of `flags` name; 0 if there are none of that
/// size.
std::uint64_t hugetlb_page_size(const Kernel& k, std::uint64_t flags);
/// The internal file behind one anonymous MAP_HUGETLB mapping, with a reference.
file& hugetlb_file_setup(Kernel& k, std::uint64_t page_size);

}  // namespace faultline
