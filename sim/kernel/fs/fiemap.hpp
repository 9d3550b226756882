// FS_IOC_FIEMAP: where a file's data are. Linux 6.12 fs/ioctl.c, fs/iomap/fiemap.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// Extents of [start, start + length) (bytes; length 0: to the end), written as struct
/// fiemap_extent to `extents`, which has room for all; nothing: a buffer of the kernel's own that
/// never faults. 0 or a negative errno; `mapped`: how many there are.
struct FiemapRequest {
  std::uint64_t start = 0, length = 0;
  std::optional<Vaddr> extents;
};
Path<std::int64_t> ioctl_fiemap(Kernel& k, std::int64_t fd, const FiemapRequest& request,
                                std::uint64_t* mapped);

}  // namespace faultline
