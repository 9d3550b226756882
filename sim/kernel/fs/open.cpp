// open(2), close(2) and descriptor look-up. Linux 6.12 fs/open.c, fs/file.c, xfs_file_open.
#include "kernel/fs/open.hpp"

#include <fcntl.h>

#include <cerrno>

namespace faultline {

namespace {
constexpr std::uint64_t valid_open_flags =
    O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC |
    O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | 040000 /* O_DIRECT */ |
    0100000 /* O_LARGEFILE */ | 01000000 /* O_NOATIME */;

int may_open(const inode& node, std::uint64_t flags) {
  const bool write = (flags & O_ACCMODE) != O_RDONLY;
  if (node.type == InodeType::directory && write) return -EISDIR;
  if ((flags & O_DIRECTORY) && node.type != InodeType::directory) return -ENOTDIR;
  if (write && node.immutable) return -EPERM;
  if (node.append && write && !(flags & O_APPEND)) return -EPERM;
  if (node.append && (flags & O_TRUNC)) return -EPERM;
  return 0;
}
}  // namespace

Path<std::int64_t> do_sys_open(Kernel& k, inode& node, std::uint64_t flags) {
  co_await k.engine.spend(k.costs.vfs_op);
  flags &= valid_open_flags;
  if ((flags & O_ACCMODE) == O_ACCMODE) co_return -EINVAL;
  if (const int error = may_open(node, flags)) co_return error;
  file& opened = k.files.emplace_back();
  opened.f_inode = &node;
  opened.f_op = node.i_fop;
  opened.f_flags = static_cast<std::uint32_t>(flags);
  opened.f_count = 1;
  switch (flags & O_ACCMODE) {
    case O_RDONLY:
      opened.f_mode = FMODE_READ;
      break;
    case O_WRONLY:
      opened.f_mode = FMODE_WRITE;
      break;
    default:
      opened.f_mode = FMODE_READ | FMODE_WRITE;
      break;
  }
  auto& table = k.current().files->fd;
  for (std::size_t n = 3; n < table.size(); ++n) {
    if (table[n]) continue;
    table[n] = &opened;
    co_return static_cast<std::int64_t>(n);
  }
  // 0, 1 and 2 belong to the program's terminal, which nothing here reads.
  if (table.size() < 3) table.resize(3);
  table.push_back(&opened);
  co_return static_cast<std::int64_t>(table.size() - 1);
}

Path<std::int64_t> close_fd(Kernel& k, std::int64_t fd) {
  co_await k.engine.spend(k.costs.vfs_op);
  auto& table = k.current().files->fd;
  const bool known = fd >= 0 && static_cast<std::size_t>(fd) < table.size() && table[fd];
  if (!known) co_return -EBADF;
  file& closed = *table[static_cast<std::size_t>(fd)];
  table[static_cast<std::size_t>(fd)] = nullptr;
  fput(k, closed);
  co_return 0;
}

file* fget(Kernel& k, std::int64_t fd) {
  const auto& table = k.current().files->fd;
  if (fd < 0 || static_cast<std::size_t>(fd) >= table.size()) return nullptr;
  file* const found = table[static_cast<std::size_t>(fd)];
  if (found) ++found->f_count;
  return found;
}

void fput(Kernel&, file& file) { --file.f_count; }

}  // namespace faultline
