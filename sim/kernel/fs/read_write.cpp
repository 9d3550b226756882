// The checks before a file's own read or write. Linux 6.12 fs/read_write.c ksys_pread64,
// ksys_pwrite64, ksys_read, ksys_write, rw_verify_area. Left out: f_pos_lock, which keeps two calls
// that use the position of one open file apart.
#include "kernel/fs/read_write.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "kernel/fs/open.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"

namespace faultline {

// `*pos` is moved on over what was read or written.
static HelperPath<std::int64_t> vfs_read_write(Kernel& k, file& f, std::uint64_t* pos,
                                               std::uint64_t length, std::optional<Vaddr> buffer,
                                               bool write) {
  constexpr std::uint64_t max_rw_count = 0x7ffff000;
  if (!(f.f_mode & (write ? FMODE_WRITE : FMODE_READ))) co_return -EBADF;
  if (f.f_inode->type == InodeType::directory) co_return -EISDIR;
  if (!f.f_inode->xfs) {
    k.unmodelled("read and write of a file that is not on XFS; they fail with EIO");
    co_return -EIO;
  }
  if (static_cast<std::int64_t>(length) < 0) co_return -EINVAL;
  if (static_cast<std::int64_t>(*pos + length) < 0) co_return write ? -EFBIG : -EOVERFLOW;
  DaxIo io;
  io.host = f.f_inode;
  io.pos = write && (f.f_flags & O_APPEND) ? f.f_inode->i_size : *pos;
  io.length = std::min(length, max_rw_count);
  io.write = write;
  io.buffer = buffer;
  std::int64_t result = 0;
  if (write) {
    result = co_await xfs::xfs_file_write_iter(k, f, io);
  } else {
    result = co_await xfs::xfs_file_read_iter(k, f, io);
  }
  if (result > 0) *pos = io.pos + static_cast<std::uint64_t>(result);
  co_return result;
}

HelperPath<std::int64_t> pread_pwrite(Kernel& k, std::int64_t fd, std::uint64_t pos,
                                      std::uint64_t length, std::optional<Vaddr> buffer,
                                      bool write) {
  if (static_cast<std::int64_t>(pos) < 0) co_return -EINVAL;
  file* const f = fget(k, fd);
  if (!f) co_return -EBADF;
  const bool pipe = f->f_inode->type == InodeType::pipe;
  const bool allowed = f->f_mode & (write ? FMODE_WRITE : FMODE_READ);
  std::int64_t result = pipe && allowed ? -ESPIPE : 0;
  if (result == 0) result = co_await vfs_read_write(k, *f, &pos, length, buffer, write);
  fput(k, *f);
  co_return result;
}

HelperPath<std::int64_t> ksys_read_write(Kernel& k, std::int64_t fd, std::uint64_t length,
                                         std::optional<Vaddr> buffer, bool write) {
  file* const f = fget(k, fd);
  if (!f) co_return -EBADF;
  std::uint64_t pos = f->f_pos;
  const std::int64_t result = co_await vfs_read_write(k, *f, &pos, length, buffer, write);
  f->f_pos = pos;
  fput(k, *f);
  co_return result;
}

}  // namespace faultline
