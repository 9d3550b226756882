// Whether two ranges of files hold the same. Linux 6.12 fs/remap_range.c
// vfs_dedupe_file_range_compare: page by page in the page caches, both folios locked; fs/dax.c
// dax_dedupe_file_range_compare: the memory behind the mappings as it is. There a hole is equal to
// a hole only, and unwritten blocks are compared by what happens to lie there.
#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "kernel/fs/dax.hpp"
#include "kernel/fs/iomap_write.hpp"
#include "kernel/fs/remap_range.hpp"
#include "kernel/fs/super.hpp"
#include "kernel/mm/filemap.hpp"
#include "kernel/mm/folio.hpp"
#include "kernel/mm/readahead.hpp"

namespace faultline {

namespace {

// read_mapping_folio(): up to date, with a reference. Null when memory is out.
Path<folio*> read_mapping_folio(Kernel& k, address_space& mapping, std::uint64_t index) {
  for (;;) {
    folio* f = filemap_get_folio(k, mapping, index);
    if (!f) {
      k.might_alloc();
      f = co_await filemap_add_folio(k, mapping, index, 0);
      if (!f && mapping.i_pages.load(index) == 0) co_return nullptr;
      if (!f) continue;
      folio_get(*f);
    } else {
      folio_get(*f);
      if (f->uptodate) co_return f;
      co_await folio_lock(k, *f);
    }
    const bool gone = f->mapping != &mapping;
    if (!gone && !f->uptodate) co_await read_locked_folio(k, *f);
    folio_unlock(k, *f);
    if (!gone) co_return f;
    folio_put(k, *f);
  }
}

// vfs_lock_two_folios(): in the order of their places.
HelperPath<void> lock_two_folios(Kernel& k, folio* one, folio* two) {
  if (one->index > two->index) std::swap(one, two);
  co_await folio_lock(k, *one);
  if (one != two) co_await folio_lock(k, *two);
}

void unlock_two_folios(Kernel& k, folio& one, folio& two) {
  folio_unlock(k, one);
  if (&one != &two) folio_unlock(k, two);
}

bool same_bytes(Kernel& k, const folio& one, std::uint64_t at1, const folio& two, std::uint64_t at2,
                std::uint64_t count) {
  std::array<std::byte, PAGE_SIZE> bytes1;
  std::array<std::byte, PAGE_SIZE> bytes2;
  k.dram.read(one.page(at1 >> PAGE_SHIFT).v << PAGE_SHIFT, bytes1);
  k.dram.read(two.page(at2 >> PAGE_SHIFT).v << PAGE_SHIFT, bytes2);
  return std::equal(bytes1.begin(), bytes1.begin() + static_cast<std::ptrdiff_t>(count),
                    bytes2.begin());
}

// One page of both, which begin at pages.
HelperPath<std::int64_t> compare_page(Kernel& k, inode& in, std::uint64_t at1, inode& out,
                                      std::uint64_t at2, std::uint64_t count, bool& same) {
  folio* const one = co_await read_mapping_folio(k, in.i_data, at1 >> PAGE_SHIFT);
  if (!one) co_return -ENOMEM;
  folio* const two = co_await read_mapping_folio(k, out.i_data, at2 >> PAGE_SHIFT);
  if (!two) {
    folio_put(k, *one);
    co_return -ENOMEM;
  }
  co_await lock_two_folios(k, one, two);
  const bool there = one->mapping == &in.i_data && two->mapping == &out.i_data;
  same = there && one->uptodate && two->uptodate && same_bytes(k, *one, at1, *two, at2, count);
  k.engine.charge(k.costs.page_copy);
  unlock_two_folios(k, *one, *two);
  folio_put(k, *one);
  folio_put(k, *two);
  co_return 0;
}

// Bytes that were compared and are the same; 0: they differ.
std::int64_t dax_range_compare_iter(Kernel& k, const iomap_iter& one, const iomap_iter& two,
                                    bool& same) {
  const std::uint64_t len = std::min(iomap_length(one), iomap_length(two));
  const bool hole1 = one.map.type == IOMAP_HOLE;
  const bool hole2 = two.map.type == IOMAP_HOLE;
  same = hole1 && hole2;
  if (hole1 || hole2) return same ? static_cast<std::int64_t>(len) : 0;
  PmemDevice& device = *one.host->i_sb->s_daxdev;
  std::array<std::byte, PAGE_SIZE> bytes1;
  std::array<std::byte, PAGE_SIZE> bytes2;
  same = true;
  for (std::uint64_t done = 0; same && done < len; done += PAGE_SIZE) {
    const DirectAccess from =
        dax_iomap_direct_access(k, *one.host, one.map, one.pos + done, PAGE_SIZE);
    const DirectAccess to =
        dax_iomap_direct_access(k, *two.host, two.map, two.pos + done, PAGE_SIZE);
    if (from.error || to.error) return from.error ? from.error : to.error;
    device.content().read((from.pfn - device.first_pfn()) << PAGE_SHIFT, bytes1);
    device.content().read((to.pfn - device.first_pfn()) << PAGE_SHIFT, bytes2);
    k.engine.charge(device.read(k.now(), PAGE_SIZE, Pattern::sequential));
    k.engine.charge(device.read(k.now(), PAGE_SIZE, Pattern::sequential));
    const auto count = static_cast<std::ptrdiff_t>(std::min(PAGE_SIZE, len - done));
    same = std::equal(bytes1.begin(), bytes1.begin() + count, bytes2.begin());
  }
  return same ? static_cast<std::int64_t>(len) : 0;
}

}  // namespace

Path<std::int64_t> vfs_dedupe_file_range_compare(Kernel& k, inode& in, inode& out,
                                                 const RemapRange& range, bool& same) {
  same = true;
  for (std::uint64_t done = 0; same && done < range.length; done += PAGE_SIZE) {
    const std::uint64_t count = std::min(PAGE_SIZE, range.length - done);
    const std::int64_t error =
        co_await compare_page(k, in, range.pos_in + done, out, range.pos_out + done, count, same);
    if (error) co_return error;
    co_await k.engine.spend(Nanos{});
  }
  co_return 0;
}

Path<std::int64_t> dax_dedupe_file_range_compare(Kernel& k, inode& in, inode& out,
                                                 const RemapRange& range, bool& same,
                                                 const iomap_ops& ops) {
  iomap_iter one;
  one.host = &in;
  one.pos = range.pos_in;
  one.len = range.length;
  one.flags = IOMAP_DAX;
  iomap_iter two = one;
  two.host = &out;
  two.pos = range.pos_out;
  for (;;) {
    std::int64_t more = co_await iomap_iter_next(k, one, ops, "dax_dedupe_file_range_compare");
    if (more <= 0) co_return more;
    more = co_await iomap_iter_next(k, two, ops, "dax_dedupe_file_range_compare");
    if (more <= 0) co_return more;
    const std::int64_t compared = dax_range_compare_iter(k, one, two, same);
    if (compared < 0) co_return compared;
    one.processed = two.processed = compared;
  }
}

}  // namespace faultline
