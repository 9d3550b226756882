// XFS_IOC_EXCHANGE_RANGE. See the header. After both files are locked and written back one mapping
// of each after the other changes places, in one chain of transactions of deferred unmappings and
// mappings, so that a crash in between is finished by recovery. Left out:
// XFS_EXCHANGE_RANGE_FILE1_WRITTEN, quota, realtime files, the intent of the
// whole exchange, which the intents of its parts stand for.
#include "kernel/fs/xfs/xfs_exchrange.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "kernel/fs/inode.hpp"
#include "kernel/fs/open.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/fs/xfs/xfs_bmap.hpp"
#include "kernel/fs/xfs/xfs_bmap_item.hpp"
#include "kernel/fs/xfs/xfs_bmap_util.hpp"
#include "kernel/fs/xfs/xfs_defer.hpp"
#include "kernel/fs/xfs/xfs_inode_pair.hpp"
#include "kernel/fs/xfs/xfs_reflink_cancel.hpp"
#include "kernel/mm/filemap.hpp"

namespace faultline::xfs {

namespace {

/// A request, with what has become of it: `to_eof` may end at different places of the two.
struct Exchange {
  inode* ip1;
  inode* ip2;
  ExchangeRange range;
  bool to_eof = false;
  const CommitFreshness* fresh = nullptr;  // null: changes of the second file are no matter
  std::uint64_t end1() const { return range.file1_offset + range.length; }
  std::uint64_t end2() const { return range.file2_offset + range.length; }
};

constexpr std::uint64_t block_mask = (1ULL << block_log) - 1;
constexpr std::uint64_t whole_blocks(std::uint64_t bytes) {
  return (bytes + block_mask) & ~block_mask;
}

// remap_verify_area() of both.
std::int64_t xfs_exchange_range_verify_area(const ExchangeRange& r) {
  for (const std::uint64_t pos : {r.file1_offset, r.file2_offset}) {
    const bool negative = static_cast<std::int64_t>(pos | r.length) < 0;
    if (negative || static_cast<std::int64_t>(pos + r.length) < 0) return -EINVAL;
  }
  return 0;
}

// The length rounded up to a block where one of the files ends; 0: it may not be cut there.
std::uint64_t block_length(const Exchange& x) {
  if (x.end1() == x.ip1->i_size) return whole_blocks(x.ip1->i_size) - x.range.file1_offset;
  if (x.end2() == x.ip2->i_size) return whole_blocks(x.ip2->i_size) - x.range.file2_offset;
  return x.range.length & block_mask ? 0 : x.range.length;
}

// A block that is not whole may only become the last one of a file.
std::int64_t check_partial_block(const Exchange& x) {
  if ((x.range.length & block_mask) == 0) return 0;
  std::uint64_t len = x.range.length;
  if (x.range.file2_offset + len < x.ip2->i_size) len &= ~block_mask;
  if (x.range.file1_offset + len < x.ip1->i_size) len &= ~block_mask;
  return len == x.range.length ? 0 : -EINVAL;
}

std::int64_t xfs_exchange_range_checks(Exchange& x) {
  if (x.ip1->immutable || x.ip2->immutable) return -EPERM;
  ExchangeRange& r = x.range;
  const std::uint64_t size1 = x.ip1->i_size;
  const std::uint64_t size2 = x.ip2->i_size;
  if (r.file1_offset > size1 || r.file2_offset > size2) return -EINVAL;
  if (x.to_eof) {
    r.length = std::max(size1 - r.file1_offset, size2 - r.file2_offset);
    if (const std::int64_t error = xfs_exchange_range_verify_area(r)) return error;
  }
  if ((r.file1_offset | r.file2_offset) & block_mask) return -EINVAL;
  if (!x.to_eof && (x.end1() > size1 || x.end2() > size2)) return -EINVAL;
  if (r.length == 0) return 0;
  const std::uint64_t blen = block_length(x);
  if (blen == 0) return -EINVAL;
  const bool overlaps = x.ip1 == x.ip2 && r.file2_offset + blen > r.file1_offset &&
                        r.file1_offset + blen > r.file2_offset;
  return overlaps ? -EINVAL : check_partial_block(x);
}

Path<std::int64_t> xfs_exchange_range_prep(Kernel& k, Exchange& x) {
  std::int64_t error = xfs_exchange_range_checks(x);
  if (error || x.range.length == 0) co_return error;
  co_await inode_dio_wait(k, *x.ip1);
  if (x.ip1 != x.ip2) co_await inode_dio_wait(k, *x.ip2);
  error =
      co_await filemap_write_and_wait_range(k, x.ip1->i_data, x.range.file1_offset, x.end1() - 1);
  if (error) co_return error;
  error =
      co_await filemap_write_and_wait_range(k, x.ip2->i_data, x.range.file2_offset, x.end2() - 1);
  co_return error;
}

// xfs_exchrange_check_freshness(): with both files locked nothing can change any more. Times have
// the grain of a tick: a change in the same one is not seen.
bool is_stale(const Exchange& x) {
  return x.fresh->file2_ino != x.ip2->i_ino || x.fresh->file2_ctime != x.ip2->i_ctime ||
         x.fresh->file2_mtime != x.ip2->i_mtime;
}

Path<std::int64_t> xfs_exchrange_prep(Kernel& k, Exchange& x) {
  std::int64_t error = co_await xfs_exchange_range_prep(k, x);
  if (error || x.range.length == 0) co_return error;
  if (x.fresh && is_stale(x)) co_return -EBUSY;
  error = co_await xfs_flush_unmap_range(k, *x.ip2, x.range.file2_offset, x.range.length);
  if (error) co_return error;
  error = co_await xfs_flush_unmap_range(k, *x.ip1, x.range.file1_offset, x.range.length);
  for (inode* const ip : {x.ip1, x.ip2}) {
    const std::uint64_t pos = ip == x.ip1 ? x.range.file1_offset : x.range.file2_offset;
    if (error || ip->xfs->cow.map.empty()) continue;
    error = co_await xfs_reflink_cancel_cow_range(k, *ip, pos, x.range.length, true);
  }
  co_return error;
}

Path<void> xfs_exchrange_ilock(Kernel& k, inode& ip1, inode& ip2) {
  if (&ip1 == &ip2) {
    co_await xfs_ilock(k, ip1, XFS_ILOCK_EXCL, "xfs_exchrange_ilock");
  } else {
    co_await xfs_lock_two_inodes(k, ip1, ip2, XFS_ILOCK_EXCL);
  }
}

void xfs_exchrange_iunlock(Kernel& k, inode& ip1, inode& ip2) {
  if (&ip1 != &ip2) xfs_iunlock(k, ip2, XFS_ILOCK_EXCL, "xfs_exchrange_iunlock");
  xfs_iunlock(k, ip1, XFS_ILOCK_EXCL, "xfs_exchrange_iunlock");
  if (&ip1 != &ip2) forget_second_ilock(k, ip1, ip2);
}

bool is_real(const Extent& e) { return e.start != HOLESTARTBLOCK && !e.delalloc(); }

/// What is still to be exchanged, in blocks.
struct Work {
  inode* ip1;
  inode* ip2;
  std::uint64_t off1, off2, count;
};

/// One piece: a mapping of each file, of equal length.
struct Piece {
  Extent one, two;
};

// xfs_exchmaps_find_mappings(): the next mappings that differ; the work moves behind them.
std::optional<Piece> find_mappings(Work& work) {
  while (work.count != 0) {
    Piece piece;
    piece.one = xfs_bmapi_read(work.ip1->xfs->df.map, work.off1, work.count);
    piece.two = xfs_bmapi_read(work.ip2->xfs->df.map, work.off2, piece.one.len);
    piece.one.len = std::min(piece.one.len, piece.two.len);
    piece.two.len = piece.one.len;
    work.off1 += piece.one.len;
    work.off2 += piece.one.len;
    work.count -= piece.one.len;
    const bool same = piece.one.start == piece.two.start && piece.one.state == piece.two.state;
    if (!same) return piece;
  }
  return std::nullopt;
}

// xfs_exchmaps_estimate(): blocks that the extent trees may need. ILOCK of both is held.
std::uint64_t estimate(const Geometry& geo, Work work) {
  constexpr std::uint64_t contiguous_per_block = bmbt_maxrecs[0] - bmbt_minrecs[0];
  std::uint64_t pieces = 0;
  while (find_mappings(work)) ++pieces;
  const std::uint64_t blocks = (pieces + contiguous_per_block - 1) / contiguous_per_block;
  return 2 * blocks * xfs_extentadd_space_res(geo);
}

// xfs_exchmaps_one_step(): both go, and come back in each other's place.
void one_step(xfs_trans& tp, inode& ip1, inode& ip2, Piece piece) {
  if (is_real(piece.one)) xfs_bmap_unmap_extent(tp, ip1, piece.one);
  if (is_real(piece.two)) xfs_bmap_unmap_extent(tp, ip2, piece.two);
  std::swap(piece.one.off, piece.two.off);
  if (is_real(piece.two)) xfs_bmap_map_extent(tp, ip1, piece.two);
  if (is_real(piece.one)) xfs_bmap_map_extent(tp, ip2, piece.one);
}

RedoRecord record_of(RedoKind kind, const inode& ip, std::uint64_t value) {
  RedoRecord record;
  record.kind = kind;
  record.ino = ip.i_ino;
  record.a = value;
  if (kind == RedoKind::times) record.b = S_MTIME | S_CTIME;
  return record;
}

// xfs_exchmaps_update_size() of both: each ends where the other did.
void exchange_sizes(xfs_trans& tp, inode& ip1, inode& ip2) {
  std::swap(ip1.xfs->i_disk_size, ip2.xfs->i_disk_size);
  for (const inode* const ip : {&ip1, &ip2}) {
    tp.redo.push_back(record_of(RedoKind::size, *ip, ip->xfs->i_disk_size));
  }
  xfs_trans_log_inode(tp);
}

// The flag of shared blocks goes with the blocks; of part of a file nobody can tell.
void exchange_reflink(const Exchange& x) {
  bool& one = x.ip1->xfs->reflink;
  bool& two = x.ip2->xfs->reflink;
  const bool whole = x.range.file1_offset == 0 && x.range.file2_offset == 0 && x.to_eof;
  if (whole) {
    std::swap(one, two);
  } else {
    one = two = one || two;
  }
}

HelperPath<void> exchange_all(Kernel& k, xfs_trans& tp, const Exchange& x, Work work) {
  for (inode* const ip : {x.ip1, x.ip2}) {
    ip->i_mtime = ip->i_ctime = k.coarse_time();
    tp.redo.push_back(record_of(RedoKind::times, *ip, ip->i_mtime.v));
  }
  xfs_trans_log_inode(tp);
  exchange_reflink(x);
  while (const std::optional<Piece> piece = find_mappings(work)) {
    one_step(tp, *x.ip1, *x.ip2, *piece);
    k.engine.charge(k.costs.extent_lookup);
    co_await xfs_defer_finish(k, tp);
  }
  if (x.to_eof) exchange_sizes(tp, *x.ip1, *x.ip2);
  co_await xfs_trans_commit(k, tp);
}

Path<std::int64_t> xfs_exchrange_mappings(Kernel& k, const Exchange& x) {
  inode& ip1 = *x.ip1;
  inode& ip2 = *x.ip2;
  xfs_mount& mp = *ip1.xfs->i_mount;
  const Work work{&ip1, &ip2, x.range.file1_offset >> block_log, x.range.file2_offset >> block_log,
                  whole_blocks(x.range.length) >> block_log};
  co_await xfs_exchrange_ilock(k, ip1, ip2);
  const std::uint64_t resblks = estimate(mp.space.geo, work);
  xfs_exchrange_iunlock(k, ip1, ip2);
  xfs_trans tp;
  const std::int64_t error =
      co_await xfs_trans_alloc(k, mp, TransType::write, resblks, 0, tp, "xfs_exchrange_mappings");
  if (error) co_return error;
  co_await xfs_exchrange_ilock(k, ip1, ip2);
  xfs_trans_ijoin(tp, ip1);
  if (&ip1 != &ip2) xfs_trans_ijoin(tp, ip2);
  co_await exchange_all(k, tp, x, work);
  if (x.to_eof) std::swap(ip1.i_size, ip2.i_size);
  xfs_exchrange_iunlock(k, ip1, ip2);
  co_return 0;
}

Path<std::int64_t> xfs_exchrange_contents(Kernel& k, Exchange& x) {
  std::int64_t error = co_await xfs_ilock2_io_mmap(k, *x.ip1, *x.ip2);
  if (error) co_return error;
  error = co_await xfs_exchrange_prep(k, x);
  if (!error && x.range.length != 0) error = co_await xfs_exchrange_mappings(k, x);
  xfs_iunlock2_io_mmap(k, *x.ip1, *x.ip2);
  co_return error;
}

std::int64_t check_files(const file& file1, const file& file2) {
  const inode& one = *file1.f_inode;
  const inode& two = *file2.f_inode;
  if (one.i_sb != two.i_sb) return -EXDEV;
  if (one.type == InodeType::directory || two.type == InodeType::directory) return -EISDIR;
  if (one.type != InodeType::regular || two.type != InodeType::regular) return -EINVAL;
  constexpr std::uint32_t both = FMODE_READ | FMODE_WRITE;
  if ((file1.f_mode & both) != both || (file2.f_mode & both) != both) return -EBADF;
  return (file1.f_flags | file2.f_flags) & O_APPEND ? -EBADF : 0;
}

}  // namespace

Path<std::int64_t> xfs_exchange_range(Kernel& k, file& file1, file& file2, ExchangeRange range,
                                      const CommitFreshness* fresh) {
  std::int64_t error = check_files(file1, file2);
  if (!error && range.length != 0) error = xfs_exchange_range_verify_area(range);
  // Where MAP_DIRECT is: as it asks in xfs_ioc_swapext(), before anything is locked.
  if (!error && k.profile.map_bit == MapBit::direct) {
    const bool sealed1 = co_await is_iomap_sealed(*file1.f_inode);
    const bool sealed2 = co_await is_iomap_sealed(*file2.f_inode);
    if (sealed1 || sealed2) error = -EINVAL;
  }
  if (error) co_return error;
  super_block& sb = *file2.f_inode->i_sb;
  Exchange x{file1.f_inode, file2.f_inode, range, range.length == 0, fresh};
  co_await sb_start_write(sb);
  error = co_await xfs_exchrange_contents(k, x);
  sb_end_write(sb);
  co_return error;
}

namespace {

HelperPath<std::int64_t> by_profile(Kernel& k, file& file1, file& file2, const ExchangeRange& range,
                                    const CommitFreshness* fresh) {
  if (!file2.f_inode->xfs) co_return -ENOTTY;
  std::int64_t error = 0;
  if (k.profile.exchange == XfsExchange::exchange_range) {
    error = co_await xfs_exchange_range(k, file1, file2, range, fresh);
    co_return error;
  }
  if (fresh) co_return -ENOTTY;
  super_block& sb = *file2.f_inode->i_sb;
  co_await sb_start_write(sb);  // mnt_want_write_file()
  error = co_await xfs_ioc_swapext(k, file2, file1, range);
  sb_end_write(sb);
  co_return error;
}

HelperPath<std::int64_t> with_files(Kernel& k, std::int64_t fd2, std::int64_t fd1,
                                    const ExchangeRange& range, const CommitFreshness* fresh) {
  file* const file2 = fget(k, fd2);
  if (!file2) co_return -EBADF;
  file* const file1 = fget(k, fd1);
  if (!file1) {
    fput(k, *file2);
    co_return -EBADF;
  }
  const std::int64_t error = co_await by_profile(k, *file1, *file2, range, fresh);
  fput(k, *file1);
  fput(k, *file2);
  co_return error;
}

}  // namespace

Path<std::int64_t> xfs_ioc_exchange(Kernel& k, std::int64_t fd2, std::int64_t fd1,
                                    const ExchangeRange& range) {
  const std::int64_t error = co_await with_files(k, fd2, fd1, range, nullptr);
  co_return error;
}

Path<std::int64_t> xfs_ioc_commit_range(Kernel& k, std::int64_t fd2, std::int64_t fd1,
                                        const ExchangeRange& range, const CommitFreshness& fresh) {
  const std::int64_t error = co_await with_files(k, fd2, fd1, range, &fresh);
  co_return error;
}

Path<std::int64_t> xfs_ioc_start_commit(Kernel& k, std::int64_t fd2, CommitFreshness& sample) {
  constexpr unsigned locks = XFS_IOLOCK_SHARED | XFS_MMAPLOCK_SHARED | XFS_ILOCK_SHARED;
  file* const f = fget(k, fd2);
  if (!f) co_return -EBADF;
  inode& ip = *f->f_inode;
  const bool knows = ip.xfs && k.profile.exchange == XfsExchange::exchange_range;
  if (knows) {
    co_await xfs_ilock(k, ip, locks, "xfs_ioc_start_commit");
    sample = {ip.i_ino, ip.i_mtime, ip.i_ctime};
    xfs_iunlock(k, ip, locks, "xfs_ioc_start_commit");
  }
  fput(k, *f);
  co_return knows ? 0 : -ENOTTY;
}

}  // namespace faultline::xfs
