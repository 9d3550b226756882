// Faults and mmap of XFS files. Linux 6.12 fs/xfs/xfs_file.c. A read fault takes MMAPLOCK; a write
// fault takes freeze protection and updates the timestamps before it. read(2) and write(2) of files
// that are not DAX are in xfs_file_buffered.cpp.
#include "kernel/fs/xfs/xfs_file.hpp"

#include <fcntl.h>

#include <cerrno>

#include "kernel/fs/inode.hpp"
#include "kernel/fs/iomap_buffered.hpp"
#include "kernel/fs/iomap_direct.hpp"
#include "kernel/fs/locks.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/fs/sync.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_iomap.hpp"
#include "kernel/fs/xfs/xfs_layouts.hpp"
#include "kernel/fs/xfs/xfs_map_direct.hpp"
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/mmap_lock.hpp"

namespace faultline::xfs {

static Path<vm_fault_t> xfs_dax_read_fault(Kernel& k, vm_fault& vmf, unsigned order) {
  inode& ip = *vmf.vma->vm_file->f_inode;
  if (k.profile.xfs_fault_events == XfsFaultEvents::read_write) {
    k.trace<Event::xfs_read_fault>(ip.i_sb->s_dev, ip.i_ino, order);
  } else {
    k.trace<Event::xfs_filemap_fault>(ip.i_sb->s_dev, ip.i_ino, order, 0);
  }
  co_await xfs_ilock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_dax_read_fault");
  const vm_fault_t ret = co_await dax_iomap_fault(k, vmf, order, xfs_read_iomap_ops);
  xfs_iunlock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_dax_read_fault");
  co_return ret;
}

// While blocks of the file are given to another one, MMAPLOCK is held for reading: a store that may
// have to copy them waits for the end of that.
static HelperPath<unsigned> xfs_ilock_for_write_fault(Kernel& k, inode& ip) {
  xfs_iunlock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_ilock_for_write_fault");
  co_await xfs_ilock(k, ip, XFS_MMAPLOCK_EXCL, "xfs_ilock_for_write_fault");
  co_return XFS_MMAPLOCK_EXCL;
}

static Path<vm_fault_t> xfs_write_fault(Kernel& k, vm_fault& vmf, unsigned order) {
  inode& ip = *vmf.vma->vm_file->f_inode;
  if (k.profile.xfs_fault_events == XfsFaultEvents::read_write) {
    k.trace<Event::xfs_write_fault>(ip.i_sb->s_dev, ip.i_ino, order);
  } else {
    k.trace<Event::xfs_filemap_fault>(ip.i_sb->s_dev, ip.i_ino, order, 1);
  }
  co_await sb_start_pagefault(*ip.i_sb);
  co_await file_update_time(k, ip);
  co_await xfs_ilock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_write_fault");
  unsigned lock_mode = XFS_MMAPLOCK_SHARED;
  if (ip.xfs->i_flags & XFS_IREMAPPING) [[unlikely]] {
    lock_mode = co_await xfs_ilock_for_write_fault(k, ip);
  }
  vm_fault_t ret;
  if (ip.dax) [[likely]] {
    const iomap_ops& ops = vmf.has_cow_page ? xfs_read_iomap_ops : xfs_dax_write_iomap_ops;
    ret = co_await dax_iomap_fault(k, vmf, order, ops);
    if (ret & VM_FAULT_NEEDDSYNC) ret = co_await dax_finish_sync_fault(k, vmf, order);
  } else {
    ret = co_await iomap_page_mkwrite(
        k, vmf,
        k.profile.page_mkwrite_ops ? xfs_page_mkwrite_iomap_ops : xfs_buffered_write_iomap_ops);
  }
  xfs_iunlock(k, ip, lock_mode, "xfs_write_fault");
  sb_end_pagefault(*ip.i_sb);
  co_return ret;
}

// Only a shared write makes the file change. Hands on the path of one of the two: as in the
// compiled kernel, it has no frame of its own.
static Path<vm_fault_t> __xfs_filemap_fault(Kernel& k, vm_fault& vmf, unsigned order) {
  const bool shared_write = (vmf.flags & FAULT_FLAG_WRITE) && (vmf.vma->vm_flags & VM_SHARED);
  return shared_write ? xfs_write_fault(k, vmf, order) : xfs_dax_read_fault(k, vmf, order);
}

// The page cache is filled without MMAPLOCK: filemap_fault takes it when the page is missing.
static Path<vm_fault_t> xfs_cached_fault(Kernel& k, vm_fault& vmf) {
  const inode& ip = *vmf.vma->vm_file->f_inode;
  if (k.profile.xfs_fault_events == XfsFaultEvents::read_write) {
    k.trace<Event::xfs_read_fault>(ip.i_sb->s_dev, ip.i_ino, 0);
  } else {
    k.trace<Event::xfs_filemap_fault>(ip.i_sb->s_dev, ip.i_ino, 0, 0);
  }
  return filemap_fault(k, vmf);
}

static Path<vm_fault_t> xfs_filemap_fault(Kernel& k, vm_fault& vmf) {
  const TailCall call(k);
  if (!vmf.vma->vm_file->f_inode->dax) return call.to(xfs_cached_fault(k, vmf));
  return call.to(__xfs_filemap_fault(k, vmf, 0));
}

static Path<vm_fault_t> xfs_filemap_huge_fault(Kernel& k, vm_fault& vmf, unsigned order) {
  const TailCall call(k);
  if (!vmf.vma->vm_file->f_inode->dax) return call.with(VM_FAULT_FALLBACK);
  return call.to(__xfs_filemap_fault(k, vmf, order));
}

static Path<vm_fault_t> xfs_filemap_page_mkwrite(Kernel& k, vm_fault& vmf) {
  const TailCall call(k);
  return call.to(xfs_write_fault(k, vmf, 0));
}

// A store to an entry that was mapped read-only is a full write fault of the file system.
static Path<vm_fault_t> xfs_filemap_pfn_mkwrite(Kernel& k, vm_fault& vmf) {
  const TailCall call(k);
  return call.to(xfs_filemap_page_mkwrite(k, vmf));
}

const vm_operations_struct xfs_file_vm_ops{
    .fault = xfs_filemap_fault,
    .huge_fault = xfs_filemap_huge_fault,
    .map_pages = filemap_map_pages,
    .page_mkwrite = xfs_filemap_page_mkwrite,
    .pfn_mkwrite = xfs_filemap_pfn_mkwrite,
};

// MAP_SYNC needs a device whose stores are durable once flushed by the CPU: every pmem here is one,
// a file without DAX never has one. include/linux/dax.h daxdev_mapping_supported().
Path<std::int64_t> xfs_file_mmap(Kernel& k, file& file, vm_area_struct& vma) {
  inode& ip = *file.f_inode;
  if ((vma.vm_flags & VM_SYNC) && !ip.dax) co_return -EOPNOTSUPP;
  co_await touch_atime(k, ip);
  vma.vm_ops = &xfs_file_vm_ops;
  if (ip.dax) {
    co_await vma_start_write(k, vma);
    vma.vm_flags |= VM_HUGEPAGE;
  }
  co_return 0;
}

Path<std::int64_t> xfs_file_mmap_prepare(Kernel& k, file& file, vm_area_desc& desc) {
  inode& ip = *file.f_inode;
  if ((desc.vm_flags & VM_SYNC) && !ip.dax) co_return -EOPNOTSUPP;
  co_await touch_atime(k, ip);
  desc.vm_ops = desc.vm_flags & VM_DIRECT ? &xfs_file_vm_direct_ops : &xfs_file_vm_ops;
  if (ip.dax) desc.vm_flags |= VM_HUGEPAGE;
  co_return 0;
}

const file_operations xfs_file_operations{.mmap = xfs_file_mmap,
                                          .mmap_prepare = xfs_file_mmap_prepare,
                                          .fsync = xfs_file_fsync,
                                          .fallocate = xfs_file_fallocate,
                                          .remap_file_range = xfs_file_remap_range,
                                          .release = xfs_file_release,
                                          .area = AreaSearch::thp,
                                          .fop_flags = FOP_MMAP_SYNC};
const file_operations xfs_dir_file_operations{.fsync = xfs_file_fsync};

const file_operations& xfs_file_operations_of(const Profile& profile) {
  const bool old = profile.xfs_fault_events == XfsFaultEvents::per_handler;
  if (old && profile.map_direct == MapDirect::lease) return v4_13::xfs_leasing_file_operations;
  return old ? v4_13::xfs_file_operations : xfs_file_operations;
}

// IOLOCK for read(2) and write(2) on a DAX file. 4.13 tries first, for those who may not wait.
HelperPath<void> xfs_ilock_iocb(Kernel& k, inode& ip, unsigned lock, const char* caller) {
  if (k.profile.iolock_tries_first) {
    const bool exclusive = lock == XFS_IOLOCK_EXCL;
    k.locks.try_then_wait(ip.i_rwsem, exclusive ? HoldMode::exclusive : HoldMode::shared);
    const bool taken = co_await xfs_ilock_nowait(k, ip, lock, caller);
    if (taken) co_return;
    co_await xfs_ilock(k, ip, lock, caller);
    co_return;
  }
  co_await xfs_ilock(k, ip, lock, "xfs_ilock_iocb");
}

// generic_write_checks(): what the file's size and its seal have against a write. 0 or an errno.
HelperPath<std::int64_t> generic_write_checks(Kernel&, inode& ip, const DaxIo& io) {
  if (io.pos + io.length <= ip.i_size) co_return 0;
  const bool sealed = co_await is_iomap_sealed(ip);
  co_return sealed ? -ETXTBSY : 0;
}

Path<std::int64_t> xfs_file_read_iter(Kernel& k, file& file, DaxIo io) {
  inode& ip = *file.f_inode;
  if (!ip.dax && (file.f_flags & O_DIRECT)) {
    const std::int64_t read = co_await xfs_file_dio_read(k, file, io, DioWait::wait);
    co_return read;
  }
  if (!ip.dax) {
    const std::int64_t read = co_await xfs_file_buffered_read(k, file, io);
    co_return read;
  }
  k.trace<Event::xfs_file_dax_read>(ip.i_sb->s_dev, ip.i_ino, ip.xfs->i_disk_size, io.pos,
                                    io.length);
  if (io.length == 0) co_return 0;
  co_await xfs_ilock_iocb(k, ip, XFS_IOLOCK_SHARED, "xfs_file_dax_read");
  const std::int64_t ret = co_await dax_iomap_rw(k, io, xfs_read_iomap_ops_of(k.profile));
  xfs_iunlock(k, ip, XFS_IOLOCK_SHARED, "xfs_file_dax_read");
  co_await touch_atime(k, ip);
  co_return ret;
}

static Path<std::int64_t> xfs_file_dax_write(Kernel& k, file& file, DaxIo io) {
  inode& ip = *file.f_inode;
  unsigned iolock = XFS_IOLOCK_EXCL;
  co_await xfs_ilock_iocb(k, ip, iolock, "xfs_file_dax_write");
  std::int64_t ret = co_await generic_write_checks(k, ip, io);
  if (ret == 0 && has_lease(ip, FL_LAYOUT)) {
    ret = co_await xfs_break_layouts(k, ip, iolock, LayoutBreak::write);
  }
  if (ret == 0 && io.pos > ip.i_size) ret = co_await xfs_file_zero_eof(k, ip, io.pos);
  if (ret == 0) ret = co_await file_update_time(k, ip);
  if (ret == 0) {
    k.trace<Event::xfs_file_dax_write>(ip.i_sb->s_dev, ip.i_ino, ip.xfs->i_disk_size, io.pos,
                                       io.length);
    ret = co_await dax_iomap_rw(k, io, xfs_dax_write_iomap_ops_of(k.profile));
    const bool extended = ret > 0 && io.pos + static_cast<std::uint64_t>(ret) > ip.i_size;
    if (extended) {
      ip.i_size = io.pos + static_cast<std::uint64_t>(ret);
      co_await xfs_setfilesize(k, ip, io.pos, static_cast<std::uint64_t>(ret));
    }
  }
  xfs_iunlock(k, ip, XFS_IOLOCK_EXCL, "xfs_file_dax_write");
  ret = co_await generic_write_sync(k, file, io.pos, ret);
  co_return ret;
}

Path<std::int64_t> xfs_file_write_iter(Kernel& k, file& file, DaxIo io) {
  inode& ip = *file.f_inode;
  if (io.length == 0) {  // nothing to do, but vfs_write() asks whether the file system is frozen
    co_await sb_start_write(*ip.i_sb);
    sb_end_write(*ip.i_sb);
    co_return 0;
  }
  if (!ip.dax && (file.f_flags & O_DIRECT)) {
    const std::int64_t written = co_await xfs_file_direct_write(k, file, io, DioWait::wait);
    co_return written;
  }
  co_await sb_start_write(*ip.i_sb);
  const std::int64_t ret = ip.dax ? co_await xfs_file_dax_write(k, file, io)
                                  : co_await xfs_file_buffered_write(k, file, io);
  sb_end_write(*ip.i_sb);
  co_return ret;
}

}  // namespace faultline::xfs
