// F_MAP_DIRECT allows MAP_DIRECT mappings of one open file to who has no capability for them: the
// permission goes with the open file, through dup, fork and descriptor passing, and is never taken
// back. Left out: every other command.
#include "kernel/fs/fcntl.hpp"

#include <fcntl.h>

#include <cerrno>

#include "kernel/fs/open.hpp"

namespace faultline {

Path<std::int64_t> do_fcntl(Kernel& k, std::int64_t fd, std::uint64_t cmd) {
  co_await k.engine.spend(k.costs.vfs_op);
  file* const f = fget(k, fd);
  if (!f) co_return -EBADF;
  std::int64_t result = 0;
  if (cmd != F_MAP_DIRECT || k.profile.map_bit != MapBit::direct) {
    if (cmd != F_MAP_DIRECT) k.unmodelled("an fcntl command; it fails with EINVAL");
    result = -EINVAL;
  } else if (!capable(k.current(), CAP_LINUX_IMMUTABLE)) {
    result = -EACCES;
  } else {
    f->f_map_direct = true;
  }
  fput(k, *f);
  co_return result;
}

}  // namespace faultline
