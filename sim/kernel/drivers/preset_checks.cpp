// The tests that known drivers make in their hooks, in their order.
#include "kernel/drivers/preset_checks.hpp"

#include <cerrno>

#include "kernel/drivers/dax/device.hpp"
#include "kernel/mm/mmap_action.hpp"

namespace faultline {

namespace {

// drivers/misc/open-dice.c: nobody may write to the region through a shared mapping, ever.
std::int64_t check_open_dice(vm_area_desc& desc) {
  if (!(desc.vm_flags & VM_MAYSHARE)) return 0;
  if (desc.vm_flags & VM_WRITE) return -EPERM;
  desc.vm_flags &= ~VM_MAYWRITE;
  return 0;
}

// drivers/char/hpet.c: the registers fill one page, if the firmware put them at its start.
std::int64_t check_hpet(const CharDescription& d) { return d.phys_at & ~PAGE_MASK ? -ENOSYS : 0; }

// drivers/hwtracing/stm/core.c
std::int64_t check_stm(const CharDescription& d, const vm_area_desc& desc) {
  if (d.phys_size == 0) return -EOPNOTSUPP;
  if (desc.pgoff.v != 0) return -EINVAL;
  return vma_desc_size(desc) == d.phys_size ? 0 : -EINVAL;
}

// drivers/staging/vme_user/vme_user.c: asks for a window that begins at the offset and is as long
// as the mapping, from which the offset is then taken once more.
std::int64_t check_vme_user(const CharDescription& d, const vm_area_desc& desc) {
  const std::uint64_t offset = desc.pgoff.v << PAGE_SHIFT;
  const std::uint64_t size = vma_desc_size(desc);
  if (offset > d.phys_size || size > d.phys_size - offset) return -EFAULT;
  Pfn pfn;
  return iomap_window(d.phys_at + offset, size, desc.pgoff, size >> PAGE_SHIFT, &pfn);
}

// drivers/target/target_core_user.c
std::int64_t check_tcmu(const CharDescription& d, const vm_area_desc& desc) {
  return vma_desc_size(desc) >> PAGE_SHIFT == d.page_count ? 0 : -EINVAL;
}

// fs/resctrl/pseudo_lock.c: asks for VM_SHARED, which a descriptor that only reads does not give.
std::int64_t check_resctrl(const CharDescription& d, const vm_area_desc& desc) {
  const std::uint64_t offset = desc.pgoff.v << PAGE_SHIFT;
  if (offset > d.phys_size) return -ENOSPC;
  if (!(desc.vm_flags & VM_SHARED)) return -EINVAL;
  return vma_desc_size(desc) > d.phys_size - offset ? -ENOSPC : 0;
}

// kernel/relay.c. A device of a scenario always has its buffer; without one it would be EBADF.
std::int64_t check_relay(const CharDescription& d, const vm_area_desc& desc) {
  return vma_desc_size(desc) >> PAGE_SHIFT == d.page_count ? 0 : -EINVAL;
}

// drivers/uio/uio.c uio_mmap(): the page offset is the number of the memory region, of which a
// device here has one; uio_mmap_physical() wants it to begin with a page.
std::int64_t check_uio(const CharDescription& d, const vm_area_struct& vma, std::uint64_t size) {
  if (vma.vm_pgoff.v != 0) return -EINVAL;
  const std::uint64_t offset = d.phys_at & ~PAGE_MASK;
  if (vma_pages(vma) > (offset + size + PAGE_SIZE - 1) >> PAGE_SHIFT) return -EINVAL;
  if (d.preset == DriverPreset::uio_logical) return 0;
  if (offset != 0) return -ENODEV;
  return vma.vm_end - vma.vm_start > size ? -EINVAL : 0;
}

// drivers/pci/mmap.c pci_mmap_fits(): the mapping lies within the BAR, in whole pages.
std::int64_t check_bar(const CharDescription& d, const vm_area_struct& vma) {
  const std::uint64_t pages = (d.phys_size + PAGE_SIZE - 1) >> PAGE_SHIFT;
  const std::uint64_t first = vma.vm_pgoff.v;
  return first > pages || vma_pages(vma) > pages - first ? -EINVAL : 0;
}

// drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_mmap()
std::int64_t check_vfio_pci(const CharDescription& d, const vm_area_struct& vma) {
  return vma.vm_flags & VM_SHARED ? check_bar(d, vma) : -EINVAL;
}

}  // namespace

std::int64_t check_preset(Kernel&, const char_device& device, vm_area_desc& desc) {
  const CharDescription& d = *device.what;
  switch (d.preset) {
    case DriverPreset::open_dice:
      return check_open_dice(desc);
    case DriverPreset::hpet:
      return check_hpet(d);
    case DriverPreset::stm:
      return check_stm(d, desc);
    case DriverPreset::vme_user:
      return check_vme_user(d, desc);
    case DriverPreset::tcmu:
      return check_tcmu(d, desc);
    case DriverPreset::resctrl:
      return check_resctrl(d, desc);
    case DriverPreset::relay:
      return check_relay(d, desc);
    case DriverPreset::none:
    case DriverPreset::dev_null:
    case DriverPreset::dev_zero:
    case DriverPreset::dev_mem:
    case DriverPreset::mtdchar:
    case DriverPreset::vmbus_ring:
    case DriverPreset::uio:
    case DriverPreset::afs:
    case DriverPreset::uio_logical:
    case DriverPreset::device_dax:
    case DriverPreset::vfio_pci:
    case DriverPreset::pci_resource:
    case DriverPreset::pci_resource_wc:
      return 0;
  }
  return 0;
}

std::int64_t check_preset_vma(const char_device& device, const vm_area_struct& vma) {
  const CharDescription& d = *device.what;
  switch (d.preset) {
    case DriverPreset::uio:
      return check_uio(d, vma, d.phys_size);
    case DriverPreset::uio_logical:
      return check_uio(d, vma, d.page_count << PAGE_SHIFT);
    case DriverPreset::device_dax:
      return check_device_dax(d, vma.vm_start, vma.vm_end, vma.vm_flags);
    case DriverPreset::vfio_pci:
      return check_vfio_pci(d, vma);
    case DriverPreset::pci_resource:
    case DriverPreset::pci_resource_wc:
      return check_bar(d, vma);
    default:
      return 0;
  }
}

}  // namespace faultline
