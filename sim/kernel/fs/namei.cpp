// unlink(2), and the last reference to a file without a name. See the header. Linux 6.12
// fs/namei.c, fs/inode.c (iput_final, evict).
#include "kernel/fs/namei.hpp"

#include <cerrno>

#include "kernel/fs/super.hpp"
#include "kernel/fs/xfs/xfs_inactive.hpp"
#include "kernel/mm/truncate.hpp"

namespace faultline {

// evict(): what is cached of the file goes, then the file system is told.
static Path<void> evict(Kernel& k, inode& node) {
  co_await xfs::xfs_fs_evict_inode(k, node);
  co_await truncate_inode_pages_range(k, node.i_data, 0, ~0ULL);
  co_await xfs::xfs_fs_destroy_inode(k, node);
}

Path<void> iput(Kernel& k, inode& node) {
  if (--node.i_count != 0 || node.i_nlink != 0 || !node.xfs) co_return;
  co_await evict(k, node);
}

// vfs_unlink(), with the directory locked.
static Path<std::int64_t> vfs_unlink(Kernel& k, inode& dir, inode& node) {
  if (node.append || node.immutable) co_return -EPERM;
  co_await down_write(node.i_rwsem);
  const std::int64_t error = co_await xfs::xfs_remove(k, dir, node);
  up_write(node.i_rwsem);
  co_return error;
}

Path<std::int64_t> do_unlinkat(Kernel& k, inode& node) {
  if (!node.xfs) {
    k.unmodelled("unlinking a file that is not on XFS; it fails with EIO");
    co_return -EIO;
  }
  co_await sb_start_write(*node.i_sb);
  inode& dir = xfs::xfs_root_directory(k, *node.i_sb);
  co_await down_write(dir.i_rwsem);
  std::int64_t error = -ENOENT;
  const bool found = node.i_nlink != 0;
  if (found) ++node.i_count;
  if (node.type == InodeType::directory) {
    error = -EISDIR;
  } else if (found) {
    error = co_await vfs_unlink(k, dir, node);
  }
  up_write(dir.i_rwsem);
  if (found) co_await iput(k, node);
  sb_end_write(*node.i_sb);
  co_return error;
}

}  // namespace faultline
