// open(2), close(2) and descriptor look-up. Linux 6.12 fs/open.c, fs/file.c, xfs_file_open.
#include "kernel/fs/open.hpp"

#include <fcntl.h>

#include <cerrno>

#include "kernel/fs/locks.hpp"
#include "kernel/fs/namei.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/fs/xfs/xfs_setattr.hpp"
#include "kernel/mm/shmem_truncate.hpp"

namespace faultline {

namespace {
constexpr std::uint64_t o_path = 010000000;
constexpr std::uint64_t path_flags = o_path | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr std::uint64_t valid_open_flags =
    O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC |
    O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | 040000 /* O_DIRECT */ |
    0100000 /* O_LARGEFILE */ | 01000000 /* O_NOATIME */ | o_path;

int may_open(const inode& node, std::uint64_t flags) {
  const bool write = (flags & O_ACCMODE) != O_RDONLY;
  if (node.type == InodeType::directory && write) return -EISDIR;
  if ((flags & O_DIRECTORY) && node.type != InodeType::directory) return -ENOTDIR;
  if (write && node.immutable) return -EPERM;
  if (node.append && write && !(flags & O_APPEND)) return -EPERM;
  if (node.append && (flags & O_TRUNC)) return -EPERM;
  return 0;
}

// Access mode 3 asks for the rights of both and gives neither.
std::uint32_t mode_of(std::uint64_t flags) {
  if (flags & o_path) return FMODE_PATH;
  switch (flags & O_ACCMODE) {
    case O_RDONLY:
      return FMODE_READ;
    case O_WRONLY:
      return FMODE_WRITE;
    case O_RDWR:
      return FMODE_READ | FMODE_WRITE;
    default:
      return 0;
  }
}
}  // namespace

Path<std::int64_t> do_sys_open(Kernel& k, inode& node, std::uint64_t flags) {
  co_await k.engine.spend(k.costs.vfs_op);
  flags &= flags & o_path ? path_flags : valid_open_flags;
  if (node.i_nlink == 0) co_return -ENOENT;
  if (const int error = may_open(node, flags)) co_return error;
  if (has_lease(node, FL_LEASE) && !(flags & o_path)) {
    const bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
    const bool nonblock = flags & O_NONBLOCK;
    const std::int64_t error = co_await __break_lease(k, node, writes, nonblock, FL_LEASE);
    if (error) co_return error;
  }
  ++node.i_count;
  file& opened = k.files.emplace_back();
  opened.f_inode = &node;
  opened.f_op = node.i_fop;
  opened.f_flags = static_cast<std::uint32_t>(flags);
  opened.f_count = 1;
  opened.f_mode = mode_of(flags);
  opened.f_wb_seq = node.i_data.wb_seq;
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
  if (!found || (found->f_mode & FMODE_PATH)) return nullptr;
  ++found->f_count;
  return found;
}

void fput(Kernel& k, file& file) {
  if (--file.f_count != 0) return;
  // Of a file that has a name nothing is left to do but what its driver wants to.
  const bool last = file.f_inode->i_nlink == 0;
  if (file.f_op->release || last || holds_lease(file)) {
    k.current().task_works.push_back(&file);
  } else if (file.f_inode->i_count != 0) {
    --file.f_inode->i_count;
  }
}

void exit_files(Kernel& k) {
  for (file*& opened : k.current().files->fd) {
    if (opened) fput(k, *opened);
    opened = nullptr;
  }
}

Path<void> task_work_run(Kernel& k) {
  std::vector<file*> works;
  works.swap(k.current().task_works);
  for (file* const gone : works) {
    if (holds_lease(*gone)) co_await locks_remove_file(k, *gone);
    if (gone->f_op->release) co_await gone->f_op->release(k, *gone);
    if (gone->f_inode->i_count != 0) co_await iput(k, *gone->f_inode);
  }
}

// notify_change() under i_rwsem: the file system's setattr.
static Path<std::int64_t> do_truncate(Kernel& k, inode& node, std::uint64_t length) {
  co_await down_write(node.i_rwsem);
  std::int64_t error = 0;
  if (node.xfs) {
    error = co_await xfs::xfs_vn_setattr(k, node, length);
  } else {
    error = co_await shmem_setattr(k, node, length);
  }
  up_write(node.i_rwsem);
  co_return error;
}

// The modes that exist, and which of them may keep the size. 0 or an errno.
static std::int64_t check_fallocate_mode(std::uint64_t mode) {
  if (mode & ~std::uint64_t{falloc_mode_mask | FALLOC_FL_KEEP_SIZE}) return -EOPNOTSUPP;
  const bool keep = mode & FALLOC_FL_KEEP_SIZE;
  switch (mode & falloc_mode_mask) {
    case falloc_allocate_range:
    case FALLOC_FL_UNSHARE_RANGE:
    case FALLOC_FL_ZERO_RANGE:
      return 0;
    case FALLOC_FL_PUNCH_HOLE:
      return keep ? 0 : -EOPNOTSUPP;
    case FALLOC_FL_COLLAPSE_RANGE:
    case FALLOC_FL_INSERT_RANGE:
      return keep ? -EOPNOTSUPP : 0;
    default:
      return -EOPNOTSUPP;
  }
}

// `sealed`: whether the block map may not change, as it was seen without any lock.
static std::int64_t check_fallocate(const file& f, std::uint64_t mode, std::int64_t offset,
                                    std::int64_t len, bool sealed) {
  const inode& node = *f.f_inode;
  if (offset < 0 || len <= 0) return -EINVAL;
  if (const std::int64_t error = check_fallocate_mode(mode)) return error;
  if (!(f.f_mode & FMODE_WRITE)) return -EBADF;
  if ((mode & ~std::uint64_t{FALLOC_FL_KEEP_SIZE}) && node.append) return -EPERM;
  if (node.immutable) return -EPERM;
  if (sealed) return -ETXTBSY;
  if (node.type == InodeType::pipe) return -ESPIPE;
  if (node.type == InodeType::directory) return -EISDIR;
  if (node.type != InodeType::regular) return -ENODEV;
  std::int64_t sum = 0;
  if (__builtin_add_overflow(offset, len, &sum)) return -EFBIG;
  return 0;
}

HelperPath<std::int64_t> vfs_fallocate(Kernel& k, file& f, std::uint64_t mode, std::int64_t offset,
                                       std::int64_t len) {
  const bool sealed = co_await is_iomap_sealed(*f.f_inode);
  std::int64_t error = check_fallocate(f, mode, offset, len, sealed);
  if (error) co_return error;
  if (!f.f_op->fallocate) {
    co_return -EOPNOTSUPP;
  }
  super_block& sb = *f.f_inode->i_sb;
  co_await sb_start_write(sb);
  error = co_await f.f_op->fallocate(k, f, static_cast<unsigned>(mode),
                                     static_cast<std::uint64_t>(offset),
                                     static_cast<std::uint64_t>(len));
  sb_end_write(sb);
  co_return error;
}

Path<std::int64_t> ksys_fallocate(Kernel& k, std::int64_t fd, std::uint64_t mode,
                                  std::int64_t offset, std::int64_t len) {
  file* const f = fget(k, fd);
  if (!f) co_return -EBADF;
  const std::int64_t error = co_await vfs_fallocate(k, *f, mode, offset, len);
  fput(k, *f);
  co_return error;
}

static HelperPath<std::int64_t> vfs_ftruncate(Kernel& k, file& f, std::uint64_t length) {
  inode& node = *f.f_inode;
  if (node.type != InodeType::regular || !(f.f_mode & FMODE_WRITE)) co_return -EINVAL;
  if (node.append) co_return -EPERM;
  co_await sb_start_write(*node.i_sb);
  const std::int64_t error = co_await do_truncate(k, node, length);
  sb_end_write(*node.i_sb);
  co_return error;
}

Path<std::int64_t> do_sys_ftruncate(Kernel& k, std::int64_t fd, std::int64_t length) {
  if (length < 0) co_return -EINVAL;
  file* const f = fget(k, fd);
  if (!f) co_return -EBADF;
  const std::int64_t error = co_await vfs_ftruncate(k, *f, static_cast<std::uint64_t>(length));
  fput(k, *f);
  co_return error;
}

}  // namespace faultline
