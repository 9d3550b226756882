// Taking pages out of a file of tmpfs, and putting some into it without a store: truncation,
// fallocate, and with it MADV_REMOVE. Linux 6.12 mm/shmem.c. Left out: seals, limits of the mount,
// the wait of a fault for a hole that is being punched (it makes a page, which the punch takes
// out again).
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// shmem_setattr() with ATTR_SIZE; i_rwsem is held for writing. 0 or a negative errno.
Path<std::int64_t> shmem_setattr(Kernel& k, inode& node, std::uint64_t newsize);
/// The file's fallocate: allocates pages or punches a hole. 0 or a negative errno.
Path<std::int64_t> shmem_fallocate(Kernel& k, file& f, unsigned mode, std::uint64_t offset,
                                   std::uint64_t len);

}  // namespace faultline
