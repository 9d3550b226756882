// pread(2) and pwrite(2). Linux 6.12 fs/read_write.c.
#pragma once

#include <optional>

#include "kernel/kernel.hpp"

namespace faultline {

/// Bytes moved, or a negative errno. Without `buffer` the data are the kernel's own (zeros) and no
/// user memory is touched.
HelperPath<std::int64_t> pread_pwrite(Kernel& k, std::int64_t fd, std::uint64_t pos,
                                      std::uint64_t length, std::optional<Vaddr> buffer,
                                      bool write);

/// read(2) or write(2): at the position of the open file, which moves on.
HelperPath<std::int64_t> ksys_read_write(Kernel& k, std::int64_t fd, std::uint64_t length,
                                         std::optional<Vaddr> buffer, bool write);

}  // namespace faultline
