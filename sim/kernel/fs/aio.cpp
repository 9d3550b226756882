// io_submit(2). See the header. Only what is asked of a file that is open with O_DIRECT and has no
// DAX is still under way when the call returns; any other request is complete. Left out: contexts
// and io_getevents(2), requests of several pieces.
#include "kernel/fs/aio.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "kernel/fs/iomap_direct.hpp"
#include "kernel/fs/open.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"

namespace faultline {

static std::int64_t check_request(const file& f, std::uint64_t pos, std::uint64_t length,
                                  bool write) {
  if (!(f.f_mode & (write ? FMODE_WRITE : FMODE_READ))) return -EBADF;
  if (!f.f_inode->xfs || f.f_inode->type != InodeType::regular) return -EINVAL;
  const bool negative = static_cast<std::int64_t>(pos) < 0 ||
                        static_cast<std::int64_t>(length) < 0 ||
                        static_cast<std::int64_t>(pos + length) < 0;
  return negative ? -EINVAL : 0;
}

static HelperPath<std::int64_t> submit(Kernel& k, file& f, const DaxIo& io) {
  const bool direct = (f.f_flags & O_DIRECT) && !io.host->dax;
  std::int64_t done = 0;
  if (direct && io.write) {
    done = co_await xfs::xfs_file_direct_write(k, f, io, DioWait::queue);
  } else if (direct) {
    done = co_await xfs::xfs_file_dio_read(k, f, io, DioWait::queue);
  } else if (io.write) {
    done = co_await xfs::xfs_file_write_iter(k, f, io);
  } else {
    done = co_await xfs::xfs_file_read_iter(k, f, io);
  }
  co_return done;
}

Path<std::int64_t> io_submit_rw(Kernel& k, std::int64_t fd, std::uint64_t pos, std::uint64_t length,
                                bool write) {
  file* const f = fget(k, fd);
  if (!f) co_return -EBADF;
  if (const std::int64_t error = check_request(*f, pos, length, write)) {
    fput(k, *f);
    co_return error;
  }
  inode& node = *f->f_inode;
  DaxIo io;
  io.host = &node;
  io.pos = write && (f->f_flags & O_APPEND) ? node.i_size : pos;
  io.length = length;
  io.write = write;
  const std::int64_t done = co_await submit(k, *f, io);
  if (done != -EIOCBQUEUED) {
    k.trace<Event::sim_aio_complete>(node.i_sb->s_dev, node.i_ino, io.pos, done);
  }
  fput(k, *f);
  co_return 1;
}

}  // namespace faultline
