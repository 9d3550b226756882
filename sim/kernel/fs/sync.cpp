// The way from the descriptor to the file system's fsync. Linux 6.12 fs/sync.c.
#include "kernel/fs/sync.hpp"

#include <cerrno>

#include "kernel/fs/open.hpp"

namespace faultline {

static Path<std::int64_t> no_fsync(Kernel&) { co_return -EINVAL; }

Path<std::int64_t> vfs_fsync_range(Kernel& k, file& file, std::uint64_t start, std::uint64_t end,
                                   bool datasync) {
  if (!file.f_op->fsync) return no_fsync(k);
  return file.f_op->fsync(k, file, start, end, datasync);
}

Path<std::int64_t> do_fsync(Kernel& k, std::int64_t fd, bool datasync) {
  constexpr std::uint64_t llong_max = ~0ULL >> 1;
  file* const f = fget(k, fd);
  if (!f) co_return -EBADF;
  const std::int64_t error = co_await vfs_fsync_range(k, *f, 0, llong_max, datasync);
  fput(k, *f);
  co_return error;
}

}  // namespace faultline
