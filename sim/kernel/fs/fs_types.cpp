// Out-of-line constructors: the XFS parts are only known here.
#include "kernel/fs/fs_types.hpp"

#include "kernel/fs/locks.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"

namespace faultline {

super_block::super_block() = default;
super_block::~super_block() = default;
inode::inode() { i_data.host = this; }
inode::~inode() = default;

}  // namespace faultline
