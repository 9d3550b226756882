// vm_ops of a described driver: each call is noted, sleeps if it is to, and answers as described.
#include "kernel/drivers/dax/device.hpp"
#include "kernel/kernel.hpp"
#include "kernel/mm/huge_memory.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/memory_map.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

namespace {

char_device& driver_of(const vm_area_struct& vma) { return *vma.vm_ops->driver; }

Path<void> driver_open(Kernel& k, vm_area_struct& vma) {
  char_device& device = driver_of(vma);
  log_hook(k, device, HookKind::open, vma);
  co_await hook_sleep(k, device, HookKind::open);
}

Path<void> driver_close(Kernel& k, vm_area_struct& vma) {
  char_device& device = driver_of(vma);
  log_hook(k, device, HookKind::close, vma);
  co_await hook_sleep(k, device, HookKind::close);
}

Path<std::int64_t> driver_mapped(Kernel& k, MappedRange& range) {
  char_device& device = *range.ops->driver;
  HookCall& call = log_hook(k, device, HookKind::mapped, *range.mm, range.vm_file, range.start);
  call.start = range.start;
  call.end = range.end;
  call.pgoff = range.pgoff;
  call.private_data = range.private_data;
  co_await hook_sleep(k, device, HookKind::mapped);
  const DriverOp& op = device.what->mapped;
  if (op.private_data) range.private_data = *op.private_data;
  call.returned = op.returns;
  co_return op.returns;
}

Path<std::int64_t> driver_may_split(Kernel& k, vm_area_struct& vma, Vaddr at) {
  char_device& device = driver_of(vma);
  HookCall& call = log_hook(k, device, HookKind::may_split, vma);
  call.address = at;
  co_await hook_sleep(k, device, HookKind::may_split);
  std::int64_t answer = device.what->may_split.returns;
  if (device.what->preset == DriverPreset::device_dax) answer = dev_dax_may_split(device, at);
  call.returned = answer;
  co_return answer;
}

Path<std::int64_t> driver_mremap(Kernel& k, vm_area_struct& moved) {
  char_device& device = driver_of(moved);
  HookCall& call = log_hook(k, device, HookKind::mremap, moved);
  co_await hook_sleep(k, device, HookKind::mremap);
  call.returned = device.what->mremap.returns;
  co_return device.what->mremap.returns;
}

Path<std::int64_t> driver_mprotect(Kernel& k, vm_area_struct& vma, Vaddr start, Vaddr end,
                                   vm_flags_t newflags) {
  char_device& device = driver_of(vma);
  HookCall& call = log_hook(k, device, HookKind::mprotect, vma);
  call.start = start;
  call.end = end;
  call.flags = newflags & (VM_ACCESS_FLAGS | VM_SHARED);
  co_await hook_sleep(k, device, HookKind::mprotect);
  call.returned = device.what->mprotect.returns;
  co_return device.what->mprotect.returns;
}

// The page of the array at the fault's offset, for the core to map.
vm_fault_t insert_page(char_device& device, vm_fault& vmf) {
  if (vmf.pgoff.v >= device.pages.size()) return VM_FAULT_SIGBUS;
  folio& page = *device.pages[vmf.pgoff.v];
  if (page.typed || page.refs == 0) return VM_FAULT_SIGBUS;
  vmf.folio = &page;
  return {};
}

// What the driver does for a fault; apart, so that every way out is noted alike.
HelperPath<vm_fault_t> answer_fault(Kernel& k, char_device& device, vm_fault& vmf) {
  const CharDescription& d = *device.what;
  switch (d.fault) {
    case DriverFault::insert_page:
      co_return insert_page(device, vmf);
    case DriverFault::insert_pfn_unless_cow:
      if (is_cow_mapping(vmf.vma->vm_flags)) co_return VM_FAULT_SIGBUS;
      [[fallthrough]];
    case DriverFault::insert_pfn: {
      if (vmf.pgoff.v >= d.phys_size >> PAGE_SHIFT) co_return VM_FAULT_SIGBUS;
      const vm_fault_t ret = co_await vmf_insert_pfn(k, vmf, device.first_pfn + vmf.pgoff.v);
      co_return ret;
    }
    case DriverFault::insert_mixed: {
      if (vmf.pgoff.v >= d.phys_size >> PAGE_SHIFT) co_return VM_FAULT_SIGBUS;
      const vm_fault_t ret = co_await vmf_insert_mixed(k, vmf, device.first_pfn + vmf.pgoff.v);
      co_return ret;
    }
    case DriverFault::dax: {
      const vm_fault_t ret = co_await dev_dax_huge_fault(k, device, vmf, 0);
      co_return ret;
    }
    case DriverFault::absent:
    case DriverFault::sigbus:
      break;
  }
  co_return VM_FAULT_SIGBUS;
}

// A block of 2 MiB or 1 GiB of the device's memory, if it lies in the mapping and its frames begin
// where such an entry can. drivers/vfio/pci/vfio_pci_core.c vfio_pci_mmap_huge_fault().
HelperPath<vm_fault_t> insert_block(Kernel& k, char_device& device, vm_fault& vmf, unsigned order) {
  const vm_area_struct& vma = *vmf.vma;
  const std::uint64_t pages = 1ULL << order, bytes = pages << PAGE_SHIFT;
  const Vaddr block(vmf.address.v & ~(bytes - 1));
  const bool first_only = device.what->huge_fault == DriverHugeFault::insert_pfn_if_aligned;
  if (first_only && block != vmf.address) co_return VM_FAULT_FALLBACK;
  if (block < vma.vm_start || block + bytes > vma.vm_end) co_return VM_FAULT_FALLBACK;
  const Pgoff first = linear_page_index(vma, block);
  const Pfn pfn = device.first_pfn + first.v;
  if (first.v + pages > device.what->phys_size >> PAGE_SHIFT) co_return VM_FAULT_FALLBACK;
  if (pfn.v & (pages - 1)) co_return VM_FAULT_FALLBACK;
  if (order == PUD_ORDER) {
    const vm_fault_t ret = co_await vmf_insert_pfn_pud(k, vmf, pfn, false, false);
    co_return ret;
  }
  const vm_fault_t ret = co_await vmf_insert_special_pmd(k, vmf, pfn, false);
  co_return ret;
}

HelperPath<vm_fault_t> answer_huge_fault(Kernel& k, char_device& device, vm_fault& vmf,
                                         unsigned order) {
  switch (device.what->huge_fault) {
    case DriverHugeFault::insert_pfn:
    case DriverHugeFault::insert_pfn_if_aligned: {
      const vm_fault_t ret = co_await insert_block(k, device, vmf, order);
      co_return ret;
    }
    case DriverHugeFault::dax: {
      const vm_fault_t ret = co_await dev_dax_huge_fault(k, device, vmf, order);
      co_return ret;
    }
    case DriverHugeFault::sigbus:
      co_return VM_FAULT_SIGBUS;
    case DriverHugeFault::absent:
    case DriverHugeFault::fallback:
      break;
  }
  co_return VM_FAULT_FALLBACK;
}

Path<vm_fault_t> driver_huge_fault(Kernel& k, vm_fault& vmf, unsigned order) {
  char_device& device = driver_of(*vmf.vma);
  HookCall& call = log_hook(k, device, HookKind::huge_fault, *vmf.vma);
  call.pgoff = vmf.pgoff;
  call.address = vmf.address;
  call.flags = vmf.flags;
  call.order = order;
  co_await hook_sleep(k, device, HookKind::huge_fault);
  const vm_fault_t ret = co_await answer_huge_fault(k, device, vmf, order);
  call.returned = ret.v;
  co_return ret;
}

Path<vm_fault_t> driver_fault(Kernel& k, vm_fault& vmf) {
  char_device& device = driver_of(*vmf.vma);
  HookCall& call = log_hook(k, device, HookKind::fault, *vmf.vma);
  call.pgoff = vmf.pgoff;
  call.address = vmf.address;
  call.flags = vmf.flags;
  co_await hook_sleep(k, device, HookKind::fault);
  const vm_fault_t ret = co_await answer_fault(k, device, vmf);
  call.returned = ret.v;
  co_return ret;
}

}  // namespace

void init_driver_ops(char_device& device) {
  const CharDescription& d = *device.what;
  vm_operations_struct& ops = device.ops;
  ops.driver = &device;
  if (d.open.present) ops.open = driver_open;
  if (d.close.present) ops.close = driver_close;
  if (d.mapped.present) ops.mapped = driver_mapped;
  if (d.may_split.present) ops.may_split = driver_may_split;
  if (d.mremap.present) ops.mremap = driver_mremap;
  if (d.mprotect.present) ops.mprotect = driver_mprotect;
  if (d.fault != DriverFault::absent) ops.fault = driver_fault;
  if (d.huge_fault != DriverHugeFault::absent) ops.huge_fault = driver_huge_fault;
}

}  // namespace faultline
