// The page cache of XFS files: readahead, and write-back, which turns reservations into blocks and
// finishes in a transaction when blocks were unwritten, the file has grown or the blocks are those
// of a copy, which become the file's then. Linux 6.12 fs/xfs/xfs_aops.c.
#include "kernel/fs/xfs/xfs_aops.hpp"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "kernel/fs/iomap_buffered.hpp"
#include "kernel/fs/iomap_folio.hpp"
#include "kernel/fs/iomap_writeback.hpp"
#include "kernel/fs/xfs/xfs_delalloc.hpp"
#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_iomap.hpp"
#include "kernel/fs/xfs/xfs_iops.hpp"
#include "kernel/fs/xfs/xfs_reflink.hpp"
#include "kernel/fs/xfs/xfs_setattr.hpp"
#include "kernel/mm/filemap.hpp"

namespace faultline::xfs {

Path<void> xfs_vm_read_folio(Kernel& k, folio& f) {
  co_await iomap_read_folio(k, f, xfs_read_iomap_ops);
}

namespace {

Path<void> xfs_vm_readahead(Kernel& k, address_space& mapping, std::vector<folio*>& folios) {
  co_await iomap_readahead(k, mapping, folios, xfs_read_iomap_ops);
}

// xfs_imap_valid(): the mapping at hand still says where `offset` goes. A place for a copy stays
// until the write is done.
bool xfs_imap_valid(const iomap_writepage_ctx& wpc, const inode& ip, std::uint64_t offset) {
  const iomap& map = wpc.map;
  const bool covers = offset >= map.offset && offset < map.offset + map.length;
  if (!covers) return false;
  if (map.flags & IOMAP_F_SHARED) return true;
  if (wpc.data_seq != ip.xfs->df.map.changes()) return false;
  return !ip.xfs->reflink || wpc.cow_seq == ip.xfs->cow.map.changes();
}

// An extent as a request to the device takes it.
void set_map(iomap_writepage_ctx& wpc, const inode& ip, const Extent& imap, Fork fork) {
  wpc.data_seq = ip.xfs->df.map.changes();
  wpc.cow_seq = ip.xfs->cow.map.changes();
  xfs_bmbt_to_iomap(ip, wpc.map, imap, fork == Fork::cow ? IOMAP_F_SHARED : 0);
}

// xfs_convert_blocks(), again when a truncation was faster.
// A mapping of the data that was joined with others ends where the next copy begins.
HelperPath<std::int64_t> convert_blocks(Kernel& k, iomap_writepage_ctx& wpc, inode& ip, Fork fork,
                                        std::uint64_t offset) {
  Extent got;
  const std::int64_t error = co_await xfs_bmapi_convert_delalloc(k, ip, fork, offset, got);
  if (error) co_return error;
  set_map(wpc, ip, got, fork);
  const ExtentMap& cow = ip.xfs->cow.map;
  const std::optional<Extent> copy = cow.get(cow.lookup(offset >> block_log));
  if (fork == Fork::data && copy && copy->off << block_log < wpc.map.offset + wpc.map.length) {
    wpc.map.length = (copy->off << block_log) - wpc.map.offset;
  }
  co_return 0;
}

// Where a block of the file goes: a copy if there is a place for one. Of the data up to there.
Fork find_mapping(const inode& ip, std::uint64_t fsb, Extent& imap) {
  const ExtentMap& cow = ip.xfs->cow.map;
  const std::optional<Extent> copy = cow.get(cow.lookup(fsb));
  if (copy && copy->off <= fsb) {
    imap = *copy;
    return Fork::cow;
  }
  const ExtentMap& map = ip.xfs->df.map;
  imap = {fsb, HOLESTARTBLOCK, 1, ExtState::written};
  const std::optional<Extent> got = map.get(map.lookup(fsb));
  if (got && got->off <= fsb) {
    imap = *got;
  } else if (got) {
    imap.len = static_cast<ExtLen>(std::min<std::uint64_t>(got->off - fsb, max_extlen));
  }
  if (copy && copy->off < imap.end()) imap.len = static_cast<ExtLen>(copy->off - imap.off);
  return Fork::data;
}

Path<std::int64_t> xfs_map_blocks(Kernel& k, iomap_writepage_ctx& wpc, inode& ip,
                                  std::uint64_t offset) {
  const std::uint64_t dev = ip.i_sb->s_dev;
  const std::uint64_t count = 1ULL << block_log;
  for (;;) {
    if (xfs_imap_valid(wpc, ip, offset)) co_return 0;
    co_await xfs_ilock(k, ip, XFS_ILOCK_SHARED, "xfs_map_blocks");
    Extent imap;
    const Fork fork = find_mapping(ip, offset >> block_log, imap);
    const bool reserved = imap.start != HOLESTARTBLOCK && imap.delalloc();
    const bool allocates = fork == Fork::cow || reserved;
    if (!allocates) set_map(wpc, ip, imap, fork);
    xfs_iunlock(k, ip, XFS_ILOCK_SHARED, "xfs_map_blocks");
    if (!allocates) {
      k.trace<Event::xfs_map_blocks_found>(dev, ip.i_ino, ip.xfs->i_disk_size, offset, count, 0,
                                           imap.off, imap.start, imap.len);
      co_return 0;
    }
    const std::int64_t error = co_await convert_blocks(k, wpc, ip, fork, offset);
    if (error == -EAGAIN) continue;
    if (error) co_return error;
    k.trace<Event::xfs_map_blocks_alloc>(dev, ip.i_ino, ip.xfs->i_disk_size, offset, count,
                                         fork == Fork::cow ? 2 : 0, imap.off, imap.start, imap.len);
    co_return 0;
  }
}

// xfs_prepare_ioend(): blocks for copies may become the file's once they are written.
HelperPath<std::int64_t> xfs_prepare_ioend(Kernel& k, const iomap_ioend& io) {
  if (!(io.flags & IOMAP_F_SHARED)) co_return 0;
  const std::int64_t error = co_await xfs_reflink_convert_cow(k, *io.host, io.offset, io.size);
  if (error) {
    k.broken_rule("lost-write", fmt::format("what was written to {} at {:#x} is not written back: "
                                            "its blocks cannot be had (copy on write)",
                                            io.host->name, io.offset));
  }
  co_return error;
}

bool is_append(const inode& ip, const iomap_ioend& io) {
  return io.offset + io.size > ip.xfs->i_disk_size;
}

bool xfs_ioend_needs_transaction(const inode& ip, const iomap_ioend& io) {
  return is_append(ip, io) || io.type == IOMAP_UNWRITTEN || (io.flags & IOMAP_F_SHARED);
}

// xfs_discard_folio(): a program has written this, and nothing of it reaches the device.
Path<void> xfs_discard_folio(Kernel& k, folio& f, std::uint64_t pos) {
  inode& ip = *f.mapping->host;
  const std::uint64_t end = (f.index + f.pages()) << PAGE_SHIFT;
  k.broken_rule("lost-write", fmt::format("what was written to {} at {:#x} is discarded: no blocks "
                                          "could be allocated for it (page discard)",
                                          ip.name, pos));
  co_await xfs_bmap_punch_delalloc_range(k, ip, pos, end);
}

Path<void> xfs_end_ioend(Kernel& k, iomap_ioend& io) {
  inode& ip = *io.host;
  std::int64_t error = 0;
  if (io.flags & IOMAP_F_SHARED) {
    error = co_await xfs_reflink_end_cow(k, ip, io.offset, io.size);
  } else if (io.type == IOMAP_UNWRITTEN) {
    error = co_await xfs_iomap_write_unwritten(k, ip, io.offset, io.size);
  }
  if (error) {
    mapping_set_error(ip.i_data, error);
    k.broken_rule("lost-write", fmt::format("what was written to {} at {:#x} is on the device, but "
                                            "its blocks stay unwritten",
                                            ip.name, io.offset));
  }
  if (!error && is_append(ip, io)) {
    co_await xfs_setfilesize(k, ip, io.offset, io.size);
  }
}

constexpr iomap_writeback_ops xfs_writeback_ops{xfs_map_blocks, xfs_discard_folio,
                                                xfs_prepare_ioend, xfs_ioend_needs_transaction,
                                                xfs_end_ioend};

Path<std::int64_t> xfs_vm_writepages(Kernel& k, address_space& mapping,
                                     const writeback_control& wbc) {
  mapping.host->xfs->i_flags &= ~XFS_ITRUNCATED;
  const std::int64_t error = co_await iomap_writepages(k, mapping, wbc, xfs_writeback_ops);
  co_return error;
}

}  // namespace

Path<void> xfs_filemap_flush(Kernel& k, inode& ip) {
  if (!ip.i_data.i_pages.marked(XaMark::dirty)) co_return;
  const writeback_control all;
  co_await iomap_writepages(k, ip.i_data, all, xfs_writeback_ops, WbSync::none);
}

const address_space_operations xfs_address_space_operations{
    .readahead = xfs_vm_readahead,
    .writepages = xfs_vm_writepages,
    .dirty_folio = iomap_dirty_folio,
    .invalidate_folio = iomap_invalidate_folio,
    .release_folio = iomap_release_folio};

}  // namespace faultline::xfs
