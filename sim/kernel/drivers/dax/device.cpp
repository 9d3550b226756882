// Faults of device-dax: the core offers the largest page first, and the device takes the one that
// is its own. Linux 6.12 drivers/dax/device.c.
#include "kernel/drivers/dax/device.hpp"

#include <cerrno>

#include "kernel/kernel.hpp"
#include "kernel/mm/huge_memory.hpp"
#include "kernel/mm/memory.hpp"

namespace faultline {

std::uint64_t dev_dax_align(const CharDescription& d) { return d.align ? d.align : PMD_SIZE; }

std::int64_t check_device_dax(const CharDescription& d, Vaddr start, Vaddr end, vm_flags_t flags) {
  if (!(flags & VM_MAYSHARE)) return -EINVAL;
  return (start.v | end.v) & (dev_dax_align(d) - 1) ? -EINVAL : 0;
}

std::int64_t dev_dax_may_split(const char_device& device, Vaddr at) {
  return at.v & (dev_dax_align(*device.what) - 1) ? -EINVAL : 0;
}

Path<vm_fault_t> dev_dax_huge_fault(Kernel& k, char_device& device, vm_fault& vmf, unsigned order) {
  const CharDescription& d = *device.what;
  const vm_area_struct& vma = *vmf.vma;
  const std::uint64_t size = PAGE_SIZE << order, align = dev_dax_align(d);
  const bool write = vmf.flags & FAULT_FLAG_WRITE;
  vm_fault_t ret = VM_FAULT_SIGBUS;
  k.locks.acquiring(k.dax_srcu, HoldMode::shared);
  k.locks.acquired(k.dax_srcu, HoldMode::shared, false);
  const Vaddr page(vmf.address.v & ~(size - 1));
  const bool bad = check_device_dax(d, vma.vm_start, vma.vm_end, vma.vm_flags) != 0;
  if (!bad && size > align) {
    ret = VM_FAULT_FALLBACK;
  } else if (!bad && size == align && page >= vma.vm_start && page + size <= vma.vm_end) {
    const Pgoff first = linear_page_index(vma, page);
    const bool there = first.v + (size >> PAGE_SHIFT) <= d.phys_size >> PAGE_SHIFT;
    const Pfn pfn = device.first_pfn + first.v;
    if (there && order == 0) {
      ret = co_await vmf_insert_mixed_devmap(k, vmf, pfn);
    } else if (there && order == PMD_ORDER) {
      ret = co_await vmf_insert_pfn_pmd(k, vmf, pfn, write);
    } else if (there) {
      ret = co_await vmf_insert_pfn_pud(k, vmf, pfn, write, true);
    }
  }
  k.locks.released(k.dax_srcu);
  co_return ret;
}

}  // namespace faultline
