// Mappings of MAP_DIRECT on Linux 7.1, as version 6 of the proposal would be there: the VMA is
// prepared like any other, and the file is sealed in vm_ops->mapped, when nothing can make the
// mapping fail or merge it away any more. The checks of a fault sit in the write fault that every
// handler comes to, under MMAPLOCK, which alone excludes faults: they may hold no mmap_lock.
#include "kernel/fs/inode.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_iomap.hpp"
#include "kernel/fs/xfs/xfs_map_direct.hpp"
#include "kernel/mm/filemap.hpp"

namespace faultline::xfs {

namespace {

inode& host_of(const vm_fault& vmf) { return *vmf.vma->vm_file->f_inode; }

Path<vm_fault_t> xfs_direct_read_fault(Kernel& k, vm_fault& vmf, unsigned order) {
  inode& ip = host_of(vmf);
  k.trace<Event::xfs_read_fault>(ip.i_sb->s_dev, ip.i_ino, order);
  co_await xfs_ilock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_dax_read_fault");
  vm_fault_t ret = VM_FAULT_SIGBUS;
  if (direct_allowed(k, ip)) ret = co_await dax_iomap_fault(k, vmf, order, xfs_read_iomap_ops);
  xfs_iunlock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_dax_read_fault");
  co_return ret;
}

Path<vm_fault_t> xfs_direct_write_fault(Kernel& k, vm_fault& vmf, unsigned order) {
  inode& ip = host_of(vmf);
  k.trace<Event::xfs_write_fault>(ip.i_sb->s_dev, ip.i_ino, order);
  co_await sb_start_pagefault(*ip.i_sb);
  co_await file_update_time(k, ip);
  co_await xfs_ilock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_write_fault");
  vm_fault_t ret = VM_FAULT_SIGBUS;
  if (direct_allowed(k, ip)) {
    ret = co_await dax_iomap_fault(k, vmf, order, xfs_dax_write_iomap_ops);
  }
  xfs_iunlock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_write_fault");
  sb_end_pagefault(*ip.i_sb);
  co_return ret;
}

Path<vm_fault_t> xfs_direct_huge_fault(Kernel& k, vm_fault& vmf, unsigned order) {
  return vmf.flags & FAULT_FLAG_WRITE ? xfs_direct_write_fault(k, vmf, order)
                                      : xfs_direct_read_fault(k, vmf, order);
}

Path<vm_fault_t> xfs_direct_fault(Kernel& k, vm_fault& vmf) {
  return xfs_direct_huge_fault(k, vmf, 0);
}

Path<vm_fault_t> xfs_direct_mkwrite(Kernel& k, vm_fault& vmf) {
  return xfs_direct_write_fault(k, vmf, 0);
}

Path<std::int64_t> xfs_filemap_direct_mapped(Kernel& k, MappedRange& range) {
  co_await xfs_map_direct_seal(k, *range.vm_file->f_inode, "xfs_filemap_direct_mapped");
  co_return 0;
}

}  // namespace

// ->map_pages is missing: pages of the page cache are never shown here.
const vm_operations_struct xfs_file_vm_direct_ops{
    .open = xfs_filemap_direct_open,
    .close = xfs_filemap_direct_close,
    .mapped = xfs_filemap_direct_mapped,
    .fault = xfs_direct_fault,
    .huge_fault = xfs_direct_huge_fault,
    .page_mkwrite = xfs_direct_mkwrite,
    .pfn_mkwrite = xfs_direct_mkwrite,
};

}  // namespace faultline::xfs
