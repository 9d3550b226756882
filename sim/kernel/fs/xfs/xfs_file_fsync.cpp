// fsync of an XFS file. Linux 6.12 fs/xfs/xfs_file.c xfs_file_fsync, xfs_fsync_flush_log,
// xfs_fsync_seq: write-back of the range, a log force up to the newest change of the inode, a flush
// of the device's write queue. Left out: external log devices and the realtime device.
#include <fcntl.h>

#include "kernel/fs/durable_promises.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_log.hpp"
#include "kernel/fs/xfs/xfs_setattr.hpp"
#include "kernel/mm/filemap.hpp"

namespace faultline::xfs {

// The checkpoint that must be durable; 0: none. For fdatasync timestamps alone do not count.
static std::uint64_t xfs_fsync_seq(const xfs_inode& ip, bool datasync) {
  if (!ip.pinned()) return 0;
  if (datasync && !ip.core_in_cil) return 0;
  return ip.ili_commit_seq;
}

// What is complete is durable on this device: a flush only takes its time.
static Path<void> blkdev_issue_flush(Kernel& k, BlockDevice& device) {
  const Nanos done = device.submit(k.now(), 0);
  if (device.synchronous()) {
    co_await k.engine.spend(done - k.now());
  } else {
    co_await k.engine.block_until(done);
  }
}

static Path<bool> xfs_fsync_flush_log(Kernel& k, inode& ip, bool datasync) {
  const bool locks = k.profile.fsync_ilock != FsyncIlock::never;
  if (locks) co_await xfs_ilock(k, ip, XFS_ILOCK_SHARED, "xfs_fsync_flush_log");
  const std::uint64_t seq = xfs_fsync_seq(*ip.xfs, datasync);
  if (seq != 0) {
    co_await xfs_log_force_seq(k, *ip.xfs->i_mount, seq, "xfs_fsync_flush_log");
    ip.xfs->core_in_cil = false;
  }
  if (locks) xfs_iunlock(k, ip, XFS_ILOCK_SHARED, "xfs_fsync_flush_log");
  co_return seq != 0;
}

bool xfs_file_sync_writes(const file& file) { return (file.f_flags & O_DSYNC) != 0; }

Path<void> xfs_log_force_inode(Kernel& k, inode& ip) {
  const bool locks = k.profile.fsync_ilock != FsyncIlock::never;
  if (locks) co_await xfs_ilock(k, ip, XFS_ILOCK_SHARED, "xfs_log_force_inode");
  const std::uint64_t seq = xfs_fsync_seq(*ip.xfs, false);
  if (locks) xfs_iunlock(k, ip, XFS_ILOCK_SHARED, "xfs_log_force_inode");
  if (seq != 0) co_await xfs_log_force_seq(k, *ip.xfs->i_mount, seq, "xfs_log_force_inode");
}

Path<std::int64_t> xfs_file_fsync(Kernel& k, file& file, std::uint64_t start, std::uint64_t end,
                                  bool datasync) {
  inode& ip = *file.f_inode;
  k.trace<Event::xfs_file_fsync>(ip.i_sb->s_dev, ip.i_ino, 0);
  std::optional<FsyncBegin> promised;
  if (k.promises) promised = note_fsync_begin(ip, start, end);
  const std::int64_t error = co_await file_write_and_wait_range(k, ip.i_data, start, end);
  const std::int64_t earlier = file_check_and_advance_wb_err(file);
  if (error || earlier) co_return error ? error : earlier;
  ip.xfs->i_flags &= ~XFS_ITRUNCATED;
  bool log_flushed = false;
  const bool asks = ip.xfs->pinned() || k.profile.fsync_ilock == FsyncIlock::always;
  if (asks) log_flushed = co_await xfs_fsync_flush_log(k, ip, datasync);
  // Without a forced log record, which carries a flush itself, the device is flushed here.
  if (!ip.dax && ip.i_sb->s_bdev) {
    if (!log_flushed) co_await blkdev_issue_flush(k, *ip.i_sb->s_bdev);
    co_return 0;
  }
  const CpuId cpu = k.engine.current().cpu;
  if (ip.i_sb->s_daxdev) ip.i_sb->s_daxdev->content().fence(cpu.v);
  co_await k.engine.spend(k.costs.fence);
  if (promised) note_fsync_done(k, ip, *promised);
  co_return 0;
}

}  // namespace faultline::xfs
