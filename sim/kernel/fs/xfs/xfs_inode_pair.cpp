// Locking two inodes. See the header. While a lock is held as the second of its kind, who waits for
// it is recorded as asking for the subclass as well: the class belongs to the lock here, not to one
// acquisition of it.
#include "kernel/fs/xfs/xfs_inode_pair.hpp"

#include <cerrno>
#include <utility>

#include "kernel/fs/dax.hpp"
#include "kernel/fs/locks.hpp"
#include "kernel/fs/xfs/xfs_layouts.hpp"

namespace faultline::xfs {

namespace {

struct Pair {
  inode* first;
  inode* second;
};

Pair by_ino(inode& a, inode& b) { return a.i_ino < b.i_ino ? Pair{&a, &b} : Pair{&b, &a}; }

Pair by_address(inode& a, inode& b) { return a.index < b.index ? Pair{&a, &b} : Pair{&b, &a}; }

// break_layout() with IOLOCKs held, which are given up where it has to wait: true if the caller
// must begin anew.
HelperPath<bool> wait_for_leases(Kernel& k, inode& ip, inode* first, inode* second,
                                 std::int64_t* error) {
  *error = 0;
  if (!k.profile.remap_breaks_leases || !has_lease(ip, FL_LAYOUT)) co_return false;
  *error = co_await __break_lease(k, ip, true, true, FL_LAYOUT);
  if (*error == 0) co_return false;
  if (second) up_write(second->i_rwsem);
  up_write(first->i_rwsem);
  if (*error == -EWOULDBLOCK) *error = co_await __break_lease(k, ip, true, false, FL_LAYOUT);
  co_return true;
}

Path<std::int64_t> xfs_iolock_two_inodes_and_break_layout(Kernel& k, inode& a, inode& b) {
  const Pair pair = by_address(a, b);
  for (;;) {
    std::int64_t error = 0;
    co_await down_write(pair.first->i_rwsem);
    bool again = co_await wait_for_leases(k, *pair.first, pair.first, nullptr, &error);
    if (!again && &a == &b) co_return 0;
    if (!again) {
      k.locks.set_class(pair.second->i_rwsem, k.cls.i_rwsem_nondir2);
      co_await down_write(pair.second->i_rwsem);
      again = co_await wait_for_leases(k, *pair.second, pair.first, pair.second, &error);
    }
    if (error || !again) co_return error;
  }
}

// filemap_invalidate_lock_two()
Path<void> filemap_invalidate_lock_two(Kernel& k, inode& a, inode& b) {
  const Pair pair = by_address(a, b);
  co_await down_write(pair.first->i_data.invalidate_lock);
  if (&a == &b) co_return;
  k.locks.set_class(pair.second->i_data.invalidate_lock, k.cls.invalidate_lock_second);
  co_await down_write(pair.second->i_data.invalidate_lock);
}

// The second inode's pages are looked at under both locks. If one is busy both are given up and all
// begins anew: as in the kernel nobody sleeps until it is idle.
Path<std::int64_t> xfs_mmaplock_two_inodes_and_break_dax_layout(Kernel& k, inode& a, inode& b) {
  Pair pair = by_ino(a, b);
  for (;;) {
    co_await xfs_ilock(k, *pair.first, XFS_MMAPLOCK_EXCL,
                       "xfs_mmaplock_two_inodes_and_break_dax_layout");
    const std::int64_t error = co_await xfs_break_dax_layouts(k, *pair.first);
    if (error) {
      xfs_iunlock(k, *pair.first, XFS_MMAPLOCK_EXCL,
                  "xfs_mmaplock_two_inodes_and_break_dax_layout");
      co_return error;
    }
    if (&a == &b) co_return 0;
    k.locks.set_class(pair.second->i_data.invalidate_lock, k.cls.invalidate_lock_second);
    co_await xfs_ilock(k, *pair.second, XFS_MMAPLOCK_EXCL | XFS_MMAPLOCK_SECOND,
                       "xfs_mmaplock_two_inodes_and_break_dax_layout");
    const std::optional<Pfn> busy =
        co_await dax_layout_busy_page_range(k, pair.second->i_data, Pgoff(0), Pgoff(~0ULL));
    if (!busy) co_return 0;
    xfs_iunlock(k, *pair.second, XFS_MMAPLOCK_EXCL, "xfs_mmaplock_two_inodes_and_break_dax_layout");
    k.locks.set_class(pair.second->i_data.invalidate_lock, k.cls.invalidate_lock);
    xfs_iunlock(k, *pair.first, XFS_MMAPLOCK_EXCL, "xfs_mmaplock_two_inodes_and_break_dax_layout");
  }
}

void plain_again(Kernel& k, inode& a, inode& b) {
  if (&a == &b) return;
  for (inode* const ip : {&a, &b}) {
    k.locks.set_class(ip->i_rwsem, k.cls.i_rwsem);
    k.locks.set_class(ip->i_data.invalidate_lock, k.cls.invalidate_lock);
  }
}

}  // namespace

Path<void> xfs_lock_two_inodes(Kernel& k, inode& a, inode& b, unsigned flag) {
  const Pair pair = by_ino(a, b);
  co_await xfs_ilock(k, *pair.first, flag, "xfs_lock_two_inodes");
  if (flag == XFS_ILOCK_EXCL) {
    k.locks.set_class(pair.second->xfs->i_lock, k.cls.ilock_second);
  } else {
    k.locks.set_class(pair.second->i_data.invalidate_lock, k.cls.invalidate_lock_second);
  }
  const unsigned second = flag == XFS_ILOCK_EXCL ? XFS_ILOCK_SECOND : XFS_MMAPLOCK_SECOND;
  co_await xfs_ilock(k, *pair.second, flag | second, "xfs_lock_two_inodes");
}

HelperPath<void> lock_two_nondirectories(Kernel& k, inode& a, inode& b) {
  const Pair pair = by_address(a, b);
  co_await down_write(pair.first->i_rwsem);
  k.locks.set_class(pair.second->i_rwsem, k.cls.i_rwsem_nondir2);
  co_await down_write(pair.second->i_rwsem);
}

void unlock_two_nondirectories(Kernel& k, inode& a, inode& b) {
  up_write(a.i_rwsem);
  up_write(b.i_rwsem);
  plain_again(k, a, b);
}

void forget_second_ilock(Kernel& k, inode& a, inode& b) {
  k.locks.set_class(by_ino(a, b).second->xfs->i_lock, k.cls.ilock);
}

Path<std::int64_t> xfs_ilock2_io_mmap(Kernel& k, inode& a, inode& b) {
  const std::int64_t held = co_await xfs_iolock_two_inodes_and_break_layout(k, a, b);
  if (held) co_return held;
  if (!k.profile.remap_demotes_source) {
    if (&a == &b) {
      co_await xfs_ilock(k, a, XFS_MMAPLOCK_EXCL, "xfs_reflink_remap_range");
    } else {
      co_await xfs_lock_two_inodes(k, a, b, XFS_MMAPLOCK_EXCL);
    }
    co_return 0;
  }
  if (!a.dax || !b.dax) {
    co_await filemap_invalidate_lock_two(k, a, b);
    co_return 0;
  }
  const std::int64_t error = co_await xfs_mmaplock_two_inodes_and_break_dax_layout(k, a, b);
  if (error) {
    if (&a != &b) up_write(b.i_rwsem);
    up_write(a.i_rwsem);
    plain_again(k, a, b);
  }
  co_return error;
}

void xfs_iunlock2_io_mmap(Kernel& k, inode& a, inode& b) {
  if ((a.dax && b.dax) || !k.profile.remap_demotes_source) {
    const Pair pair = by_ino(a, b);
    if (&a != &b) xfs_iunlock(k, *pair.second, XFS_MMAPLOCK_EXCL, "xfs_iunlock2_io_mmap");
    xfs_iunlock(k, *pair.first, XFS_MMAPLOCK_EXCL, "xfs_iunlock2_io_mmap");
  } else {  // filemap_invalidate_unlock_two()
    up_write(a.i_data.invalidate_lock);
    if (&a != &b) up_write(b.i_data.invalidate_lock);
  }
  up_write(b.i_rwsem);
  if (&a != &b) up_write(a.i_rwsem);
  plain_again(k, a, b);
}

void xfs_iunlock2_remapping(Kernel& k, inode& src, inode& dest) {
  src.xfs->i_flags &= ~XFS_IREMAPPING;
  if (&src != &dest) xfs_iunlock(k, src, XFS_MMAPLOCK_SHARED, "xfs_iunlock2_remapping");
  xfs_iunlock(k, dest, XFS_MMAPLOCK_EXCL, "xfs_iunlock2_remapping");
  if (&src != &dest) up_read(src.i_rwsem);
  up_write(dest.i_rwsem);
  plain_again(k, src, dest);
}

}  // namespace faultline::xfs
