// Deduplication: two ranges that hold the same are to share their blocks. Linux 6.12
// fs/remap_range.c vfs_dedupe_file_range, fs/ioctl.c. What is compared is compare_ranges.cpp's.
// Left out: several destinations in one call, who may do it beyond having opened the files.
#include <algorithm>
#include <cerrno>

#include "kernel/fs/open.hpp"
#include "kernel/fs/remap_range.hpp"
#include "kernel/fs/super.hpp"

namespace faultline {

namespace {

// vfs_dedupe_file_range_one()
HelperPath<std::int64_t> vfs_dedupe_file_range_one(Kernel& k, file& in, file& out,
                                                   const RemapRange& range) {
  inode& dest = *out.f_inode;
  if (static_cast<std::int64_t>(range.pos_out) < 0 ||
      static_cast<std::int64_t>(range.pos_out + range.length) < 0) {
    co_return -EINVAL;
  }
  if (in.f_inode->i_sb != dest.i_sb) co_return -EXDEV;
  if (dest.type == InodeType::directory) co_return -EISDIR;
  if (!out.f_op->remap_file_range) co_return -EINVAL;
  if (range.length == 0) co_return 0;
  super_block& sb = *dest.i_sb;
  co_await sb_start_write(sb);
  const std::int64_t deduped = co_await out.f_op->remap_file_range(k, in, out, range);
  sb_end_write(sb);
  co_return deduped;
}

// What is wrong with the source.
std::int64_t check_source(const file& in, const RemapRange& range) {
  const inode& src = *in.f_inode;
  if (!(in.f_mode & FMODE_READ)) return -EINVAL;
  if (src.type == InodeType::directory) return -EISDIR;
  if (src.type != InodeType::regular) return -EINVAL;
  if (!in.f_op->remap_file_range) return -EOPNOTSUPP;
  const std::uint64_t end = range.pos_in + range.length;
  const bool negative = static_cast<std::int64_t>(range.pos_in | range.length) < 0;
  return negative || static_cast<std::int64_t>(end) < 0 || end > src.i_size ? -EINVAL : 0;
}

}  // namespace

Path<std::int64_t> ioctl_file_dedupe_range(Kernel& k, std::int64_t fd_in, std::int64_t fd_out,
                                           RemapRange range, std::int64_t* status) {
  constexpr std::uint64_t largest = 1ULL << 30;
  file* const in = fget(k, fd_in);
  if (!in) co_return -EBADF;
  const std::uint64_t size = in->f_inode->i_size;
  if (range.length == 0 && range.pos_in < size) range.length = size - range.pos_in;
  const std::int64_t error = check_source(*in, range);
  range.length = std::min(range.length, largest);
  range.dedupe = true;
  *status = error;
  file* const out = error ? nullptr : fget(k, fd_out);
  if (out) {
    *status = co_await vfs_dedupe_file_range_one(k, *in, *out, range);
    fput(k, *out);
  } else if (!error) {
    *status = -EBADF;
  }
  fput(k, *in);
  co_return error;
}

}  // namespace faultline
