// read(2) and write(2) of XFS files through the page cache. Linux 6.12 fs/xfs/xfs_file.c
// xfs_file_buffered_read, xfs_file_buffered_write, xfs_file_write_checks. Left out: giving up
// preallocated blocks when a write finds no space.
#include <cerrno>

#include "kernel/fs/inode.hpp"
#include "kernel/fs/iomap_write.hpp"
#include "kernel/fs/sync.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_iomap.hpp"
#include "kernel/fs/xfs/xfs_layouts.hpp"
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/readahead.hpp"

namespace faultline::xfs {

Path<std::int64_t> xfs_file_buffered_read(Kernel& k, file& file, const DaxIo& io) {
  inode& ip = *file.f_inode;
  k.trace<Event::xfs_file_buffered_read>(ip.i_sb->s_dev, ip.i_ino, ip.xfs->i_disk_size, io.pos,
                                         io.length);
  co_await xfs_ilock_iocb(k, ip, XFS_IOLOCK_SHARED, "xfs_file_buffered_aio_read");
  std::int64_t ret = 0;
  if (io.length != 0) ret = co_await filemap_read(k, file, io);
  xfs_iunlock(k, ip, XFS_IOLOCK_SHARED, "xfs_file_buffered_read");
  co_return ret;
}

// xfs_file_fadvise(): who fills the page cache must not meet who takes blocks away.
Path<void> xfs_file_fadvise_willneed(Kernel& k, file& file, std::uint64_t offset,
                                     std::uint64_t len) {
  inode& ip = *file.f_inode;
  const std::uint64_t first = offset >> PAGE_SHIFT;
  const std::uint64_t last = (offset + len - 1) >> PAGE_SHIFT;
  co_await xfs_ilock(k, ip, XFS_IOLOCK_SHARED, "xfs_file_fadvise");
  co_await force_page_cache_ra(k, ip.i_data, file.f_ra, first, last - first + 1);
  xfs_iunlock(k, ip, XFS_IOLOCK_SHARED, "xfs_file_fadvise");
}

// A write behind the end of the file: what is between must read as zeros.
HelperPath<std::int64_t> xfs_file_zero_eof(Kernel& k, inode& ip, std::uint64_t pos) {
  bool did_zero = false;
  co_await xfs_ilock(k, ip, XFS_MMAPLOCK_EXCL, "xfs_file_write_checks");
  const std::int64_t error = co_await xfs_zero_range(k, ip, ip.i_size, pos - ip.i_size, did_zero);
  xfs_iunlock(k, ip, XFS_MMAPLOCK_EXCL, "xfs_file_write_checks");
  co_return error;
}

static Path<std::int64_t> xfs_file_write_checks(Kernel& k, inode& ip, const DaxIo& io) {
  std::int64_t error = co_await generic_write_checks(k, ip, io);
  unsigned iolock = XFS_IOLOCK_EXCL;
  if (!error) error = co_await xfs_break_layouts(k, ip, iolock, LayoutBreak::write);
  if (!error && io.pos > ip.i_size) error = co_await xfs_file_zero_eof(k, ip, io.pos);
  if (!error) error = co_await file_update_time(k, ip);
  co_return error;
}

Path<std::int64_t> xfs_file_buffered_write(Kernel& k, file& file, DaxIo io) {
  inode& ip = *file.f_inode;
  co_await xfs_ilock_iocb(k, ip, XFS_IOLOCK_EXCL, "xfs_file_buffered_aio_write");
  std::int64_t ret = co_await xfs_file_write_checks(k, ip, io);
  if (ret == 0) {
    k.trace<Event::xfs_file_buffered_write>(ip.i_sb->s_dev, ip.i_ino, ip.xfs->i_disk_size, io.pos,
                                            io.length);
    ret = co_await iomap_file_buffered_write(k, io, xfs_buffered_write_iomap_ops);
  }
  xfs_iunlock(k, ip, XFS_IOLOCK_EXCL, "xfs_file_buffered_write");
  ret = co_await generic_write_sync(k, file, io.pos, ret);
  co_return ret;
}

}  // namespace faultline::xfs
