// Fault-around: mapping what the page cache already has. Linux 6.12 mm/filemap.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// filemap_map_pages(): maps cached pages around the fault under RCU; skips value entries, so for a
/// DAX file it maps nothing and returns 0.
Path<vm_fault_t> filemap_map_pages(Kernel& k, vm_fault& vmf);

}  // namespace faultline
