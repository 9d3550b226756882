// Direct reads and writes of XFS files without DAX. Linux 6.12 fs/xfs/xfs_file.c xfs_file_dio_read,
// xfs_file_dio_write_aligned, xfs_file_dio_write_unaligned, xfs_dio_write_end_io: IOLOCK is shared
// and given up at submission of an asynchronous request, whose completion holds no IOLOCK; it makes
// the file longer and its blocks written. The order of these two is that of 4.13. A write of parts
// of shared blocks goes through the page cache.
#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "kernel/fs/inode.hpp"
#include "kernel/fs/iomap_direct.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/fs/xfs/xfs_delalloc.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_iomap.hpp"
#include "kernel/fs/xfs/xfs_layouts.hpp"
#include "kernel/fs/xfs/xfs_reflink.hpp"

namespace faultline::xfs {

namespace {

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
  if (error && io.finish && io.type == IOMAP_UNWRITTEN) {
    k.broken_rule("lost-write", fmt::format("the data of an asynchronous write to {} at {:#x} are "
                                            "on the device, but its blocks stay unwritten",
                                            ip.name, io.offset));
  }
  co_return error;
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

// xfs_ilock_iocb_for_write(): who gives blocks of the file to another one has a shared lock, too.
HelperPath<void> ilock_for_write(Kernel& k, inode& ip, unsigned& iolock) {
  co_await xfs_ilock_iocb(k, ip, iolock, "xfs_file_dio_aio_write");
  if (iolock != XFS_IOLOCK_SHARED || !(ip.xfs->i_flags & XFS_IREMAPPING)) co_return;
  xfs_iunlock(k, ip, iolock, "xfs_ilock_iocb_for_write");
  iolock = XFS_IOLOCK_EXCL;
  co_await xfs_ilock_iocb(k, ip, iolock, "xfs_file_dio_aio_write");
}

HelperPath<std::int64_t> submit_write(Kernel& k, file& file, const DaxIo& io, DioWait wait,
                                      unsigned dio_flags) {
  const inode& ip = *file.f_inode;
  k.trace<Event::xfs_file_direct_write>(ip.i_sb->s_dev, ip.i_ino, ip.xfs->i_disk_size, io.pos,
                                        io.length);
  const DioOps dops{&xfs_direct_write_iomap_ops_of(k.profile), xfs_dio_write_end_io};
  const std::int64_t ret = co_await iomap_dio_rw(k, file, io, dops, wait, dio_flags);
  co_return ret;
}

Path<std::int64_t> xfs_file_dio_write_aligned(Kernel& k, file& file, const DaxIo& io,
                                              DioWait wait) {
  inode& ip = *file.f_inode;
  unsigned iolock = XFS_IOLOCK_SHARED;
  co_await ilock_for_write(k, ip, iolock);
  std::int64_t ret = co_await write_checks(k, ip, io, iolock);
  if (!ret) {
    if (iolock == XFS_IOLOCK_EXCL) {
      xfs_ilock_demote(k, ip, iolock, "xfs_file_dio_write_aligned");
      iolock = XFS_IOLOCK_SHARED;
    }
    ret = co_await submit_write(k, file, io, wait, 0);
  }
  xfs_iunlock(k, ip, iolock, "xfs_file_dio_write_aligned");
  co_return ret;
}

// Zeroing the rest of a block races with whoever writes it, so a write of parts of blocks is alone,
// with nothing under way before and after it. What only overwrites written blocks need not be.
Path<std::int64_t> xfs_file_dio_write_unaligned(Kernel& k, file& file, const DaxIo& io,
                                                DioWait wait) {
  inode& ip = *file.f_inode;
  bool alone = io.pos + io.length >= ip.i_size;
  for (;;) {
    unsigned iolock = alone ? XFS_IOLOCK_EXCL : XFS_IOLOCK_SHARED;
    co_await ilock_for_write(k, ip, iolock);
    // A part of a block cannot be copied to another place.
    std::int64_t ret = ip.xfs->reflink ? -ENOTBLK : 0;
    if (!ret) ret = co_await write_checks(k, ip, io, iolock);
    if (!ret) {
      if (alone) co_await inode_dio_wait(k, ip);
      const unsigned flags = alone ? IOMAP_DIO_FORCE_WAIT : IOMAP_DIO_OVERWRITE_ONLY;
      ret = co_await submit_write(k, file, io, wait, flags);
    }
    xfs_iunlock(k, ip, iolock, "xfs_file_dio_write_unaligned");
    if (ret != -EAGAIN || alone) co_return ret;
    alone = true;
  }
}

// Direct I/O is in sectors of the device.
bool splits_a_sector(const DaxIo& io) { return (io.pos | io.length) & 511; }
bool whole_blocks(const DaxIo& io) {
  return ((io.pos | io.length) & ((1ULL << block_log) - 1)) == 0;
}

Path<std::int64_t> xfs_file_dio_write(Kernel& k, file& file, const DaxIo& io, DioWait wait) {
  if (splits_a_sector(io)) co_return -EINVAL;
  const std::int64_t ret = whole_blocks(io)
                               ? co_await xfs_file_dio_write_aligned(k, file, io, wait)
                               : co_await xfs_file_dio_write_unaligned(k, file, io, wait);
  co_return ret;
}

// 4.13. A write of parts of blocks is alone from the start, and nothing is under way before it. But
// an asynchronous one is once IOLOCK is given up, and races with the next one's zeroing.
Path<std::int64_t> xfs_file_dio_aio_write(Kernel& k, file& file, const DaxIo& io, DioWait wait) {
  inode& ip = *file.f_inode;
  if (splits_a_sector(io)) co_return -EINVAL;
  const bool aligned = whole_blocks(io);
  if (!aligned && ip.xfs->reflink) co_return -ENOTBLK;  // there: EREMCHG
  unsigned iolock = aligned ? XFS_IOLOCK_SHARED : XFS_IOLOCK_EXCL;
  co_await ilock_for_write(k, ip, iolock);
  std::int64_t ret = co_await write_checks(k, ip, io, iolock);
  if (!ret) {
    if (!aligned) {
      co_await inode_dio_wait(k, ip);
    } else if (iolock == XFS_IOLOCK_EXCL) {
      xfs_ilock_demote(k, ip, iolock, "xfs_file_dio_aio_write");
      iolock = XFS_IOLOCK_SHARED;
    }
    ret = co_await submit_write(k, file, io, wait, 0);
  }
  xfs_iunlock(k, ip, iolock, "xfs_file_dio_aio_write");
  co_return ret;
}

}  // namespace

HelperPath<std::int64_t> xfs_file_direct_write(Kernel& k, file& file, const DaxIo& io,
                                               DioWait wait) {
  super_block& sb = *file.f_inode->i_sb;
  if (io.length == 0) co_return 0;
  co_await sb_start_write(sb);
  std::int64_t ret = k.profile.dio_unaligned == DioUnaligned::exclusive
                         ? co_await xfs_file_dio_aio_write(k, file, io, wait)
                         : co_await xfs_file_dio_write(k, file, io, wait);
  if (ret == -ENOTBLK) ret = co_await xfs_file_buffered_write(k, file, io);
  sb_end_write(sb);
  co_return ret;
}

Path<std::int64_t> xfs_file_dio_read(Kernel& k, file& file, const DaxIo& io, DioWait wait) {
  inode& ip = *file.f_inode;
  k.trace<Event::xfs_file_direct_read>(ip.i_sb->s_dev, ip.i_ino, ip.xfs->i_disk_size, io.pos,
                                       io.length);
  if (io.length == 0) co_return 0;
  co_await touch_atime(k, ip);
  co_await xfs_ilock_iocb(k, ip, XFS_IOLOCK_SHARED, "xfs_file_dio_aio_read");
  const DioOps dops{&xfs_read_iomap_ops_of(k.profile), nullptr};
  const std::int64_t ret = co_await iomap_dio_rw(k, file, io, dops, wait);
  xfs_iunlock(k, ip, XFS_IOLOCK_SHARED, "xfs_file_dio_read");
  co_return ret;
}

}  // namespace faultline::xfs
