// The checks before a file's own read or write. Linux 6.12 fs/read_write.c ksys_pread64,
// ksys_pwrite64, rw_verify_area.
#include "kernel/fs/read_write.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "kernel/fs/open.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"

namespace faultline {

HelperPath<std::int64_t> pread_pwrite(Kernel& k, std::int64_t fd, std::uint64_t pos,
                                      std::uint64_t length, std::optional<Vaddr> buffer,
                                      bool write) {
  constexpr std::uint64_t max_rw_count = 0x7ffff000;
  if (static_cast<std::int64_t>(pos) < 0) co_return -EINVAL;
  file* const f = fget(k, fd);
  if (!f) co_return -EBADF;
  std::int64_t result = 0;
  if (!(f->f_mode & (write ? FMODE_WRITE : FMODE_READ))) {
    result = -EBADF;
  } else if (f->f_inode->type == InodeType::directory) {
    result = -EISDIR;
  } else if (f->f_inode->type == InodeType::pipe) {
    result = -ESPIPE;
  } else if (!f->f_inode->xfs) {
    k.unmodelled("read and write of a file that is not on XFS; they fail with EIO");
    result = -EIO;
  } else if (static_cast<std::int64_t>(length) < 0) {
    result = -EINVAL;
  } else if (static_cast<std::int64_t>(pos + length) < 0) {
    result = write ? -EFBIG : -EOVERFLOW;
  } else {
    DaxIo io;
    io.host = f->f_inode;
    io.pos = write && (f->f_flags & O_APPEND) ? f->f_inode->i_size : pos;
    io.length = std::min(length, max_rw_count);
    io.write = write;
    io.buffer = buffer;
    if (write) {
      result = co_await xfs::xfs_file_write_iter(k, *f, io);
    } else {
      result = co_await xfs::xfs_file_read_iter(k, *f, io);
    }
  }
  fput(k, *f);
  co_return result;
}

}  // namespace faultline
