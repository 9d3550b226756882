// device-dax: memory that a program maps directly, without a file system, in pages of one size that
// the device fixes. Linux 6.12 drivers/dax/device.c. Left out: ranges of the device that are not
// adjacent, the device being killed, the struct pages' mapping and index.
#pragma once

#include "kernel/drivers/char_device.hpp"

namespace faultline {

struct vm_area_desc;

/// Bytes of one page of the device: 4 KiB, 2 MiB or 1 GiB.
std::uint64_t dev_dax_align(const CharDescription& d);
/// check_vma(), when it is mapped: shared, and from one page's boundary to another's.
std::int64_t check_device_dax(const CharDescription& d, Vaddr start, Vaddr end, vm_flags_t flags);
/// 0, or -EINVAL between the boundaries of pages.
std::int64_t dev_dax_may_split(const char_device& device, Vaddr at);
/// Maps one page if `order` is that of the device's pages; FALLBACK if it is larger, SIGBUS if it
/// is smaller.
Path<vm_fault_t> dev_dax_huge_fault(Kernel& k, char_device& device, vm_fault& vmf, unsigned order);

}  // namespace faultline
