// Taking a file's name away. Linux 6.12 fs/namei.c do_unlinkat, vfs_unlink. Left out: path look-up;
// all files lie in the root directory of their file system.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// unlink(2) of a declared file: 0 or a negative errno. Who has it open or mapped keeps it.
Path<std::int64_t> do_unlinkat(Kernel& k, inode& node);
/// iput() of an inode: the last reference of one without a name gives up what it has.
Path<void> iput(Kernel& k, inode& node);

}  // namespace faultline
