// fallocate of an XFS file: every mode takes IOLOCK and MMAPLOCK exclusively, breaks layouts and
// drains direct I/O first, so that nobody can see the blocks move. Linux 6.12 fs/xfs/xfs_file.c
// xfs_file_fallocate. Left out: collapsing and inserting ranges, unsharing, the log force of a file
// opened O_SYNC.
#include <fcntl.h>

#include <cerrno>

#include "kernel/fs/inode.hpp"
#include "kernel/fs/open.hpp"
#include "kernel/fs/xfs/xfs_bmap_util.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_layouts.hpp"
#include "kernel/fs/xfs/xfs_setattr.hpp"

namespace faultline::xfs {

namespace {

/// A range and the mode it is worked on with.
struct Falloc {
  unsigned mode = 0;
  std::uint64_t offset = 0, len = 0;
  std::uint64_t end() const { return offset + len; }
};

// xfs_falloc_setsize(): the file grows to the end of the range, unless it shall keep its size.
Path<std::int64_t> xfs_falloc_setsize(Kernel& k, inode& ip, const Falloc& f) {
  if ((f.mode & FALLOC_FL_KEEP_SIZE) || f.end() <= ip.i_size) co_return 0;
  const std::int64_t error = co_await xfs_vn_setattr_size(k, ip, f.end());
  co_return error;
}

Path<std::int64_t> xfs_falloc_allocate_range(Kernel& k, inode& ip, const Falloc& f) {
  std::int64_t error = co_await xfs_alloc_file_space(k, ip, f.offset, f.len);
  if (!error) error = co_await xfs_falloc_setsize(k, ip, f);
  co_return error;
}

Path<std::int64_t> xfs_falloc_zero_range(Kernel& k, inode& ip, const Falloc& f) {
  k.trace<Event::xfs_zero_file_space>(ip.i_sb->s_dev, ip.i_ino, 0);
  std::int64_t error = co_await xfs_free_file_space(k, ip, f.offset, f.len);
  if (error) co_return error;
  const std::uint64_t first = f.offset & PAGE_MASK;
  const std::uint64_t end = (f.end() + PAGE_SIZE - 1) & PAGE_MASK;
  error = co_await xfs_alloc_file_space(k, ip, first, end - first);
  if (!error) error = co_await xfs_falloc_setsize(k, ip, f);
  co_return error;
}

Path<std::int64_t> falloc_by_mode(Kernel& k, inode& ip, const Falloc& f) {
  switch (f.mode & falloc_mode_mask) {
    case FALLOC_FL_PUNCH_HOLE:
      return xfs_free_file_space(k, ip, f.offset, f.len);
    case FALLOC_FL_ZERO_RANGE:
      return xfs_falloc_zero_range(k, ip, f);
    default:
      return xfs_falloc_allocate_range(k, ip, f);
  }
}

bool is_built(unsigned mode) {
  const unsigned kind = mode & falloc_mode_mask;
  return kind == falloc_allocate_range || kind == FALLOC_FL_PUNCH_HOLE ||
         kind == FALLOC_FL_ZERO_RANGE;
}

}  // namespace

Path<std::int64_t> xfs_file_fallocate(Kernel& k, file& file, unsigned mode, std::uint64_t offset,
                                      std::uint64_t len) {
  inode& ip = *file.f_inode;
  if (!is_built(mode)) {
    k.unmodelled("fallocate that collapses, inserts or unshares a range; it fails with EIO");
    co_return -EIO;
  }
  unsigned iolock = XFS_IOLOCK_EXCL | XFS_MMAPLOCK_EXCL;
  co_await xfs_ilock(k, ip, iolock, "xfs_file_fallocate");
  std::int64_t error = co_await xfs_break_layouts(k, ip, iolock, LayoutBreak::unmap);
  if (!error) co_await inode_dio_wait(k, ip);
  if (!error) error = co_await file_update_time(k, ip);
  const Falloc range{mode, offset, len};
  if (!error) error = co_await falloc_by_mode(k, ip, range);
  xfs_iunlock(k, ip, iolock, "xfs_file_fallocate");
  co_return error;
}

}  // namespace faultline::xfs
