// Blocks that declared files have reserved and not allocated yet.
#pragma once

#include <faultline/scenario.hpp>

#include "kernel/fs/fs_types.hpp"

namespace faultline {

/// Reserves what the file declares with state delalloc, as writes to its page cache would have. The
/// size on disk is then that of the last write-back. False: there are not enough free blocks.
bool declare_delalloc(const FileSpec& file, inode& node);

}  // namespace faultline
