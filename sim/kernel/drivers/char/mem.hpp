// /dev/null and /dev/zero: the memory devices that have no hardware. Linux 6.12 drivers/char/mem.c.
// Left out: /dev/mem, /dev/full, reading and writing.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

extern const file_operations null_fops;  ///< no mmap
extern const file_operations zero_fops;  ///< private: anonymous memory; shared: shared anonymous

}  // namespace faultline
