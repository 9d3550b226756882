// Drivers that are known by name: what each sets up, as a description, and what its hook tests
// before that. mmap_path.md section 10; Linux 7.1 after the series that moved them to
// mmap_prepare.
#pragma once

#include <string_view>

#include "kernel/kernel.hpp"

namespace faultline {

/// What the driver's hook looks at first: 0, or the negative errno it fails with. May change what
/// is described.
std::int64_t check_preset(Kernel& k, const char_device& device, vm_area_desc& desc);

/// The same of a driver with an mmap hook, which is given the VMA.
std::int64_t check_preset_vma(const char_device& device, const vm_area_struct& vma);

}  // namespace faultline
