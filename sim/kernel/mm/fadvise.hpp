// posix_fadvise(2). Linux 6.12 mm/fadvise.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// How a file is going to be read. 0 or a negative errno.
Path<std::int64_t> ksys_fadvise64_64(Kernel& k, std::int64_t fd, std::uint64_t offset,
                                     std::uint64_t len, std::uint64_t advice);

}  // namespace faultline
