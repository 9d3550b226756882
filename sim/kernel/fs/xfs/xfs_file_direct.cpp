// Direct reads and writes of XFS files without DAX. Linux 6.12 fs/xfs/xfs_file.c xfs_file_dio_read,
// xfs_file_dio_write_aligned, xfs_dio_write_end_io: IOLOCK is shared and given up at submission of
// an asynchronous request, whose completion holds no IOLOCK; it makes the file longer and its
// blocks written. The order of these two is that of 4.13. Left out: writes of parts of blocks.
#include <fcntl.h>

#include <cerrno>

#include "kernel/fs/inode.hpp"
#include "kernel/fs/iomap_direct.hpp"
#include "kernel/fs/open.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/fs/sync.hpp"
#include "kernel/fs/xfs/xfs_delalloc.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_iomap.hpp"
#include "kernel/fs/xfs/xfs_layouts.hpp"
#include "kernel/fs/xfs/xfs_reflink.hpp"

namespace faultline::xfs {

namespace {

// The end of every request; what was asynchronous says so.
std::int64_t end_request(Kernel& k, const iomap_ioend& io, std::int64_t error) {
  inode& ip = *io.host;
  if (!error) error = io.error;
  const std::int64_t result = error ? error : static_cast<std::int64_t>(io.size);
  if (io.finish) k.trace<Event::sim_aio_complete>(ip.i_sb->s_dev, ip.i_ino, io.offset, result);
  inode_dio_end(k, ip);
  return result;
}

Path<std::int64_t> xfs_dio_write_end_io(Kernel& k, const iomap_ioend& io) {
  inode& ip = *io.host;
  std::int64_t error = 0;
  const bool update_size = io.offset + io.size > ip.i_size;
  if (update_size) ip.i_size = io.offset + io.size;
  if (io.flags & IOMAP_F_SHARED) {
    error = co_await xfs_reflink_end_cow(k, ip, io.offset, io.size);
  } else if (io.type == IOMAP_UNWRITTEN) {
    error = co_await xfs_iomap_write_unwritten(k, ip, io.offset, io.size);
  } else if (update_size) {
    error = co_await xfs_setfilesize(k, ip, io.offset, io.size);
  }
  co_return end_request(k, io, error);
}

// A read ends where the file does.
Path<std::int64_t> iomap_dio_complete(Kernel& k, const iomap_ioend& io) {
  co_await k.engine.spend(Nanos{});
  const std::int64_t result = end_request(k, io, 0);
  const std::uint64_t size = io.host->i_size;
  const bool beyond = result > 0 && io.offset + static_cast<std::uint64_t>(result) > size;
  co_return beyond ? static_cast<std::int64_t>(size > io.offset ? size - io.offset : 0) : result;
}

// xfs_file_write_checks(). A write that begins behind the end of the file zeroes what is between,
// under an exclusive IOLOCK and without others under way; `iolock` is what is held afterwards.
HelperPath<std::int64_t> write_checks(Kernel& k, inode& ip, const DaxIo& io, unsigned& iolock) {
  std::int64_t error = co_await generic_write_checks(k, ip, io);
  if (!error) error = co_await xfs_break_layouts(k, ip, iolock, LayoutBreak::write);
  if (!error && io.pos > ip.i_size && iolock == XFS_IOLOCK_SHARED) {
    xfs_iunlock(k, ip, iolock, "xfs_file_write_checks");
    iolock = XFS_IOLOCK_EXCL;
    co_await xfs_ilock(k, ip, iolock, "xfs_file_write_checks");
    error = co_await generic_write_checks(k, ip, io);
  }
  if (!error && io.pos > ip.i_size) {
    co_await inode_dio_wait(k, ip);
    error = co_await xfs_file_zero_eof(k, ip, io.pos);
  }
  if (!error) error = co_await file_update_time(k, ip);
  co_return error;
}

}  // namespace

Path<std::int64_t> xfs_file_dio_write(Kernel& k, file& file, const DaxIo& io, DioWait wait) {
  inode& ip = *file.f_inode;
  if (io.length == 0) co_return 0;
  if ((io.pos | io.length) & 511) co_return -EINVAL;
  if ((io.pos | io.length) & ((1ULL << block_log) - 1)) {
    k.unmodelled("a direct write of parts of blocks; it fails with EINVAL");
    co_return -EINVAL;
  }
  co_await sb_start_write(*ip.i_sb);
  unsigned iolock = XFS_IOLOCK_SHARED;
  co_await xfs_ilock_iocb(k, ip, iolock, "xfs_file_dio_aio_write");
  std::int64_t ret = co_await write_checks(k, ip, io, iolock);
  if (!ret) {
    if (iolock == XFS_IOLOCK_EXCL) {
      xfs_ilock_demote(k, ip, iolock, "xfs_file_dio_write_aligned");
      iolock = XFS_IOLOCK_SHARED;
    }
    k.trace<Event::xfs_file_direct_write>(ip.i_sb->s_dev, ip.i_ino, ip.xfs->i_disk_size, io.pos,
                                          io.length);
    const DioOps dops{&xfs_direct_write_iomap_ops_of(k.profile), xfs_dio_write_end_io};
    ret = co_await iomap_dio_rw(k, io, dops, wait);
    if (wait == DioWait::wait) {
      ret = co_await generic_write_sync(k, file, io.pos, ret);  // iomap_dio_complete()
    } else if (file.f_flags & O_DSYNC) {
      k.unmodelled("O_DSYNC of an asynchronous write; no log force follows it");
    }
  }
  xfs_iunlock(k, ip, iolock, "xfs_file_dio_write_aligned");
  sb_end_write(*ip.i_sb);
  co_return ret;
}

Path<std::int64_t> xfs_file_dio_read(Kernel& k, file& file, const DaxIo& io, DioWait wait) {
  inode& ip = *file.f_inode;
  k.trace<Event::xfs_file_direct_read>(ip.i_sb->s_dev, ip.i_ino, ip.xfs->i_disk_size, io.pos,
                                       io.length);
  if (io.length == 0) co_return 0;
  co_await touch_atime(k, ip);
  co_await xfs_ilock_iocb(k, ip, XFS_IOLOCK_SHARED, "xfs_file_dio_aio_read");
  const DioOps dops{&xfs_read_iomap_ops_of(k.profile), iomap_dio_complete};
  const std::int64_t ret = co_await iomap_dio_rw(k, io, dops, wait);
  xfs_iunlock(k, ip, XFS_IOLOCK_SHARED, "xfs_file_dio_read");
  co_return ret;
}

}  // namespace faultline::xfs
