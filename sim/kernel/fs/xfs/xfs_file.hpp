// The file operations of XFS: mmap, faults, read and write. Linux 6.12 fs/xfs/xfs_file.c.
#pragma once

#include "kernel/fs/dax.hpp"
#include "kernel/kernel.hpp"

namespace faultline {
enum class DioWait : std::uint8_t;
}

namespace faultline::xfs {

extern const vm_operations_struct xfs_file_vm_ops;
extern const file_operations xfs_file_operations;
extern const file_operations xfs_dir_file_operations;
/// Those of regular files under a profile.
const file_operations& xfs_file_operations_of(const Profile& profile);

namespace v4_13 {
/// With MAP_DIRECT; xfs_file_4_13.cpp.
extern const file_operations xfs_file_operations;
/// The same with version 7 of it.
extern const file_operations xfs_leasing_file_operations;
/// Whether the VMA is one of MAP_DIRECT that has sealed its file.
bool is_direct_mapping(const vm_area_struct& vma);
/// Whether it is one that has a lease.
bool is_leased_mapping(const vm_area_struct& vma);
}  // namespace v4_13

Path<std::int64_t> xfs_file_mmap(Kernel& k, file& file, vm_area_struct& vma);
/// The same as a hook that runs before there is a VMA. Linux 7.1.
Path<std::int64_t> xfs_file_mmap_prepare(Kernel& k, file& file, vm_area_desc& desc);
/// pread(2)/pwrite(2) below the descriptor: bytes, or a negative errno.
Path<std::int64_t> xfs_file_read_iter(Kernel& k, file& file, DaxIo io);
Path<std::int64_t> xfs_file_write_iter(Kernel& k, file& file, DaxIo io);

/// Direct I/O of a file without DAX: bytes, -EIOCBQUEUED, or a negative errno.
HelperPath<std::int64_t> xfs_file_direct_write(Kernel& k, file& file, const DaxIo& io,
                                               DioWait wait);
Path<std::int64_t> xfs_file_dio_read(Kernel& k, file& file, const DaxIo& io, DioWait wait);

// The same for a file with a page cache.
Path<std::int64_t> xfs_file_buffered_read(Kernel& k, file& file, const DaxIo& io);
Path<std::int64_t> xfs_file_buffered_write(Kernel& k, file& file, DaxIo io);

/// posix_fadvise(2) WILLNEED of a file with a page cache: reads [offset, offset + len) ahead.
Path<void> xfs_file_fadvise_willneed(Kernel& k, file& file, std::uint64_t offset,
                                     std::uint64_t len);
/// Zeroes from the end of the file to `pos`, before a write there. IOLOCK is held exclusively.
HelperPath<std::int64_t> xfs_file_zero_eof(Kernel& k, inode& ip, std::uint64_t pos);
/// IOLOCK for read(2) and write(2); `caller` as 4.13 names it.
HelperPath<void> xfs_ilock_iocb(Kernel& k, inode& ip, unsigned lock, const char* caller);
/// What the file's size and its seal have against a write. 0 or an errno.
HelperPath<std::int64_t> generic_write_checks(Kernel& k, inode& ip, const DaxIo& io);

/// fsync of [start, end] (bytes); `datasync`: only what reading the data back needs. 0 or an errno.
Path<std::int64_t> xfs_file_fsync(Kernel& k, file& file, std::uint64_t start, std::uint64_t end,
                                  bool datasync);
/// The last reference to an open file has gone.
Path<void> xfs_file_release(Kernel& k, file& file);
/// fallocate of [offset, offset + len) in a mode that vfs_fallocate accepted. 0 or an errno.
Path<std::int64_t> xfs_file_fallocate(Kernel& k, file& file, unsigned mode, std::uint64_t offset,
                                      std::uint64_t len);
/// Gives blocks of `in` to `out` as well. Bytes, or an errno.
Path<std::int64_t> xfs_file_remap_range(Kernel& k, file& in, file& out, const RemapRange& range);

}  // namespace faultline::xfs
