// Faults and mmap of XFS files as Linux 4.13 fs/xfs/xfs_file.c has them, with patch 4/5 of
// MAP_DIRECT (version 6): an inode with such a mapping is sealed, its block map may not change; or
// with patch 6/12 of version 7: the mapping holds a lease. The locks that guard both are a knob;
// the proposal takes IOLOCK, which its callers may not, as they hold mmap_sem, and version 7
// MMAPLOCK. Left out: the page cache beyond what filemap_fault and iomap_page_mkwrite do.
#include <linux/mman.h>

#include <cerrno>

#include "kernel/fs/inode.hpp"
#include "kernel/fs/iomap_buffered.hpp"
#include "kernel/fs/mapdirect.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/fs/xfs/xfs_file.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_iomap.hpp"
#include "kernel/fs/xfs/xfs_map_direct.hpp"
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/mmap_4_13.hpp"

namespace faultline::xfs::v4_13 {

namespace {

extern const vm_operations_struct xfs_file_vm_ops, xfs_file_vm_direct_ops, xfs_file_vm_leased_ops;

constexpr std::uint64_t map_direct_flags = MAP_DIRECT | MAP_SHARED_VALIDATE;

inode& host_of(const vm_fault& vmf) { return *vmf.vma->vm_file->f_inode; }

// A direct mapping shows the file's own blocks or nothing.
vm_fault_t xfs_vma_checks(Kernel& k, const vm_area_struct& vma, const inode& ip) {
  const bool leased = vma.vm_ops == &xfs_file_vm_leased_ops;
  if (!leased && vma.vm_ops != &xfs_file_vm_direct_ops) return {};
  if (leased && !map_direct_of(k, vma).valid) return VM_FAULT_SIGBUS;
  return direct_allowed(k, ip) ? vm_fault_t{} : VM_FAULT_SIGBUS;
}

Path<vm_fault_t> xfs_filemap_page_mkwrite(Kernel& k, vm_fault& vmf) {
  inode& ip = host_of(vmf);
  k.trace<Event::xfs_filemap_page_mkwrite>(ip.i_sb->s_dev, ip.i_ino);
  co_await sb_start_pagefault(*ip.i_sb);
  co_await file_update_time(k, ip);
  co_await xfs_ilock(k, ip, XFS_MMAPLOCK_SHARED, "xfs_filemap_page_mkwrite");
  vm_fault_t ret = xfs_vma_checks(k, *vmf.vma, ip);
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
  vm_fault_t ret = xfs_vma_checks(k, *vmf.vma, ip);
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
  vm_fault_t ret = xfs_vma_checks(k, *vmf.vma, ip);
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

// ---- mappings ----------------------------------------------------------------------------------

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
  vma.vm_ops = &xfs_file_vm_direct_ops;
  co_await xfs_map_direct_seal(k, ip, "xfs_file_mmap");
  co_return 0;
}

// ---- version 7 ----------------------------------------------------------------------------------

Path<std::int64_t> xfs_file_mmap(Kernel& k, file& file, vm_area_struct& vma) {
  inode& ip = *file.f_inode;
  co_await touch_atime(k, ip);
  vma.vm_ops = &xfs_file_vm_ops;
  if (ip.dax) vma.vm_flags |= VM_MIXEDMAP | VM_HUGEPAGE;
  co_return 0;
}

// The lease keeps writers and fallocate away from now on, i_mapdcount the faults that would
// allocate. Faults that have passed that test hold MMAPLOCK until they are done.
Path<std::int64_t> xfs_file_mmap_validate(Kernel& k, file& file, vm_area_struct& vma,
                                          std::uint64_t map_flags) {
  inode& ip = *file.f_inode;
  if (map_flags & ~(legacy_map_supported_mask(k.profile) | map_direct_flags)) co_return -EOPNOTSUPP;
  if (!(map_flags & MAP_DIRECT)) {
    const std::int64_t error = co_await xfs_file_mmap(k, file, vma);
    co_return error;
  }
  co_await touch_atime(k, ip);
  vma.vm_ops = &xfs_file_vm_leased_ops;
  if (ip.dax) vma.vm_flags |= VM_MIXEDMAP | VM_HUGEPAGE;
  const std::int64_t error = co_await map_direct_register(k, vma);
  if (error) co_return error;
  const unsigned locks = seal_locks(k.profile);
  if (locks) {
    co_await xfs_ilock(k, ip, locks, "xfs_file_mmap_validate");
    xfs_iunlock(k, ip, locks, "xfs_file_mmap_validate");
  }
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
const vm_operations_struct xfs_file_vm_leased_ops{
    .open = get_map_direct_vma,
    .close = put_map_direct_vma,
    .fault = xfs_filemap_fault,
    .huge_fault = xfs_filemap_huge_fault,
    .map_pages = filemap_map_pages,
    .page_mkwrite = xfs_filemap_page_mkwrite,
    .pfn_mkwrite = xfs_filemap_pfn_mkwrite,
};

}  // namespace

bool is_direct_mapping(const vm_area_struct& vma) { return vma.vm_ops == &xfs_file_vm_direct_ops; }
bool is_leased_mapping(const vm_area_struct& vma) { return vma.vm_ops == &xfs_file_vm_leased_ops; }

const file_operations xfs_leasing_file_operations{.mmap = xfs_file_mmap,
                                                  .mmap_validate = xfs_file_mmap_validate,
                                                  .fsync = xfs_file_fsync,
                                                  .fallocate = xfs_file_fallocate,
                                                  .remap_file_range = xfs_file_remap_range,
                                                  .area = AreaSearch::thp};

const file_operations xfs_file_operations{.mmap_flagged = xfs_file_mmap,
                                          .mmap_extra_flags = MAP_DIRECT,
                                          .fsync = xfs_file_fsync,
                                          .fallocate = xfs_file_fallocate,
                                          .remap_file_range = xfs_file_remap_range,
                                          .area = AreaSearch::thp};

}  // namespace faultline::xfs::v4_13
