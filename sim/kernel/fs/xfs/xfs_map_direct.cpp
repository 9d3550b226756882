// The seal of an inode and the count of its MAP_DIRECT mappings. See the header. The locks that
// guard both are a knob.
#include "kernel/fs/xfs/xfs_map_direct.hpp"

#include "kernel/fs/inode.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"

namespace faultline::xfs {

unsigned seal_locks(const Profile& profile) {
  switch (profile.seal_locks) {
    case SealLocks::none:
      return 0;
    case SealLocks::iolock:
      return XFS_IOLOCK_EXCL;
    case SealLocks::mmaplock:
      return XFS_MMAPLOCK_EXCL;
    case SealLocks::iolock_mmaplock:
      return XFS_IOLOCK_EXCL | XFS_MMAPLOCK_EXCL;
    case SealLocks::ilock:
      return XFS_ILOCK_EXCL;
    case SealLocks::mmaplock_ilock:
      return XFS_MMAPLOCK_EXCL | XFS_ILOCK_EXCL;
  }
  return 0;
}

bool direct_allowed(const Kernel& k, const inode& ip) {
  return ip.dax && !(k.profile.direct_refuses_reflink && ip.xfs->reflink);
}

std::int32_t add_mapdcount(Kernel& k, inode& ip, std::int32_t by) {
  Shared<std::int32_t>& count = *ip.xfs->i_mapdcount;
  count.set_locked(count.peek() + by);
  k.engine.current().position.observe(static_cast<std::uint64_t>(count.peek()));
  k.trace<Event::sim_mapdcount>(ip.i_sb->s_dev, ip.i_ino, count.peek());
  return count.peek();
}

namespace {

// i_flags |= S_IOMAP_SEALED, or &= ~: a read and a write, whoever else writes the word meanwhile.
HelperPath<void> set_seal(Kernel& k, inode& ip, bool sealed) {
  const std::uint32_t flags = co_await ip.i_flags->load();
  co_await inode_store_flags(k, ip, sealed ? flags | S_IOMAP_SEALED : flags & ~S_IOMAP_SEALED);
  k.trace<Event::sim_iomap_seal>(ip.i_sb->s_dev, ip.i_ino, sealed);
}

// True if the count has come to 0, with the locks held.
Path<bool> atomic_dec_and_xfs_ilock(Kernel& k, inode& ip, unsigned locks) {
  co_await k.engine.choice_point();
  if (ip.xfs->i_mapdcount->peek() > 1) {
    add_mapdcount(k, ip, -1);
    co_return false;
  }
  if (locks) co_await xfs_ilock(k, ip, locks, "atomic_dec_and_xfs_ilock");
  co_await k.engine.choice_point();
  if (add_mapdcount(k, ip, -1) == 0) co_return true;
  if (locks) xfs_iunlock(k, ip, locks, "atomic_dec_and_xfs_ilock");
  co_return false;
}

}  // namespace

Path<void> xfs_filemap_direct_open(Kernel& k, vm_area_struct& vma) {
  co_await k.engine.choice_point();
  add_mapdcount(k, *vma.vm_file->f_inode, 1);
}

Path<void> xfs_filemap_direct_close(Kernel& k, vm_area_struct& vma) {
  inode& ip = *vma.vm_file->f_inode;
  const unsigned locks = seal_locks(k.profile);
  const bool last = co_await atomic_dec_and_xfs_ilock(k, ip, locks);
  if (!last) co_return;
  co_await set_seal(k, ip, false);
  if (locks) xfs_iunlock(k, ip, locks, "xfs_filemap_direct_close");
}

HelperPath<void> xfs_map_direct_seal(Kernel& k, inode& ip, const char* caller) {
  const unsigned locks = seal_locks(k.profile);
  if (locks) co_await xfs_ilock(k, ip, locks, caller);
  co_await set_seal(k, ip, true);
  co_await k.engine.choice_point();
  add_mapdcount(k, ip, 1);
  if (locks) xfs_iunlock(k, ip, locks, caller);
}

}  // namespace faultline::xfs
