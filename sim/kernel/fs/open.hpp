// Opening and closing files, and descriptors. Linux 6.12 fs/open.c, fs/file.c, reduced: files are
// declared, so there is no path look-up, and O_CREAT and O_TRUNC have nothing to do.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// openat(2) of a declared file: the descriptor, or a negative errno.
Path<std::int64_t> do_sys_open(Kernel& k, inode& node, std::uint64_t flags);
/// close(2).
Path<std::int64_t> close_fd(Kernel& k, std::int64_t fd);

/// The open file behind a descriptor of the current task, with a reference; null if there is none.
file* fget(Kernel& k, std::int64_t fd);
/// Drops a reference. What is to be done for the last one waits until the task leaves the kernel.
void fput(Kernel& k, file& file);
/// The last thread of a process is exiting: its descriptors are closed.
void exit_files(Kernel& k);
/// What fput() left to be done: delayed __fput(). Called only if there is something to do.
Path<void> task_work_run(Kernel& k);

/// ftruncate(2): 0 or a negative errno.
Path<std::int64_t> do_sys_ftruncate(Kernel& k, std::int64_t fd, std::int64_t length);

/// The bits of fallocate's mode of which at most one may be set; none: allocate (fcntl.h has the
/// others, FALLOC_FL_*).
inline constexpr unsigned falloc_mode_mask = 0x7a, falloc_allocate_range = 0;
/// The same for an open file that the caller holds.
HelperPath<std::int64_t> vfs_fallocate(Kernel& k, file& f, std::uint64_t mode, std::int64_t offset,
                                       std::int64_t len);
/// fallocate(2): 0 or a negative errno.
Path<std::int64_t> ksys_fallocate(Kernel& k, std::int64_t fd, std::uint64_t mode,
                                  std::int64_t offset, std::int64_t len);

}  // namespace faultline
