// FS_IOC_FSSETXATTR. See the header. 6.12 holds i_rwsem and lets a change of FS_XFLAG_DAX wait
// until nobody uses the inode; 4.13 holds ILOCK only, unless the DAX state changes: then it takes
// IOLOCK and MMAPLOCK, writes the file back, drops its pages and switches. It looks at no seal.
// Left out: project ids, quota, realtime files, flags of directories that their files inherit.
#include "kernel/fs/xfs/xfs_ioctl.hpp"

#include <cerrno>

#include "kernel/fs/dax.hpp"
#include "kernel/fs/inode.hpp"
#include "kernel/fs/open.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_trans.hpp"
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/truncate.hpp"

namespace faultline::xfs {

namespace {

/// The flags and the hint as the call gives them.
struct Fileattr {
  std::uint32_t xflags = 0;
  std::uint64_t extsize = 0;  // blocks
};

// fileattr_set_prepare(), and xfs_ioctl_setattr_check_extsize(): a file with blocks keeps its hint.
std::int64_t check_change(Kernel& k, const inode& ip, const Fileattr& fa) {
  constexpr std::uint32_t guarded = FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND;
  const std::uint32_t changed = fa.xflags ^ ip.xfs->xflags;
  if ((changed & guarded) && !capable(k.current(), CAP_LINUX_IMMUTABLE)) return -EPERM;
  if (fa.extsize != ip.xfs->extsize && ip.xfs->df.nextents != 0) return -EINVAL;
  return 0;
}

// One bit of i_flags: a read and a write of the word.
HelperPath<void> set_bit(Kernel& k, inode& ip, std::uint32_t bit, bool on) {
  const std::uint32_t flags = co_await ip.i_flags->load();
  co_await inode_store_flags(k, ip, on ? flags | bit : flags & ~bit);
}

// xfs_diflags_to_linux(), statement by statement.
Path<void> xfs_diflags_to_linux(Kernel& k, inode& ip, std::uint32_t xflags) {
  co_await set_bit(k, ip, S_IMMUTABLE, xflags & FS_XFLAG_IMMUTABLE);
  co_await set_bit(k, ip, S_APPEND, xflags & FS_XFLAG_APPEND);
  co_await set_bit(k, ip, S_SYNC, xflags & FS_XFLAG_SYNC);
  co_await set_bit(k, ip, S_NOATIME, xflags & FS_XFLAG_NOATIME);
  if (k.profile.dax_flag_switch != DaxFlagSwitch::live) co_return;
  co_await set_bit(k, ip, S_DAX, xflags & FS_XFLAG_DAX);
}

// The transaction, with ILOCK, that both kernels end with.
HelperPath<std::int64_t> set_xflags(Kernel& k, inode& ip, const Fileattr& fa) {
  xfs_trans tp;
  std::int64_t error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::ichange, 0, 0, tp,
                                                "xfs_trans_alloc_ichange");
  if (error) co_return error;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_trans_alloc_ichange");
  error = check_change(k, ip, fa);
  if (error) {
    co_await xfs_trans_cancel(k, tp, "xfs_ioctl_setattr");
    xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_trans_cancel");
    co_return error;
  }
  xfs_trans_ijoin(tp, ip);
  tp.unlock_inode = true;
  ip.xfs->xflags = fa.xflags;
  ip.xfs->extsize = fa.extsize;
  co_await xfs_diflags_to_linux(k, ip, fa.xflags);
  ip.i_ctime = k.coarse_time();
  RedoRecord record;
  record.kind = RedoKind::times;
  record.ino = ip.i_ino;
  record.a = ip.i_ctime.v;
  record.b = S_CTIME;
  tp.redo.push_back(record);
  xfs_trans_log_inode(tp);
  co_await xfs_trans_commit(k, tp);
  co_return 0;
}

// xfs_ioctl_setattr_dax_invalidate(): `locks` is what it holds afterwards.
Path<std::int64_t> xfs_ioctl_setattr_dax_invalidate(Kernel& k, inode& ip, const Fileattr& fa,
                                                    unsigned* locks) {
  const bool wanted = fa.xflags & FS_XFLAG_DAX;
  if (wanted && !ip.i_sb->s_daxdev) co_return -EINVAL;
  if (wanted == ip.dax) co_return 0;
  constexpr unsigned both = XFS_MMAPLOCK_EXCL | XFS_IOLOCK_EXCL;
  co_await xfs_ilock(k, ip, both, "xfs_ioctl_setattr_dax_invalidate");
  address_space& mapping = ip.i_data;
  const std::int64_t error = co_await filemap_write_and_wait_range(k, mapping, 0, ~0ULL >> 1);
  if (error) {
    xfs_iunlock(k, ip, both, "xfs_ioctl_setattr_dax_invalidate");
    co_return error;
  }
  if (ip.dax) {
    co_await invalidate_inode_pages2_range(k, mapping, Pgoff(0), Pgoff(~0ULL));
  } else {
    co_await unmap_mapping_range(k, mapping, 0, 0, false);
    co_await truncate_inode_pages_range(k, mapping, 0, ~0ULL);
  }
  *locks = both;
  co_return 0;
}

Path<std::int64_t> xfs_ioctl_setattr(Kernel& k, inode& ip, const Fileattr& fa) {
  unsigned locks = 0;
  std::int64_t error = co_await xfs_ioctl_setattr_dax_invalidate(k, ip, fa, &locks);
  if (error) co_return error;
  error = co_await set_xflags(k, ip, fa);
  if (locks) xfs_iunlock(k, ip, locks, "xfs_ioctl_setattr");
  co_return error;
}

Path<std::int64_t> xfs_fileattr_set(Kernel& k, inode& ip, const Fileattr& fa) {
  co_await down_write(ip.i_rwsem);
  const std::int64_t error = co_await set_xflags(k, ip, fa);
  up_write(ip.i_rwsem);
  co_return error;
}

}  // namespace

Path<std::int64_t> ioctl_fssetxattr(Kernel& k, std::int64_t fd, const FsxattrChange& change) {
  file* const f = fget(k, fd);
  if (!f) co_return -EBADF;
  inode& ip = *f->f_inode;
  std::int64_t error = -ENOTTY;
  if (ip.xfs) {
    Fileattr fa;
    fa.xflags = (ip.xfs->xflags | static_cast<std::uint32_t>(change.set)) &
                ~static_cast<std::uint32_t>(change.clear);
    fa.extsize = change.extsize ? *change.extsize >> block_log : ip.xfs->extsize;
    co_await sb_start_write(*ip.i_sb);
    error = k.profile.dax_flag_switch == DaxFlagSwitch::deferred
                ? co_await xfs_fileattr_set(k, ip, fa)
                : co_await xfs_ioctl_setattr(k, ip, fa);
    sb_end_write(*ip.i_sb);
  }
  fput(k, *f);
  co_return error;
}

}  // namespace faultline::xfs
