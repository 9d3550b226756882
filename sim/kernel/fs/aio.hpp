// Asynchronous reads and writes. Linux 6.12 fs/aio.c io_submit(2), with one request a call.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// Submits a read or write of `length` bytes from a buffer of the kernel's own. 1: it was taken,
/// and its result comes as a sim_aio_complete record; or a negative errno.
Path<std::int64_t> io_submit_rw(Kernel& k, std::int64_t fd, std::uint64_t pos, std::uint64_t length,
                                bool write);

}  // namespace faultline
