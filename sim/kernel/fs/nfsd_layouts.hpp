// A pNFS server that gives a client the layout of a file, so that the client reads and writes the
// file's blocks itself: it holds a layout lease on the client's behalf. Linux 6.12
// fs/nfsd/nfs4layouts.c. Left out: the client, its I/O and LAYOUTCOMMIT; ranges of the file.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// LAYOUTGET for an open file: 0, or the errno of vfs_setlease.
Path<std::int64_t> nfsd4_layoutget(Kernel& k, std::int64_t fd);
/// LAYOUTRETURN: 0, or -EBADF, -EAGAIN without a layout. `on_recall`: waits first until the layout
/// has been recalled.
Path<std::int64_t> nfsd4_layoutreturn(Kernel& k, std::int64_t fd, bool on_recall);

}  // namespace faultline
