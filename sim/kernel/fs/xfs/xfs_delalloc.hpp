// Delayed allocation: a write to the page cache reserves blocks; write-back allocates them, as
// unwritten ones. Linux 6.12 fs/xfs/libxfs/xfs_bmap.c (xfs_bmapi_reserve_delalloc,
// xfs_bmapi_convert_delalloc) and xfs_iomap.c (xfs_iomap_prealloc_size).
#pragma once

#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/fs/xfs/xfs_trans.hpp"
#include "kernel/kernel.hpp"

namespace faultline::xfs {

/// Which of a file's maps: of its data, or of copies that are not its data yet.
enum class Fork : std::uint8_t { data, cow };
inline DataFork& fork_of(inode& ip, Fork fork) {
  return fork == Fork::data ? ip.xfs->df : ip.xfs->cow;
}

/// Blocks that the extent tree may need for `len` reserved blocks (xfs_bmap_worst_indlen).
unsigned xfs_bmap_worst_indlen(const Geometry& geo, std::uint64_t len);
/// What is set aside for the tree in the start block of a reservation.
constexpr unsigned startblockval(FsBlock start) { return static_cast<unsigned>(start.v & 0x1ffff); }

/// Cuts [off, end) out of the reservation under the cursor. The blocks set aside for the tree that
/// are not needed any more.
std::uint64_t xfs_bmap_cut_delay(const Geometry& geo, ExtentMap& map, ExtentMap::Cursor at,
                                 std::uint64_t off, std::uint64_t end);

/// Reserves [off, off + len) and up to `prealloc` blocks behind it, all of which must be a hole;
/// `got` is the reservation afterwards, joined with its neighbours. In the CoW fork it begins and
/// ends at multiples of the hint for copies, as far as there is room. 0 or -ENOSPC. ILOCK is held
/// exclusively.
Path<std::int64_t> xfs_bmapi_reserve_delalloc(Kernel& k, inode& ip, Fork fork, std::uint64_t off,
                                              std::uint64_t len, std::uint64_t prealloc,
                                              Extent& got);
/// xfs_bmapi_allocate() for all or a part of a reservation, `delayed`: from its begin on as much as
/// is found in one piece; unwritten, so that a crash before the data are on the device shows zeros.
/// In the caller's transaction, with ILOCK exclusively. 0 or -ENOSPC.
HelperPath<std::int64_t> xfs_bmapi_allocate_delayed(Kernel& k, xfs_trans& tp, inode& ip, Fork fork,
                                                    const Extent& delayed);
/// Allocates blocks for the reservation at `offset` (bytes) until they reach that far; `got` is the
/// mapping there. 0, or a negative errno: -EAGAIN when nothing is there any more.
Path<std::int64_t> xfs_bmapi_convert_delalloc(Kernel& k, inode& ip, Fork fork, std::uint64_t offset,
                                              Extent& got);
/// xfs_bmap_punch_delalloc_range: what is reserved of [start, end) (bytes) is given back.
Path<void> xfs_bmap_punch_delalloc_range(Kernel& k, inode& ip, std::uint64_t start,
                                         std::uint64_t end);
/// xfs_iomap_write_unwritten: the data of [offset, offset + count) are on the device.
Path<std::int64_t> xfs_iomap_write_unwritten(Kernel& k, inode& ip, std::uint64_t offset,
                                             std::uint64_t count);
/// Blocks to reserve behind a write that extends the file.
std::uint64_t xfs_iomap_prealloc_size(const inode& ip, std::uint64_t offset, std::uint64_t count);

}  // namespace faultline::xfs
