// When a timestamp has to change. Linux 6.12 fs/inode.c: atime_needs_update, relatime_need_update,
// inode_needs_update_time.
#include "kernel/fs/inode.hpp"

#include "kernel/fs/super.hpp"
#include "kernel/fs/xfs/xfs_aops.hpp"
#include "kernel/fs/xfs/xfs_iops.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"

namespace faultline {

void init_inode_locks(Kernel& k, inode& node) {
  const auto init = [&](LockBase& lock, LockClassId cls, std::uint64_t n) {
    init_lock(lock, k.locks, cls, lock_id(LockOwner::inode, node.index, n));
  };
  node.i_flags.emplace(k.engine, 0);
  init(node.i_rwsem, k.cls.i_rwsem, 0);
  init(node.i_data.invalidate_lock, k.cls.invalidate_lock, 1);
  init(node.i_data.i_mmap_rwsem, k.cls.i_mmap_rwsem, 3);
  init(node.i_data.xa_lock, k.cls.xa_lock, 4);
}

static bool relatime_need_update(const inode& node, Nanos now) {
  constexpr std::uint64_t day = 24ULL * 3600 * 1'000'000'000;
  if (node.i_mtime >= node.i_atime) return true;
  if (node.i_ctime >= node.i_atime) return true;
  return now.v - node.i_atime.v >= day;
}

static bool atime_needs_update(const inode& node, Nanos now) {
  if (node.i_sb->relatime && !relatime_need_update(node, now)) return false;
  return node.i_atime != now;
}

Path<void> touch_atime(Kernel& k, inode& node) {
  const Nanos now = k.coarse_time();
  if (node.i_flags->peek() & S_NOATIME) co_return;
  if (!atime_needs_update(node, now)) co_return;
  // A frozen file system loses the update rather than the reader its time.
  const bool writable = co_await sb_start_write_trylock(*node.i_sb);
  if (!writable) co_return;
  if (node.xfs) {
    co_await xfs::xfs_vn_update_time(k, node, S_ATIME);
  } else {  // tmpfs: in memory alone
    node.i_atime = now;
  }
  sb_end_write(*node.i_sb);
}

Path<std::int64_t> file_update_time(Kernel& k, inode& node) {
  constexpr std::int64_t done = 0;
  const TailCall call(k);
  const Nanos now = k.coarse_time();
  unsigned flags = 0;
  if (node.i_mtime != now) flags |= S_MTIME;
  if (node.i_ctime != now) flags |= S_CTIME;
  if (flags == 0) return call.with(done);
  if (!node.xfs) {  // devices and tmpfs: the times are in memory alone
    node.i_mtime = node.i_ctime = now;
    return call.with(done);
  }
  return call.to(xfs::xfs_vn_update_time(k, node, flags));
}

HelperPath<void> inode_store_flags(Kernel& k, inode& node, std::uint32_t flags) {
  co_await node.i_flags->store(flags);
  node.immutable = flags & S_IMMUTABLE;
  node.append = flags & S_APPEND;
  if (!node.xfs || k.profile.dax_flag_switch != DaxFlagSwitch::live) co_return;
  node.dax = flags & S_DAX;
  node.i_data.a_ops = node.dax ? nullptr : &xfs::xfs_address_space_operations;
}

static Path<void> __inode_dio_wait(Kernel& k, inode& node) {
  while (node.i_dio_count != 0) {
    node.dio_waiters.push_back(&k.engine.current());
    co_await k.engine.block();
  }
}

HelperPath<void> inode_dio_wait(Kernel& k, inode& node) {
  if (node.i_dio_count != 0) co_await __inode_dio_wait(k, node);
}

void inode_dio_end(Kernel& k, inode& node) {
  if (--node.i_dio_count != 0) return;
  for (Task* const waiter : node.dio_waiters) k.engine.wake(*waiter);
  node.dio_waiters.clear();
}

void __mark_inode_dirty_pages(Kernel& k, inode& node) {
  if (node.dirty_pages) return;
  node.dirty_pages = true;
  k.engine.charge(k.costs.vfs_op);
}

}  // namespace faultline
