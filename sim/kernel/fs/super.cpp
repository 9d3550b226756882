// Freezing and thawing a file system. Linux 6.12 fs/super.c freeze_super, thaw_super. The levels
// are write-locked in rising order, each after those below have drained; dirty data are written
// back between the second and the third. A frozen file system belongs to no task: the holds are
// dropped from the freezer's account and taken up by whoever thaws. Left out: nested freezes by the
// kernel itself, quota, the flusher as a task of its own.
#include "kernel/fs/super.hpp"

#include <cerrno>

#include "kernel/fs/dax.hpp"
#include "kernel/fs/xfs/xfs_super.hpp"
#include "kernel/mm/filemap.hpp"

namespace faultline {

namespace {

constexpr int levels = 3;

percpu_rw_semaphore& level_of(super_block& sb, SbFreeze level) {
  return sb.s_writers[static_cast<int>(level)];
}

// sync_filesystem(): dirty data, then the metadata.
Path<std::int64_t> sync_filesystem(Kernel& k, super_block& sb) {
  constexpr std::uint64_t llong_max = ~0ULL >> 1;
  for (inode& node : k.inodes) {
    const bool cached = !node.dax && node.i_data.i_pages.marked(XaMark::dirty);
    if (node.i_sb != &sb || (!node.dirty_pages && !cached)) continue;
    node.dirty_pages = false;
    if (!node.dax) {  // an error stays with the file, for its next fsync
      co_await file_write_and_wait_range(k, node.i_data, 0, llong_max);
      continue;
    }
    const std::int64_t error = co_await dax_writeback_mapping_range(k, node.i_data, 0, llong_max);
    if (error) co_return error;
  }
  co_await xfs::xfs_fs_sync_fs(k, sb);
  co_return 0;
}

}  // namespace

void init_super_locks(Kernel& k, super_block& sb) {
  const LockClassId classes[] = {k.cls.sb_writers, k.cls.sb_pagefaults, k.cls.sb_internal};
  for (std::uint64_t i = 0; i < levels; ++i) {
    init_lock(sb.s_writers[i], k.locks, classes[i], lock_id(LockOwner::super, sb.id, i));
  }
  init_lock(sb.s_umount, k.locks, k.cls.s_umount, lock_id(LockOwner::super, sb.id, levels));
}

Path<std::int64_t> freeze_super(Kernel& k, super_block& sb) {
  if (!sb.mount) co_return -EOPNOTSUPP;
  co_await down_write(sb.s_umount);
  if (sb.frozen != FreezeState::unfrozen) {
    up_write(sb.s_umount);
    co_return -EBUSY;
  }
  // Writers take s_umount inside the first level, so it is let go while they drain.
  sb.frozen = FreezeState::freezing;
  up_write(sb.s_umount);
  co_await percpu_down_write(level_of(sb, SbFreeze::write));
  co_await down_write(sb.s_umount);
  co_await percpu_down_write(level_of(sb, SbFreeze::pagefault));
  const std::int64_t error = co_await sync_filesystem(k, sb);
  if (error) {
    sb.frozen = FreezeState::unfrozen;
    percpu_up_write(level_of(sb, SbFreeze::pagefault));
    percpu_up_write(level_of(sb, SbFreeze::write));
    up_write(sb.s_umount);
    co_return error;
  }
  co_await percpu_down_write(level_of(sb, SbFreeze::fs));
  co_await xfs::xfs_fs_freeze(k, sb);
  sb.frozen = FreezeState::frozen;
  for (int level = levels; level-- > 0;) percpu_rwsem_release(sb.s_writers[level]);
  up_write(sb.s_umount);
  co_return 0;
}

Path<std::int64_t> thaw_super(Kernel& k, super_block& sb) {
  if (!sb.mount) co_return -EOPNOTSUPP;
  co_await down_write(sb.s_umount);
  if (sb.frozen != FreezeState::frozen) {
    up_write(sb.s_umount);
    co_return -EINVAL;
  }
  for (percpu_rw_semaphore& level : sb.s_writers) percpu_rwsem_acquire(level);
  co_await k.engine.spend(k.costs.vfs_op);
  sb.frozen = FreezeState::unfrozen;
  for (int level = levels; level-- > 0;) percpu_up_write(sb.s_writers[level]);
  up_write(sb.s_umount);
  co_return 0;
}

}  // namespace faultline
