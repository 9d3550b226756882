// FIEMAP through iomap. See the header. IOLOCK is held for reading while each extent is copied to
// the program's array, which may fault. Each is written when the next is known, for the flag of the
// last. Left out: FIEMAP_FLAG_SYNC and FIEMAP_FLAG_XATTR, arrays that are too short.
#include "kernel/fs/fiemap.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "kernel/arch/x86/access.hpp"
#include "kernel/fs/iomap.hpp"
#include "kernel/fs/open.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_iomap.hpp"
#include "kernel/mm/mmap_lock.hpp"

namespace faultline {

namespace {

constexpr std::uint32_t FIEMAP_EXTENT_LAST = 0x1, FIEMAP_EXTENT_UNKNOWN = 0x2,
                        FIEMAP_EXTENT_DELALLOC = 0x4, FIEMAP_EXTENT_UNWRITTEN = 0x800,
                        FIEMAP_EXTENT_SHARED = 0x2000;
constexpr std::size_t extent_size = 56;

/// What the request has led to so far (struct fiemap_extent_info).
struct Info {
  std::optional<Vaddr> extents;
  std::uint64_t mapped = 0;
};

// Bytes to user memory, page by page. 0 or -EFAULT.
HelperPath<std::int64_t> copy_to_user(Kernel& k, Vaddr to, std::span<const std::byte> bytes) {
  might_fault(k);
  while (!bytes.empty()) {
    const std::uint64_t room = PAGE_SIZE - (to.v & ~PAGE_MASK);
    const auto piece = bytes.first(std::min<std::uint64_t>(room, bytes.size()));
    const UserPage page = co_await uaccess_page(k, to, true, "rep_movs_alternative");
    if (!page.ok) co_return -EFAULT;
    write_phys(k, page.phys, piece);
    to = to + piece.size();
    bytes = bytes.subspan(piece.size());
  }
  co_return 0;
}

std::uint32_t flags_of(const iomap& map) {
  std::uint32_t flags = 0;
  if (map.type == IOMAP_DELALLOC) flags |= FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_UNKNOWN;
  if (map.type == IOMAP_UNWRITTEN) flags |= FIEMAP_EXTENT_UNWRITTEN;
  if (map.flags & IOMAP_F_SHARED) flags |= FIEMAP_EXTENT_SHARED;
  return flags;
}

Path<std::int64_t> fiemap_fill_next_extent(Kernel& k, Info& info, const iomap& map,
                                           std::uint32_t flags) {
  if (info.extents) {
    std::array<std::byte, extent_size> out{};
    const std::uint64_t phys = map.addr == IOMAP_NULL_ADDR ? 0 : map.addr;
    std::memcpy(out.data(), &map.offset, 8);
    std::memcpy(out.data() + 8, &phys, 8);
    std::memcpy(out.data() + 16, &map.length, 8);
    std::memcpy(out.data() + 40, &flags, 4);
    const Vaddr to = *info.extents + info.mapped * extent_size;
    const std::int64_t error = co_await copy_to_user(k, to, out);
    if (error) co_return error;
  }
  ++info.mapped;
  co_return 0;
}

// iomap_to_fiemap()
HelperPath<std::int64_t> emit(Kernel& k, Info& info, const iomap& map, std::uint32_t flags) {
  if (map.type == IOMAP_HOLE) co_return 0;
  const std::int64_t error = co_await fiemap_fill_next_extent(k, info, map, flags_of(map) | flags);
  co_return error;
}

Path<std::int64_t> iomap_fiemap(Kernel& k, inode& node, Info& info, std::uint64_t start,
                                std::uint64_t len, const iomap_ops& ops) {
  iomap_iter iter;
  iter.host = &node;
  iter.pos = start;
  iter.len = len;
  iter.flags = IOMAP_REPORT;
  iomap prev;
  for (;;) {
    const std::int64_t more = co_await iomap_iter_next(k, iter, ops, "iomap_fiemap");
    if (more < 0) co_return more;
    if (more == 0) break;
    const std::uint64_t end = std::min(iter.pos + iter.len, iter.map.offset + iter.map.length);
    iter.processed = static_cast<std::int64_t>(end - iter.pos);
    if (iter.map.type == IOMAP_HOLE) continue;
    const std::int64_t error = co_await emit(k, info, prev, 0);
    if (error) iter.processed = error;
    prev = iter.map;
  }
  const std::int64_t error = co_await emit(k, info, prev, FIEMAP_EXTENT_LAST);
  co_return error;
}

// What there is to be told of: nothing is mapped behind it.
std::uint64_t end_of_interest(const inode& node) {
  const xfs::ExtentMap& map = node.xfs->df.map;
  const auto last = map.peek_prev(map.end());
  const std::uint64_t mapped = last ? last->end() << xfs::block_log : 0;
  return std::max(mapped, (node.i_size + PAGE_SIZE - 1) & PAGE_MASK);
}

Path<std::int64_t> xfs_vn_fiemap(Kernel& k, inode& node, Info& info, std::uint64_t start,
                                 std::uint64_t len) {
  using namespace xfs;
  co_await xfs_ilock(k, node, XFS_IOLOCK_SHARED, "xfs_vn_fiemap");
  const std::uint64_t end = end_of_interest(node);
  len = start >= end ? 0 : std::min(len, end - start);
  const iomap_ops& ops = xfs_read_iomap_ops_of(k.profile);
  const std::int64_t error = co_await iomap_fiemap(k, node, info, start, len, ops);
  xfs_iunlock(k, node, XFS_IOLOCK_SHARED, "xfs_vn_fiemap");
  co_return error;
}

}  // namespace

Path<std::int64_t> ioctl_fiemap(Kernel& k, std::int64_t fd, const FiemapRequest& request,
                                std::uint64_t* mapped) {
  file* const f = fget(k, fd);
  if (!f) co_return -EBADF;
  inode& node = *f->f_inode;
  std::int64_t error = -EOPNOTSUPP;
  if (node.xfs && node.type == InodeType::regular) {
    constexpr std::uint64_t s_maxbytes = ~0ULL >> 1;
    Info info{request.extents, 0};
    const std::uint64_t len = request.length != 0 ? request.length : ~0ULL;
    error = -EFBIG;
    if (request.start < s_maxbytes) {
      error = co_await xfs_vn_fiemap(k, node, info, request.start, len);
    }
    *mapped = info.mapped;
  }
  fput(k, *f);
  co_return error;
}

}  // namespace faultline
