// The memory devices: /dev/null, /dev/zero and /dev/mem. Linux 6.12 and 7.1 drivers/char/mem.c.
// Left out: /dev/full, reading and writing, caching of /dev/mem by MTRRs.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

extern const file_operations null_fops;  ///< no mmap
extern const file_operations zero_fops;  ///< private: anonymous memory; shared: shared anonymous
extern const file_operations mem_fops;   ///< physical memory from the mapping's offset on

}  // namespace faultline
