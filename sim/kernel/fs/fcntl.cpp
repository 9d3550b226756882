// F_MAP_DIRECT allows MAP_DIRECT mappings of one open file to who has no capability for them: the
// permission goes with the open file, through dup, fork and descriptor passing, and is never taken
// back. F_SETLEASE and F_GETLEASE are those of fs/locks.c. Left out: every other command.
#include "kernel/fs/fcntl.hpp"

#include <fcntl.h>

#include <cerrno>

#include "kernel/fs/locks.hpp"
#include "kernel/fs/open.hpp"

namespace faultline {

// F_MAP_DIRECT, which version 7 does not have any more.
static std::int64_t allow_map_direct(Kernel& k, file& f) {
  const bool known = k.profile.map_bit == MapBit::direct && k.profile.map_direct == MapDirect::seal;
  if (!known) return -EINVAL;
  if (!capable(k.current(), CAP_LINUX_IMMUTABLE)) return -EACCES;
  f.f_map_direct = true;
  return 0;
}

Path<std::int64_t> do_fcntl(Kernel& k, std::int64_t fd, std::uint64_t cmd, std::uint64_t arg) {
  co_await k.engine.spend(k.costs.vfs_op);
  file* const f = fget(k, fd);
  if (!f) co_return -EBADF;
  std::int64_t result = -EINVAL;
  switch (cmd) {
    case F_MAP_DIRECT:
      result = allow_map_direct(k, *f);
      break;
    case F_SETLEASE:
      result = co_await fcntl_setlease(k, *f, arg);
      break;
    case F_GETLEASE:
      result = co_await fcntl_getlease(k, *f);
      break;
    default:
      k.unmodelled("an fcntl command; it fails with EINVAL");
  }
  fput(k, *f);
  co_return result;
}

}  // namespace faultline
