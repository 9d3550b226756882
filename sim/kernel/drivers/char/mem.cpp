// mmap of /dev/zero. Linux 6.12 drivers/char/mem.c mmap_zero. A private mapping becomes anonymous
// memory that keeps its file; a shared one is a fresh piece of shared anonymous memory.
#include "kernel/drivers/char/mem.hpp"

#include "kernel/mm/shmem.hpp"

namespace faultline {

static Path<std::int64_t> mmap_zero(Kernel& k, file&, vm_area_struct& vma) {
  if (!(vma.vm_flags & VM_SHARED)) {
    vma.vm_ops = nullptr;
    co_return 0;
  }
  const std::int64_t error = shmem_zero_setup(k, vma);
  co_return error;
}

const file_operations null_fops{};
const file_operations zero_fops{.mmap = mmap_zero};

}  // namespace faultline
