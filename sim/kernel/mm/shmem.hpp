// Shared memory: tmpfs, shared anonymous mappings, /dev/zero. Linux 6.12 and 7.1 mm/shmem.c.
// Left out: swap, huge pages, seals, read(2) and write(2). shmem_truncate.hpp has truncation.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

extern const file_operations shmem_file_operations;
extern const vm_operations_struct shmem_vm_ops;

/// shmem_get_folio(): the folio of a page, locked; a new one is zero. Null when memory is out.
Path<folio*> shmem_get_folio(Kernel& k, address_space& mapping, std::uint64_t index);

/// A new unnamed file of `size` bytes with one reference; charged whole unless the flags have
/// VM_NORESERVE. Null when that much may not be promised.
file* shmem_kernel_file_setup(Kernel& k, std::uint64_t size, vm_flags_t flags);

/// Backs a shared anonymous mapping with a file of its own. 0 or a negative errno.
std::int64_t shmem_zero_setup(Kernel& k, vm_area_struct& vma);
/// The same for a mapping that is being prepared. 7.1.
std::int64_t shmem_zero_setup_desc(Kernel& k, vm_area_desc& desc);

}  // namespace faultline
