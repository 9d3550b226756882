// fallocate of an XFS file: every mode takes IOLOCK and MMAPLOCK exclusively, breaks layouts and
// drains direct I/O first, so that nobody can see the blocks move. Linux 6.12 fs/xfs/xfs_file.c
// xfs_file_fallocate. Of a file opened O_DSYNC or O_SYNC the log is forced before the locks go.
#include <fcntl.h>

#include <cerrno>

#include "kernel/fs/inode.hpp"
#include "kernel/fs/open.hpp"
#include "kernel/fs/xfs/xfs_bmap_util.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_file_shift.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_layouts.hpp"
#include "kernel/fs/xfs/xfs_log.hpp"
#include "kernel/fs/xfs/xfs_reflink_unshare.hpp"
#include "kernel/fs/xfs/xfs_setattr.hpp"

namespace faultline::xfs {

namespace {

constexpr std::uint64_t s_maxbytes = ~0ULL >> 1;

/// A range and the mode it is worked on with.
struct Falloc {
  unsigned mode = 0;
  std::uint64_t offset = 0, len = 0;
  std::uint64_t end() const { return offset + len; }
  bool aligned() const { return ((offset | len) & ((1ULL << block_log) - 1)) == 0; }
};

// xfs_falloc_newsize(): the file grows to the end of the range, unless it shall keep its size; 0:
// it does not. A file whose size stands (inode_newsize_ok) refuses before anything is done.
HelperPath<std::int64_t> xfs_falloc_newsize(Kernel&, inode& ip, const Falloc& f,
                                            std::uint64_t* new_size) {
  *new_size = 0;
  if ((f.mode & FALLOC_FL_KEEP_SIZE) || f.end() <= ip.i_size) co_return 0;
  *new_size = f.end();
  const bool sealed = co_await is_iomap_sealed(ip);
  co_return sealed ? -ETXTBSY : 0;
}

Path<std::int64_t> xfs_falloc_setsize(Kernel& k, inode& ip, std::uint64_t new_size) {
  if (new_size == 0) co_return 0;
  const std::int64_t error = co_await xfs_vn_setattr_size(k, ip, new_size);
  co_return error;
}

Path<std::int64_t> xfs_falloc_allocate_range(Kernel& k, inode& ip, const Falloc& f) {
  std::uint64_t new_size = 0;
  std::int64_t error = co_await xfs_falloc_newsize(k, ip, f, &new_size);
  if (!error) error = co_await xfs_alloc_file_space(k, ip, f.offset, f.len);
  if (!error) error = co_await xfs_falloc_setsize(k, ip, new_size);
  co_return error;
}

Path<std::int64_t> xfs_falloc_zero_range(Kernel& k, inode& ip, const Falloc& f) {
  k.trace<Event::xfs_zero_file_space>(ip.i_sb->s_dev, ip.i_ino, 0);
  std::uint64_t new_size = 0;
  std::int64_t error = co_await xfs_falloc_newsize(k, ip, f, &new_size);
  if (!error) error = co_await xfs_free_file_space(k, ip, f.offset, f.len);
  if (error) co_return error;
  const std::uint64_t first = f.offset & PAGE_MASK;
  const std::uint64_t end = (f.end() + PAGE_SIZE - 1) & PAGE_MASK;
  error = co_await xfs_alloc_file_space(k, ip, first, end - first);
  if (!error) error = co_await xfs_falloc_setsize(k, ip, new_size);
  co_return error;
}

Path<std::int64_t> xfs_falloc_unshare_range(Kernel& k, inode& ip, const Falloc& f) {
  std::uint64_t new_size = 0;
  std::int64_t error = co_await xfs_falloc_newsize(k, ip, f, &new_size);
  if (!error) error = co_await xfs_reflink_unshare(k, ip, f.offset, f.len);
  if (!error) error = co_await xfs_alloc_file_space(k, ip, f.offset, f.len);
  if (!error) error = co_await xfs_falloc_setsize(k, ip, new_size);
  co_return error;
}

// A range that reaches the end of the file is for truncation.
Path<std::int64_t> xfs_falloc_collapse_range(Kernel& k, inode& ip, const Falloc& f) {
  if (!f.aligned() || f.end() >= ip.i_size) co_return -EINVAL;
  std::int64_t error = co_await xfs_collapse_file_space(k, ip, f.offset, f.len);
  if (!error) error = co_await xfs_falloc_setsize(k, ip, ip.i_size - f.len);
  co_return error;
}

// The size goes first, so that a crash in between leaves nothing behind the end.
Path<std::int64_t> xfs_falloc_insert_range(Kernel& k, inode& ip, const Falloc& f) {
  if (!f.aligned()) co_return -EINVAL;
  if (s_maxbytes - ip.i_size < f.len) co_return -EFBIG;
  if (f.offset >= ip.i_size) co_return -EINVAL;
  std::int64_t error = co_await xfs_falloc_setsize(k, ip, ip.i_size + f.len);
  if (!error) error = co_await xfs_insert_file_space(k, ip, f.offset, f.len);
  co_return error;
}

Path<std::int64_t> falloc_by_mode(Kernel& k, inode& ip, const Falloc& f) {
  switch (f.mode & falloc_mode_mask) {
    case FALLOC_FL_PUNCH_HOLE:
      return xfs_free_file_space(k, ip, f.offset, f.len);
    case FALLOC_FL_ZERO_RANGE:
      return xfs_falloc_zero_range(k, ip, f);
    case FALLOC_FL_COLLAPSE_RANGE:
      return xfs_falloc_collapse_range(k, ip, f);
    case FALLOC_FL_INSERT_RANGE:
      return xfs_falloc_insert_range(k, ip, f);
    case FALLOC_FL_UNSHARE_RANGE:
      return xfs_falloc_unshare_range(k, ip, f);
    default:
      return xfs_falloc_allocate_range(k, ip, f);
  }
}

}  // namespace

Path<std::int64_t> xfs_file_fallocate(Kernel& k, file& file, unsigned mode, std::uint64_t offset,
                                      std::uint64_t len) {
  inode& ip = *file.f_inode;
  unsigned iolock = XFS_IOLOCK_EXCL | XFS_MMAPLOCK_EXCL;
  co_await xfs_ilock(k, ip, iolock, "xfs_file_fallocate");
  std::int64_t error = co_await xfs_break_layouts(k, ip, iolock, LayoutBreak::unmap);
  if (!error) co_await inode_dio_wait(k, ip);
  if (!error) error = co_await file_update_time(k, ip);
  const Falloc range{mode, offset, len};
  if (!error) error = co_await falloc_by_mode(k, ip, range);
  if (!error && xfs_file_sync_writes(file)) co_await xfs_log_force_inode(k, ip);
  xfs_iunlock(k, ip, iolock, "xfs_file_fallocate");
  co_return error;
}

}  // namespace faultline::xfs
