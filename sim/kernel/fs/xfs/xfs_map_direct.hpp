// MAP_DIRECT mappings of XFS files as version 6 of the proposal has them: the first one seals the
// inode, the last one lifts the seal. Patch 4/5 of that version, fs/xfs/xfs_file.c; what Linux 7.1
// would have of it is in xfs_file_7_1_direct.cpp.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

/// The XFS_* locks that the profile wants around sealing; 0: none.
unsigned seal_locks(const Profile& profile);
/// Whether a fault on such a mapping may show the file's blocks.
bool direct_allowed(const Kernel& k, const inode& ip);

/// One atomic change of i_mapdcount, at the scheduling point that its caller has made; the new
/// value.
std::int32_t add_mapdcount(Kernel& k, inode& ip, std::int32_t by);

/// A mapping of the file was made: seals it and counts. `caller` is what the trace names.
HelperPath<void> xfs_map_direct_seal(Kernel& k, inode& ip, const char* caller);
/// ->open and ->close of its VMAs.
Path<void> xfs_filemap_direct_open(Kernel& k, vm_area_struct& vma);
Path<void> xfs_filemap_direct_close(Kernel& k, vm_area_struct& vma);

/// Linux 7.1: operations of a direct mapping.
extern const vm_operations_struct xfs_file_vm_direct_ops;

}  // namespace faultline::xfs
