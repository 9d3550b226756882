// Faults and mmap of XFS files as Linux 4.13 fs/xfs/xfs_file.c has them, with patch 4/5 of
// MAP_DIRECT (version 6): an inode with such a mapping is sealed, its block map may not change. The
// locks that guard sealing are a knob; the proposal takes IOLOCK, which its callers may not, as
// they hold mmap_sem. Left out: the page cache beyond what filemap_fault and iomap_page_mkwrite do.
#include <linux/mman.h>

#include <cerrno>

#include "kernel/fs/inode.hpp"
#include "kernel/fs/iomap_buffered.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_iomap.hpp"
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/mmap_4_13.hpp"

namespace faultline::xfs::v4_13 {

namespace {

extern const vm_operations_struct xfs_file_vm_ops, xfs_file_vm_direct_ops;

inode& host_of(const vm_fault& vmf) { return *vmf.vma->vm_file->f_inode; }

// A direct mapping shows the file's own blocks or nothing.
vm_fault_t xfs_vma_checks(const vm_area_struct& vma, const inode& ip) {
  if (vma.vm_ops != &xfs_file_vm_direct_ops) return {};
  return ip.dax && !ip.xfs->reflink ? vm_fault_t{} : VM_FAULT_SIGBUS;
}

Path<vm_fault_t> xfs_filemap_page_mkwrite(Kernel& k, vm_fault& vmf) {
  inode& ip = host_of(vmf);
  k.trace<Event::xfs_filemap_page_mkwrite>(ip.i_sb->s_dev, ip.i_ino);
  co_await sb_start_pagefault(*ip.i_sb);
  co_await file_update_time(k, ip);
  co_await xfs_ilock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_filemap_page_mkwrite");
  vm_fault_t ret = xfs_vma_checks(*vmf.vma, ip);
  if (!ret && ip.dax) {
    ret = co_await faultline::v4_13::dax_iomap_fault(k, vmf, 0, xfs_iomap_ops);
  } else if (!ret) {
    ret = co_await iomap_page_mkwrite(k, vmf, xfs_page_mkwrite_iomap_ops);
  }
  xfs_iunlock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_filemap_page_mkwrite");
  sb_end_pagefault(*ip.i_sb);
  co_return ret;
}

Path<vm_fault_t> xfs_filemap_fault(Kernel& k, vm_fault& vmf) {
  inode& ip = host_of(vmf);
  k.trace<Event::xfs_filemap_fault>(ip.i_sb->s_dev, ip.i_ino, 0, 0);
  // A private write too: nobody looks at VM_SHARED here.
  if ((vmf.flags & FAULT_FLAG_WRITE) && ip.dax) {
    const vm_fault_t written = co_await xfs_filemap_page_mkwrite(k, vmf);
    co_return written;
  }
  co_await xfs_ilock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_filemap_fault");
  vm_fault_t ret = xfs_vma_checks(*vmf.vma, ip);
  if (!ret && ip.dax) {
    ret = co_await faultline::v4_13::dax_iomap_fault(k, vmf, 0, xfs_iomap_ops);
  } else if (!ret) {
    ret = co_await filemap_fault(k, vmf);
  }
  xfs_iunlock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_filemap_fault");
  co_return ret;
}

Path<vm_fault_t> xfs_filemap_huge_fault(Kernel& k, vm_fault& vmf, unsigned order) {
  inode& ip = host_of(vmf);
  if (!ip.dax) co_return VM_FAULT_FALLBACK;
  k.trace<Event::xfs_filemap_huge_fault>(ip.i_sb->s_dev, ip.i_ino);
  const bool write = vmf.flags & FAULT_FLAG_WRITE;
  if (write) {
    co_await sb_start_pagefault(*ip.i_sb);
    co_await file_update_time(k, ip);
  }
  co_await xfs_ilock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_filemap_huge_fault");
  vm_fault_t ret = xfs_vma_checks(*vmf.vma, ip);
  if (!ret) ret = co_await faultline::v4_13::dax_iomap_fault(k, vmf, order, xfs_iomap_ops);
  xfs_iunlock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_filemap_huge_fault");
  if (write) sb_end_pagefault(*ip.i_sb);
  co_return ret;
}

// The only handler without a check of the mapping's kind.
Path<vm_fault_t> xfs_filemap_pfn_mkwrite(Kernel& k, vm_fault& vmf) {
  inode& ip = host_of(vmf);
  k.trace<Event::xfs_filemap_pfn_mkwrite>(ip.i_sb->s_dev, ip.i_ino);
  co_await sb_start_pagefault(*ip.i_sb);
  co_await file_update_time(k, ip);
  co_await xfs_ilock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_filemap_pfn_mkwrite");
  vm_fault_t ret = VM_FAULT_NOPAGE;
  if (vmf.pgoff.v >= (ip.i_size + PAGE_SIZE - 1) >> PAGE_SHIFT) {
    ret = VM_FAULT_SIGBUS;
  } else if (ip.dax) {
    ret = co_await faultline::v4_13::dax_pfn_mkwrite(k, vmf);
  }
  xfs_iunlock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_filemap_pfn_mkwrite");
  sb_end_pagefault(*ip.i_sb);
  co_return ret;
}

// ---- the seal -----------------------------------------------------------------------------------

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

// i_flags |= S_IOMAP_SEALED, or &= ~: a read and a write, whoever else writes the word meanwhile.
HelperPath<void> set_seal(Kernel& k, inode& ip, bool sealed) {
  const std::uint32_t flags = co_await ip.i_flags->load();
  co_await inode_store_flags(k, ip, sealed ? flags | S_IOMAP_SEALED : flags & ~S_IOMAP_SEALED);
  k.trace<Event::sim_iomap_seal>(ip.i_sb->s_dev, ip.i_ino, sealed);
}

// One atomic change of i_mapdcount, at the scheduling point that its caller has made; the new
// value.
std::int32_t add_mapdcount(Kernel& k, inode& ip, std::int32_t by) {
  Shared<std::int32_t>& count = *ip.xfs->i_mapdcount;
  count.set_locked(count.peek() + by);
  k.engine.current().position.observe(static_cast<std::uint64_t>(count.peek()));
  k.trace<Event::sim_mapdcount>(ip.i_sb->s_dev, ip.i_ino, count.peek());
  return count.peek();
}

Path<void> xfs_filemap_direct_open(Kernel& k, vm_area_struct& vma) {
  co_await k.engine.choice_point();
  add_mapdcount(k, *vma.vm_file->f_inode, 1);
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

Path<void> xfs_filemap_direct_close(Kernel& k, vm_area_struct& vma) {
  inode& ip = *vma.vm_file->f_inode;
  const unsigned locks = seal_locks(k.profile);
  const bool last = co_await atomic_dec_and_xfs_ilock(k, ip, locks);
  if (!last) co_return;
  co_await set_seal(k, ip, false);
  if (locks) xfs_iunlock(k, ip, locks, "xfs_filemap_direct_close");
}

Path<std::int64_t> xfs_file_mmap(Kernel& k, file& file, vm_area_struct& vma,
                                 std::uint64_t map_flags) {
  inode& ip = *file.f_inode;
  const bool direct = map_flags & MAP_DIRECT;
  if (map_flags & ~(legacy_map_supported_mask(k.profile) | MAP_DIRECT)) co_return -EOPNOTSUPP;
  co_await touch_atime(k, ip);
  if (ip.dax) vma.vm_flags |= VM_MIXEDMAP | VM_HUGEPAGE;
  if (!direct) {
    vma.vm_ops = &xfs_file_vm_ops;
    co_return 0;
  }
  const unsigned locks = seal_locks(k.profile);
  if (locks) co_await xfs_ilock(k, ip, locks, "xfs_file_mmap");
  vma.vm_ops = &xfs_file_vm_direct_ops;
  co_await set_seal(k, ip, true);
  co_await k.engine.choice_point();
  add_mapdcount(k, ip, 1);
  if (locks) xfs_iunlock(k, ip, locks, "xfs_file_mmap");
  co_return 0;
}

const vm_operations_struct xfs_file_vm_ops{
    .fault = xfs_filemap_fault,
    .huge_fault = xfs_filemap_huge_fault,
    .map_pages = filemap_map_pages,
    .page_mkwrite = xfs_filemap_page_mkwrite,
    .pfn_mkwrite = xfs_filemap_pfn_mkwrite,
};
const vm_operations_struct xfs_file_vm_direct_ops{
    .open = xfs_filemap_direct_open,
    .close = xfs_filemap_direct_close,
    .fault = xfs_filemap_fault,
    .huge_fault = xfs_filemap_huge_fault,
    .map_pages = filemap_map_pages,
    .page_mkwrite = xfs_filemap_page_mkwrite,
    .pfn_mkwrite = xfs_filemap_pfn_mkwrite,
};

}  // namespace

bool is_direct_mapping(const vm_area_struct& vma) { return vma.vm_ops == &xfs_file_vm_direct_ops; }

const file_operations xfs_file_operations{.mmap_flagged = xfs_file_mmap,
                                          .mmap_extra_flags = MAP_DIRECT,
                                          .fsync = xfs_file_fsync,
                                          .fallocate = xfs_file_fallocate,
                                          .remap_file_range = xfs_file_remap_range,
                                          .area = AreaSearch::thp};

}  // namespace faultline::xfs::v4_13
