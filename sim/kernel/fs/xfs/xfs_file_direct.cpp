// Direct writes of XFS files without DAX. Linux 6.12 fs/xfs/xfs_file.c xfs_file_dio_write_aligned,
// xfs_dio_write_end_io: IOLOCK is shared and given up at submission; the completion, which holds no
// IOLOCK, makes the file longer and its blocks written. The order of these two is that of 4.13.
// Left out: writes that are not whole blocks, and their exclusive lock.
#include <cerrno>

#include "kernel/fs/inode.hpp"
#include "kernel/fs/iomap_direct.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/fs/xfs/xfs_delalloc.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_iomap.hpp"
#include "kernel/fs/xfs/xfs_reflink.hpp"

namespace faultline::xfs {

namespace {

Path<void> xfs_dio_write_end_io(Kernel& k, iomap_ioend& io) {
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
  const std::int64_t result = error ? error : static_cast<std::int64_t>(io.size);
  k.trace<Event::sim_aio_complete>(ip.i_sb->s_dev, ip.i_ino, io.offset, result);
  inode_dio_end(k, ip);
}

// xfs_file_write_checks() of a write inside the file or at its end.
HelperPath<std::int64_t> write_checks(Kernel& k, inode& ip, const DaxIo& io) {
  std::int64_t error = co_await generic_write_checks(k, ip, io);
  if (!error && io.pos > ip.i_size) {
    k.unmodelled("a direct write that begins behind the end of the file; it fails with EINVAL");
    error = -EINVAL;
  }
  if (!error) error = co_await file_update_time(k, ip);
  co_return error;
}

}  // namespace

Path<std::int64_t> xfs_file_dio_write(Kernel& k, file& file, const DaxIo& io) {
  inode& ip = *file.f_inode;
  constexpr std::uint64_t mask = (1ULL << block_log) - 1;
  if (io.length == 0) co_return 0;
  if ((io.pos & mask) || (io.length & mask)) {
    k.unmodelled("a direct write that is not whole blocks; it fails with EINVAL");
    co_return -EINVAL;
  }
  co_await sb_start_write(*ip.i_sb);
  co_await xfs_ilock_iocb(k, ip, XFS_IOLOCK_SHARED, "xfs_file_dio_aio_write");
  std::int64_t ret = co_await write_checks(k, ip, io);
  if (!ret) {
    k.trace<Event::xfs_file_direct_write>(ip.i_sb->s_dev, ip.i_ino, ip.xfs->i_disk_size, io.pos,
                                          io.length);
    ret = co_await iomap_dio_write(k, io, xfs_direct_write_iomap_ops_of(k.profile),
                                   xfs_dio_write_end_io);
  }
  xfs_iunlock(k, ip, XFS_IOLOCK_SHARED, "xfs_file_dio_write_aligned");
  sb_end_write(*ip.i_sb);
  co_return ret;
}

}  // namespace faultline::xfs
