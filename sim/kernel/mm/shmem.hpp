// Shared anonymous memory and tmpfs, as far as making a mapping goes. Linux 6.12 mm/shmem.c
// (shmem_zero_setup, shmem_mmap, shmem_acct_size). Left out: its pages; a fault is reported as not
// modelled.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

extern const file_operations shmem_file_operations;

/// Backs a shared anonymous mapping: charges its whole size. 0 or a negative errno.
std::int64_t shmem_zero_setup(Kernel& k, vm_area_struct& vma);

}  // namespace faultline
