// Breaking layouts: whoever relies on where a file's blocks are must let go before they change.
// Linux 6.12 fs/xfs/xfs_file.c xfs_break_layouts.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline::xfs {

/// BREAK_WRITE: blocks are about to be written; BREAK_UNMAP: they are about to be unmapped, so
/// pages that are pinned matter too.
enum class LayoutBreak : std::uint8_t { write, unmap };

/// xfs_break_dax_layouts: the same for pages that somebody has pinned; MMAPLOCK is held exclusively
/// and given up while it waits. 0 or an errno.
Path<std::int64_t> xfs_break_dax_layouts(Kernel& k, inode& ip);

/// xfs_break_layouts: waits until nobody depends on the layout. `iolock`: the XFS_* locks held,
/// IOLOCK among them; changed when waiting had to give some up and took others. 0 or an errno.
Path<std::int64_t> xfs_break_layouts(Kernel& k, inode& ip, unsigned& iolock, LayoutBreak reason);

}  // namespace faultline::xfs
