// mmap of the memory devices. A private mapping of /dev/zero becomes anonymous memory that keeps
// its file and its page offset; a shared one is a fresh piece of shared anonymous memory.
#include "kernel/drivers/char/mem.hpp"

#include <fcntl.h>

#include <cerrno>

#include "kernel/mm/memory_map.hpp"
#include "kernel/mm/mmap_action.hpp"
#include "kernel/mm/shmem.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

namespace {

Path<std::int64_t> mmap_zero(Kernel& k, file&, vm_area_struct& vma) {
  if (!(vma.vm_flags & VM_SHARED)) {
    vma.vm_ops = nullptr;
    co_return 0;
  }
  co_return shmem_zero_setup(k, vma);
}

// Only now: before, the core would take the VMA for one that has no file.
Path<std::int64_t> mmap_zero_private_success(Kernel&, char_device*, vm_area_struct& vma) {
  vma.vm_ops = nullptr;
  co_return 0;
}

Path<std::int64_t> mmap_zero_prepare(Kernel& k, file&, vm_area_desc& desc) {
  if (desc.vm_flags & VM_SHARED) co_return shmem_zero_setup_desc(k, desc);
  if (k.profile.desc_vm_ops == DescVmOps::dummy) {
    desc.vm_ops = nullptr;
  } else {
    desc.action.success_hook = mmap_zero_private_success;
  }
  co_return 0;
}

// ---- /dev/mem ---------------------------------------------------------------------------------

constexpr std::uint64_t phys_bits = 52;
const vm_operations_struct mmap_mem_ops{};  // `access` alone, for debuggers

// Which frames may be seen at all: of memory only the first MiB (STRICT_DEVMEM).
bool range_is_allowed(const Kernel& k, Pfn first, std::uint64_t size) {
  const Pfn last = first + ((size - 1) >> PAGE_SHIFT);
  return last.v < FrameAllocator::FIRST_PFN || !k.frames.is_dram(first);
}

std::int64_t check_mem(const Kernel& k, Pgoff pgoff, std::uint64_t size) {
  const std::uint64_t offset = pgoff.v << PAGE_SHIFT;
  if (offset >> PAGE_SHIFT != pgoff.v) return -EINVAL;
  if (offset + (size - 1) < offset) return -EINVAL;
  if ((offset + size - 1) >> phys_bits != 0) return -EINVAL;
  return range_is_allowed(k, Pfn(pgoff.v), size) ? 0 : -EPERM;
}

pgprot_t mem_prot(const file& f, pgprot_t prot) {
  return f.f_flags & O_DSYNC ? pgprot_noncached(prot) : prot;
}

Path<std::int64_t> mmap_mem(Kernel& k, file& f, vm_area_struct& vma) {
  const std::uint64_t size = vma.vm_end - vma.vm_start;
  if (const std::int64_t error = check_mem(k, vma.vm_pgoff, size)) co_return error;
  vma.vm_page_prot = mem_prot(f, vma.vm_page_prot);
  vma.vm_ops = &mmap_mem_ops;
  const std::int64_t error =
      co_await remap_pfn_range(k, vma, vma.vm_start, Pfn(vma.vm_pgoff.v), size, vma.vm_page_prot);
  co_return error ? -EAGAIN : 0;
}

Path<std::int64_t> mmap_mem_error(Kernel&, char_device*, std::int64_t) { co_return -EAGAIN; }

Path<std::int64_t> mmap_mem_prepare(Kernel& k, file& f, vm_area_desc& desc) {
  const std::uint64_t size = vma_desc_size(desc);
  if (const std::int64_t error = check_mem(k, desc.pgoff, size)) co_return error;
  desc.page_prot = mem_prot(f, desc.page_prot);
  desc.vm_ops = &mmap_mem_ops;
  mmap_action_remap(k, desc, desc.start, Pfn(desc.pgoff.v), size);
  desc.action.error_hook = mmap_mem_error;
  co_return 0;
}

}  // namespace

const file_operations null_fops{};
const file_operations zero_fops{
    .mmap = mmap_zero, .mmap_prepare = mmap_zero_prepare, .area = AreaSearch::own};
const file_operations mem_fops{
    .mmap = mmap_mem, .mmap_prepare = mmap_mem_prepare, .fop_flags = FOP_UNSIGNED_OFFSET};

}  // namespace faultline
