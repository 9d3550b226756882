// Declared page cache: folios as large as one write of the range would have made them (Linux 6.12
// __filemap_get_folio: aligned to their size, at most what is left), up to 64 KiB.
#include "scenario/build_cache.hpp"

#include <algorithm>
#include <bit>

#include "kernel/fs/inode.hpp"
#include "kernel/fs/iomap_folio.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"
#include "kernel/mm/filemap.hpp"

namespace faultline {

static void read_blocks(Kernel& k, const inode& node, const folio& f) {
  for (std::uint64_t index = f.index; index < f.index + f.pages(); ++index) {
    const std::uint64_t memory = f.page(index).v << PAGE_SHIFT;
    const xfs::Extent e = xfs::xfs_bmapi_read(node.xfs->df.map, index, 1);
    if (e.start == xfs::HOLESTARTBLOCK || e.delalloc() || e.state != xfs::ExtState::written) {
      k.dram.zero(memory, PAGE_SIZE);
      continue;
    }
    const Paddr at = node.xfs->i_mount->space.geo.device_offset(e.start);
    copy_content(k.dram, memory, node.i_sb->s_bdev->content(), at.v, PAGE_SIZE);
  }
}

static void declare_range(Kernel& k, inode& node, const CachedRange& range) {
  constexpr std::uint64_t largest = 65536;
  const std::uint64_t file_end = (node.i_size + PAGE_SIZE - 1) >> PAGE_SHIFT;
  const std::uint64_t end = std::min((range.at + range.length) >> PAGE_SHIFT, file_end);
  const std::uint64_t unit =
      std::max((range.folio ? range.folio : largest) >> PAGE_SHIFT, std::uint64_t{1});
  for (std::uint64_t index = range.at >> PAGE_SHIFT; index < end;) {
    if (filemap_get_folio(k, node.i_data, index)) {  // ranges may overlap
      ++index;
      continue;
    }
    unsigned order = static_cast<unsigned>(std::bit_width(std::min(unit, end - index)) - 1);
    order = std::min(order, PMD_ORDER);
    if (index != 0) order = std::min(order, static_cast<unsigned>(std::countr_zero(index)));
    folio* const f = filemap_declare_folio(k, node.i_data, index, order);
    if (!f) return;
    read_blocks(k, node, *f);
    if (!range.dirty) ifs_alloc(*f);  // its write-back has made it
    if (range.dirty) {
      f->dirty = true;
      node.i_data.i_pages.set_mark(f->index, f->order, XaMark::dirty);
      node.dirty_pages = true;
    }
    index += f->pages();
  }
}

void declare_cache(Kernel& k, const FileSpec& file, inode& node) {
  if (node.dax) return;
  for (const CachedRange& range : file.cached) declare_range(k, node, range);
  // What blocks are reserved for, up to the end of the file, has been written and is dirty.
  const xfs::ExtentMap& map = node.xfs->df.map;
  for (auto at = map.first(); const auto e = map.get(at); map.next(at)) {
    if (!e->delalloc()) continue;
    CachedRange range;
    range.at = e->off << PAGE_SHIFT;
    range.length = std::uint64_t{e->len} << PAGE_SHIFT;
    range.dirty = true;
    declare_range(k, node, range);
  }
}

bool cached_byte(Kernel& k, const inode& node, std::uint64_t at, std::byte* out) {
  if (node.dax) return false;
  const XaEntry entry = node.i_data.i_pages.load(at >> PAGE_SHIFT);
  if (entry == 0) return false;
  const folio& f = k.folios.at(entry);
  if (!f.uptodate) return false;
  const std::uint64_t memory = (f.page(at >> PAGE_SHIFT).v << PAGE_SHIFT) + (at & ~PAGE_MASK);
  k.dram.read(memory, std::span(out, 1));
  return true;
}

}  // namespace faultline
