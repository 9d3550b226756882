// Punching and preallocating. Linux 6.12 fs/xfs/xfs_bmap_util.c: a transaction for every two
// mappings that go, one for every mapping that is made. Left out: realtime files, quota, waiting
// for direct I/O under way.
#include "kernel/fs/xfs/xfs_bmap_util.hpp"

#include <algorithm>
#include <cerrno>

#include "kernel/fs/xfs/xfs_bmap.hpp"
#include "kernel/fs/xfs/xfs_hints.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_ioctl.hpp"
#include "kernel/fs/xfs/xfs_iomap.hpp"
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/truncate.hpp"

namespace faultline::xfs {

namespace {

constexpr std::uint64_t to_fsb(std::uint64_t bytes) {
  return (bytes + (1ULL << block_log) - 1) >> block_log;
}

Path<std::int64_t> xfs_unmap_extent(Kernel& k, inode& ip, std::uint64_t off, std::uint64_t end,
                                    bool& done) {
  const std::uint64_t resblks = xfs_diostrat_space_res(ip.xfs->i_mount->space.geo, 0);
  xfs_trans tp;
  std::int64_t error = co_await xfs_trans_alloc_inode(k, ip, TransType::write, resblks, false, tp);
  if (error) co_return error;
  error = co_await xfs_bunmapi(k, tp, ip, off, end, 2, done);
  if (error) {
    co_await xfs_trans_cancel(k, tp, "xfs_unmap_extent");
  } else {
    co_await xfs_trans_commit(k, tp);
  }
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_unmap_extent");
  co_return error;
}

// One mapping of the range, which may end before it: returned in `got`.
HelperPath<std::int64_t> alloc_one(Kernel& k, inode& ip, std::uint64_t off, std::uint64_t count,
                                   Extent& got) {
  const std::uint64_t aligned = xfs_aligned_fsb_count(off, count, xfs_get_extsz_hint(ip));
  const std::uint64_t resblks = std::min<std::uint64_t>(aligned, max_extlen);
  const std::uint64_t dblocks = xfs_diostrat_space_res(ip.xfs->i_mount->space.geo, resblks);
  xfs_trans tp;
  std::int64_t error = co_await xfs_trans_alloc_inode(k, ip, TransType::write, dblocks, false, tp);
  if (error) co_return error;
  error = co_await xfs_bmapi_write(k, tp, ip, off, count, XFS_BMAPI_PREALLOC, got);
  if (error) {
    co_await xfs_trans_cancel(k, tp, "xfs_alloc_file_space");
  } else {
    ip.xfs->xflags |= FS_XFLAG_PREALLOC;
    xfs_trans_log_inode(tp);
    co_await xfs_trans_commit(k, tp);
  }
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_alloc_file_space");
  co_return error;
}

}  // namespace

Path<std::int64_t> xfs_flush_unmap_range(Kernel& k, inode& ip, std::uint64_t offset,
                                         std::uint64_t len) {
  const std::uint64_t start = offset & PAGE_MASK;
  const std::uint64_t end = ((offset + len + PAGE_SIZE - 1) & PAGE_MASK) - 1;
  const std::int64_t error = co_await filemap_write_and_wait_range(k, ip.i_data, start, end);
  if (error) co_return error;
  co_await truncate_pagecache_range(k, ip, start, end);
  co_return 0;
}

Path<std::int64_t> xfs_free_file_space(Kernel& k, inode& ip, std::uint64_t offset,
                                       std::uint64_t len) {
  k.trace<Event::xfs_free_file_space>(ip.i_sb->s_dev, ip.i_ino, 0);
  const bool sealed = co_await is_iomap_sealed(ip);
  if (sealed) co_return -ETXTBSY;
  if (len == 0) co_return 0;
  std::int64_t error = co_await xfs_flush_unmap_range(k, ip, offset, len);
  if (error) co_return error;
  const std::uint64_t first = to_fsb(offset);
  const std::uint64_t end = (offset + len) >> block_log;
  for (bool done = end <= first; !done && !error;) {
    error = co_await xfs_unmap_extent(k, ip, first, end, done);
  }
  if (error) co_return error;
  // What is behind the end of the file must stay as it is.
  if (offset >= ip.i_size) co_return 0;
  len = std::min(len, ip.i_size - offset);
  bool did_zeroing = false;
  error = co_await xfs_zero_range(k, ip, offset, len, did_zeroing);
  if (error) co_return error;
  // Zeroed up to an end of file in the middle of a page: the rest of that page may be mapped.
  const std::uint64_t last = offset + len;
  if (last >= ip.i_size && (last & ~PAGE_MASK) != 0) {
    error = co_await filemap_write_and_wait_range(k, ip.i_data, last & PAGE_MASK, ~0ULL >> 1);
  }
  co_return error;
}

Path<std::int64_t> xfs_alloc_file_space(Kernel& k, inode& ip, std::uint64_t offset,
                                        std::uint64_t len) {
  std::uint64_t off = offset >> block_log;
  const std::uint64_t end = to_fsb(offset + len);
  while (off < end) {
    Extent got;
    const std::int64_t error = co_await alloc_one(k, ip, off, end - off, got);
    if (error) co_return error;
    off += got.len;
  }
  co_return 0;
}

}  // namespace faultline::xfs
