// Fault-around, and writing a file's dirty pages back. Linux 6.12 mm/filemap.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// filemap_map_pages(): maps cached pages around the fault under RCU; skips value entries, so for a
/// DAX file it maps nothing and returns 0.
Path<vm_fault_t> filemap_map_pages(Kernel& k, vm_fault& vmf);

/// Writes back what is dirty in [start, end] (bytes) and waits for it. 0 or a negative errno.
Path<std::int64_t> file_write_and_wait_range(Kernel& k, address_space& mapping, std::uint64_t start,
                                             std::uint64_t end);

}  // namespace faultline
