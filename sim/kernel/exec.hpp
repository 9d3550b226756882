// Running another program. Linux 6.12 fs/exec.c, fs/binfmt_elf.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// execve(2) of a declared file. A negative errno before the point of no return; after it an error
/// is returned too, but kills the process, for the old program is gone.
Path<std::int64_t> do_execve(Kernel& k, inode& node);

}  // namespace faultline
