// The checks before blocks are shared. See the header. The order of the errors is that of
// vfs_clone_file_range, remap_verify_area and __generic_remap_file_range_prep.
#include "kernel/fs/remap_range.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "kernel/fs/inode.hpp"
#include "kernel/fs/open.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/mm/filemap.hpp"

namespace faultline {

namespace {

// generic_file_rw_checks()
std::int64_t generic_file_rw_checks(const file& in, const file& out) {
  const InodeType from = in.f_inode->type;
  const InodeType to = out.f_inode->type;
  if (from == InodeType::directory || to == InodeType::directory) return -EISDIR;
  if (from != InodeType::regular || to != InodeType::regular) return -EINVAL;
  const bool may = (in.f_mode & FMODE_READ) && (out.f_mode & FMODE_WRITE);
  return may && !(out.f_flags & O_APPEND) ? 0 : -EBADF;
}

// remap_verify_area()
std::int64_t remap_verify_area(std::uint64_t pos, std::uint64_t len) {
  if (static_cast<std::int64_t>(pos) < 0 || static_cast<std::int64_t>(len) < 0) return -EINVAL;
  return static_cast<std::int64_t>(pos + len) < 0 ? -EINVAL : 0;
}

HelperPath<std::int64_t> vfs_clone_file_range(Kernel& k, file& in, file& out,
                                              const RemapRange& range) {
  if (in.f_inode->i_sb != out.f_inode->i_sb) co_return -EXDEV;
  std::int64_t error = generic_file_rw_checks(in, out);
  if (error) co_return error;
  if (!in.f_op->remap_file_range) co_return -EOPNOTSUPP;
  error = remap_verify_area(range.pos_in, range.length);
  if (!error) error = remap_verify_area(range.pos_out, range.length);
  if (error) co_return error;
  super_block& sb = *out.f_inode->i_sb;
  co_await sb_start_write(sb);
  const std::int64_t cloned = co_await in.f_op->remap_file_range(k, in, out, range);
  sb_end_write(sb);
  co_return cloned;
}

// generic_remap_checks(): lengths that end at the end of the source may end inside a block. A
// request that may be shortened loses what is not whole blocks.
std::int64_t generic_remap_checks(const inode& in, const inode& out, RemapRange& range) {
  constexpr std::uint64_t mask = PAGE_SIZE - 1;
  if ((range.pos_in & mask) || (range.pos_out & mask)) return -EINVAL;
  if (range.pos_in >= in.i_size) return -EINVAL;
  const bool inside = range.pos_in + range.length <= in.i_size && range.pos_out < out.i_size &&
                      range.pos_out + range.length <= out.i_size;
  if (range.dedupe && !inside) return -EINVAL;
  std::uint64_t count = std::min(range.length, in.i_size - range.pos_in);
  std::uint64_t bcount = count;
  if (range.pos_in + count == in.i_size) {
    bcount = ((in.i_size + mask) & ~mask) - range.pos_in;
  } else if (count & mask) {
    if (!range.dedupe) return -EINVAL;
    bcount = count = count & ~mask;
  }
  const bool overlaps =
      &in == &out && range.pos_out + bcount > range.pos_in && range.pos_out < range.pos_in + bcount;
  if (overlaps) return -EINVAL;
  if (count != range.length && !range.dedupe) return -EINVAL;
  range.length = count;
  return 0;
}

// generic_remap_check_len(): a block that is not whole may only become the last one of a file.
std::int64_t generic_remap_check_len(const inode& out, RemapRange& range) {
  if ((range.length & (PAGE_SIZE - 1)) == 0) return 0;
  if (range.pos_out + range.length >= out.i_size) return 0;
  if (!range.dedupe) return -EINVAL;
  range.length &= PAGE_MASK;
  return 0;
}

}  // namespace

Path<std::int64_t> generic_remap_file_range_prep(Kernel& k, inode& in, inode& out,
                                                 RemapRange& range, const iomap_ops& dax_read_ops) {
  if (out.immutable) co_return -EPERM;
  const bool in_sealed = co_await is_iomap_sealed(in);
  const bool out_sealed = co_await is_iomap_sealed(out);
  if (in_sealed || out_sealed) co_return -ETXTBSY;
  if (range.length == 0) {
    if (range.pos_in == in.i_size) co_return 0;
    if (range.pos_in > in.i_size) co_return -EINVAL;
    range.length = in.i_size - range.pos_in;
  }
  std::int64_t error = generic_remap_checks(in, out, range);
  if (error) co_return error;
  co_await inode_dio_wait(k, in);
  if (&in != &out) co_await inode_dio_wait(k, out);
  const std::uint64_t last = range.length - 1;
  error = co_await filemap_write_and_wait_range(k, in.i_data, range.pos_in, range.pos_in + last);
  if (error) co_return error;
  error = co_await filemap_write_and_wait_range(k, out.i_data, range.pos_out, range.pos_out + last);
  if (error) co_return error;
  if (range.dedupe && range.length != 0) {
    bool same = false;
    if (in.dax) {
      error = co_await dax_dedupe_file_range_compare(k, in, out, range, same, dax_read_ops);
    } else {
      error = co_await vfs_dedupe_file_range_compare(k, in, out, range, same);
    }
    if (error) co_return error;
    if (!same) co_return -EBADE;
  }
  error = generic_remap_check_len(out, range);
  if (!error && !range.dedupe) error = co_await file_update_time(k, out);  // file_modified()
  co_return error;
}

Path<std::int64_t> ioctl_file_clone(Kernel& k, std::int64_t fd_out, std::int64_t fd_in,
                                    const RemapRange& range) {
  file* const out = fget(k, fd_out);
  if (!out) co_return -EBADF;
  file* const in = fget(k, fd_in);
  if (!in) {
    fput(k, *out);
    co_return -EBADF;
  }
  std::int64_t result = co_await vfs_clone_file_range(k, *in, *out, range);
  if (result >= 0) {
    const bool cut = range.length != 0 && static_cast<std::uint64_t>(result) != range.length;
    result = cut ? -EINVAL : 0;
  }
  fput(k, *in);
  fput(k, *out);
  co_return result;
}

}  // namespace faultline
