// Mapping shared memory. Linux 6.12 mm/shmem.c.
#include "kernel/mm/shmem.hpp"

#include <cerrno>

#include "kernel/mm/vm_account.hpp"

namespace faultline {

static Path<vm_fault_t> shmem_fault(Kernel& k, vm_fault&) {
  k.unmodelled("a page fault on shared memory (shmem); it ends as if no page could be had");
  co_return VM_FAULT_SIGBUS;
}

static const vm_operations_struct shmem_vm_ops{.fault = shmem_fault};

std::int64_t shmem_zero_setup(Kernel& k, vm_area_struct& vma) {
  const bool charged = !(vma.vm_flags & VM_NORESERVE);
  const std::uint64_t pages = vma_pages(vma);
  if (charged) {
    if (const int error = vm_enough_memory(k, *vma.vm_mm, pages)) return error;
    // The charge belongs to the file, which nothing here keeps apart from its only mapping.
    vma.vm_flags |= VM_ACCOUNT;
  }
  vma.vm_ops = &shmem_vm_ops;
  return 0;
}

// tmpfs keeps its times in memory alone: touching them has no effect that could be seen here.
static Path<std::int64_t> shmem_mmap(Kernel&, file&, vm_area_struct& vma) {
  vma.vm_ops = &shmem_vm_ops;
  co_return 0;
}

// noop_fsync(): there is nothing behind the pages.
static Path<std::int64_t> shmem_fsync(Kernel&, file&, std::uint64_t, std::uint64_t, bool) {
  co_return 0;
}

const file_operations shmem_file_operations{.mmap = shmem_mmap, .fsync = shmem_fsync};

}  // namespace faultline
