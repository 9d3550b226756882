// msync(2). Linux 6.12 mm/msync.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// Writes the shared file mappings of a range back (MS_SYNC). 0 or a negative errno.
Path<std::int64_t> ksys_msync(Kernel& k, std::uint64_t start, std::uint64_t len,
                              std::uint64_t flags);

}  // namespace faultline
