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

/// The flags and the hints as the call gives them; hints in bytes.
struct Fileattr {
  std::uint32_t xflags = 0;
  std::uint64_t extsize = 0, cowextsize = 0;
};

constexpr std::uint64_t block_mask = (1ULL << block_log) - 1;
// XFS_B_TO_FSB(), which fills 32 bits of the inode.
std::uint64_t to_fsb(std::uint64_t bytes) {
  return (bytes >> block_log) + (bytes & block_mask ? 1 : 0);
}

bool changes_guarded(Kernel& k, const inode& ip, const Fileattr& fa) {
  constexpr std::uint32_t guarded = FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND;
  const std::uint32_t changed = fa.xflags ^ ip.xfs->xflags;
  return (changed & guarded) && !capable(k.current(), CAP_LINUX_IMMUTABLE);
}

// fileattr_set_prepare(): what has nothing to do with the file system. A hint of zero is none.
std::int64_t fileattr_set_prepare(Kernel& k, const inode& ip, Fileattr& fa) {
  if (changes_guarded(k, ip, fa)) return -EPERM;
  const bool regular = ip.type == InodeType::regular;
  if ((fa.xflags & FS_XFLAG_EXTSIZE) && !regular) return -EINVAL;
  if ((fa.xflags & FS_XFLAG_EXTSZINHERIT) && ip.type != InodeType::directory) return -EINVAL;
  if (fa.extsize == 0) fa.xflags &= ~(FS_XFLAG_EXTSIZE | FS_XFLAG_EXTSZINHERIT);
  if (fa.cowextsize == 0) fa.xflags &= ~FS_XFLAG_COWEXTSIZE;
  return 0;
}

// Longer than any mapping, or than half an allocation group.
bool too_long(const inode& ip, std::uint64_t hint) {
  return hint > max_extlen || hint > ip.xfs->i_mount->space.geo.agblocks / 2;
}

// Whether a file that has something keeps another hint than it is to get.
bool has_other_hint(Kernel& k, const inode& ip, const Fileattr& fa) {
  if (ip.type != InodeType::regular || ip.xfs->extsize << block_log == fa.extsize) return false;
  if (ip.xfs->df.nextents != 0) return true;
  return k.profile.extsize_check == ExtsizeCheck::filedata && !ip.xfs->df.map.empty();
}

std::int64_t xfs_ioctl_setattr_check_extsize(Kernel& k, const inode& ip, Fileattr& fa) {
  if (has_other_hint(k, ip, fa)) return -EINVAL;
  const std::uint64_t hint = to_fsb(fa.extsize);
  if ((fa.extsize & block_mask) || too_long(ip, hint)) return -EINVAL;
  const bool flagged = fa.xflags & (FS_XFLAG_EXTSIZE | FS_XFLAG_EXTSZINHERIT);
  if (k.profile.extsize_check == ExtsizeCheck::lenient) {
    if (!flagged) fa.extsize = 0;
    return 0;
  }
  return flagged == (hint != 0) ? 0 : -EINVAL;  // xfs_inode_validate_extsize()
}

std::int64_t xfs_ioctl_setattr_check_cowextsize(Kernel& k, const inode& ip, Fileattr& fa) {
  const bool flagged = fa.xflags & FS_XFLAG_COWEXTSIZE;
  if (flagged && !ip.xfs->i_mount->space.geo.reflink) return -EINVAL;
  const std::uint64_t hint = to_fsb(fa.cowextsize);
  if ((fa.cowextsize & block_mask) || too_long(ip, hint)) return -EINVAL;
  if (k.profile.extsize_check == ExtsizeCheck::lenient) {
    if (!flagged) fa.cowextsize = 0;
    return 0;
  }
  return flagged == (hint != 0) ? 0 : -EINVAL;
}

std::int64_t check_in_transaction(Kernel& k, const inode& ip, Fileattr& fa) {
  std::int64_t error = 0;
  if (k.profile.extsize_check == ExtsizeCheck::lenient) error = fileattr_set_prepare(k, ip, fa);
  if (!error) error = xfs_ioctl_setattr_check_extsize(k, ip, fa);
  return error ? error : xfs_ioctl_setattr_check_cowextsize(k, ip, fa);
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
HelperPath<std::int64_t> set_xflags(Kernel& k, inode& ip, Fileattr fa) {
  xfs_trans tp;
  std::int64_t error = co_await xfs_trans_alloc(k, *ip.xfs->i_mount, TransType::ichange, 0, 0, tp,
                                                "xfs_trans_alloc_ichange");
  if (error) co_return error;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "xfs_trans_alloc_ichange");
  error = check_in_transaction(k, ip, fa);
  if (error) {
    co_await xfs_trans_cancel(k, tp, "xfs_ioctl_setattr");
    xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "xfs_trans_cancel");
    co_return error;
  }
  xfs_trans_ijoin(tp, ip);
  tp.unlock_inode = true;
  ip.xfs->xflags = fa.xflags;
  ip.xfs->extsize = to_fsb(fa.extsize);
  ip.xfs->cowextsize = to_fsb(fa.cowextsize);
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

// vfs_fileattr_set()
Path<std::int64_t> xfs_fileattr_set(Kernel& k, inode& ip, Fileattr fa) {
  co_await down_write(ip.i_rwsem);
  std::int64_t error = fileattr_set_prepare(k, ip, fa);
  if (!error) error = co_await set_xflags(k, ip, fa);
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
    // A program that gives a hint sets the flag that goes with it (xfs_io's extsize).
    const std::uint32_t given =
        (change.extsize ? FS_XFLAG_EXTSIZE : 0) | (change.cowextsize ? FS_XFLAG_COWEXTSIZE : 0);
    fa.xflags = (ip.xfs->xflags | given | static_cast<std::uint32_t>(change.set)) &
                ~static_cast<std::uint32_t>(change.clear);
    constexpr std::uint64_t field = 0xffffffff;  // struct fsxattr has 32 bits for each
    fa.extsize = change.extsize.value_or(ip.xfs->extsize << block_log) & field;
    fa.cowextsize = change.cowextsize.value_or(ip.xfs->cowextsize << block_log) & field;
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
