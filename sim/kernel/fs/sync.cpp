// The way from the descriptor to the file system's fsync. Linux 6.12 fs/sync.c, include/linux/fs.h
// generic_write_sync.
#include "kernel/fs/sync.hpp"

#include <fcntl.h>

#include <cerrno>

#include "kernel/fs/open.hpp"

namespace faultline {

static Path<std::int64_t> no_fsync(Kernel&) { co_return -EINVAL; }

Path<std::int64_t> vfs_fsync_range(Kernel& k, file& file, std::uint64_t start, std::uint64_t end,
                                   bool datasync) {
  if (!file.f_op->fsync) return no_fsync(k);
  return file.f_op->fsync(k, file, start, end, datasync);
}

HelperPath<std::int64_t> generic_write_sync(Kernel& k, file& file, std::uint64_t pos,
                                            std::int64_t written) {
  if (written <= 0 || !(file.f_flags & O_DSYNC)) co_return written;
  // O_SYNC is O_DSYNC and a bit of its own, which asks for all metadata.
  const bool datasync = (file.f_flags & (O_SYNC & ~O_DSYNC)) == 0;
  const std::uint64_t last = pos + static_cast<std::uint64_t>(written) - 1;
  const std::int64_t error = co_await vfs_fsync_range(k, file, pos, last, datasync);
  co_return error ? error : written;
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
