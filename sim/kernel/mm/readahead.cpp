// Windows of readahead. Linux 6.12 mm/readahead.c: page_cache_ra_order, do_page_cache_ra,
// page_cache_sync_ra, page_cache_async_ra. Folios are as large as the window's alignment and the
// end of the file allow, but single pages where something is cached already. Left out: congestion,
// readahead of huge pages by advice.
#include "kernel/mm/readahead.hpp"

#include <algorithm>
#include <bit>

#include "kernel/fs/xfs/xfs_aops.hpp"
#include "kernel/mm/filemap.hpp"

namespace faultline {

// bdi->io_pages: the largest request of a virtio disk, 1280 KiB.
static constexpr std::uint64_t io_pages = 320;

namespace {

using Batch = std::vector<folio*>;

HelperPath<void> read_pages(Kernel& k, address_space& mapping, Batch& batch) {
  if (!batch.empty()) co_await mapping.a_ops->readahead(k, mapping, batch);
  batch.clear();
}

// page_cache_ra_unbounded(): the pages that are missing, one by one; what is cached ends a request
// to the device. The page that the last `lookahead` begin with is marked.
Path<void> page_cache_ra_unbounded(Kernel& k, address_space& mapping, std::uint64_t index,
                                   std::uint64_t nr_to_read, std::uint64_t lookahead) {
  const std::uint64_t end = index + nr_to_read;
  const std::uint64_t mark = lookahead <= nr_to_read ? end - lookahead : ~0ULL;
  Batch batch;
  const bool locks = k.profile.filemap_fault_locks;
  if (locks) co_await down_read(mapping.invalidate_lock);
  for (std::uint64_t at = index; at < end; ++at) {
    folio* added = nullptr;
    if (mapping.i_pages.load(at) == 0) added = co_await filemap_add_folio(k, mapping, at, 0);
    if (added) {
      added->readahead = at == mark;
      batch.push_back(added);
      continue;
    }
    if (mapping.i_pages.load(at) == 0) break;  // memory is out
    co_await read_pages(k, mapping, batch);
  }
  co_await read_pages(k, mapping, batch);
  if (locks) up_read(mapping.invalidate_lock);
}

// Not past the page with the last byte of the file.
Path<void> do_page_cache_ra(Kernel& k, address_space& mapping, std::uint64_t index,
                            std::uint64_t nr_to_read, std::uint64_t lookahead) {
  const std::uint64_t size = mapping.host->i_size;
  if (size == 0) co_return;
  const std::uint64_t end_index = (size - 1) >> PAGE_SHIFT;
  if (index > end_index) co_return;
  nr_to_read = std::min(nr_to_read, end_index - index + 1);
  co_await page_cache_ra_unbounded(k, mapping, index, nr_to_read, lookahead);
}

// ractl_max_pages(): who asks for more than the window may have what the device takes at once.
std::uint64_t max_pages_of(const file_ra_state& ra, std::uint64_t req_count) {
  return req_count > ra.ra_pages ? std::min(req_count, io_pages) : ra.ra_pages;
}

}  // namespace

Path<void> page_cache_ra_order(Kernel& k, address_space& mapping, file_ra_state& ra,
                               std::uint64_t start, unsigned order) {
  const std::uint64_t size = mapping.host->i_size;
  if (size == 0 || ra.size == 0) co_return;
  std::uint64_t index = start;
  const bool kept = k.profile.ra_order_kept;
  bool gap = !kept && ra.size < 4;  // too small a window for anything but single pages
  if (!gap) {
    const std::uint64_t limit = std::min((size - 1) >> PAGE_SHIFT, index + ra.size - 1);
    const auto largest = static_cast<unsigned>(std::bit_width(ra.size) - 1);
    const unsigned wanted = std::min({kept ? order : order + 2, PMD_ORDER, largest});
    const std::uint64_t mark = index + ra.size - ra.async_size;
    ra.order = wanted;
    Batch batch;
    const bool locks = k.profile.filemap_fault_locks;
    if (locks) co_await down_read(mapping.invalidate_lock);
    while (index <= limit && !gap) {
      unsigned o = wanted;
      if (index & ((1ULL << o) - 1)) o = static_cast<unsigned>(std::countr_zero(index));
      while (o > 0 && index + (1ULL << o) - 1 > limit) --o;
      folio* const f = co_await filemap_add_folio(k, mapping, index, o);
      gap = !f;  // memory is out, or that place is cached
      if (gap) break;
      if (index == (mark & ~((1ULL << o) - 1))) f->readahead = true;
      batch.push_back(f);
      index += 1ULL << o;
    }
    co_await read_pages(k, mapping, batch);
    if (locks) up_read(mapping.invalidate_lock);
  }
  const std::uint64_t left = ra.size - std::min(ra.size, index - start);
  if (gap && left != 0) co_await do_page_cache_ra(k, mapping, index, left, ra.async_size);
}

Path<void> force_page_cache_ra(Kernel& k, address_space& mapping, const file_ra_state& ra,
                               std::uint64_t index, std::uint64_t nr_to_read) {
  constexpr std::uint64_t chunk = (2 * 1024 * 1024) >> PAGE_SHIFT;
  nr_to_read = std::min(nr_to_read, std::max(io_pages, ra.ra_pages));
  while (nr_to_read != 0) {
    const std::uint64_t now = std::min(nr_to_read, chunk);
    co_await do_page_cache_ra(k, mapping, index, now, 0);
    index += now;
    nr_to_read -= now;
  }
}

static std::uint64_t get_next_ra_size(std::uint64_t size, std::uint64_t max) {
  if (size < max / 16) return 4 * size;
  if (size <= max / 2) return 2 * size;
  return max;
}

// Where the size of folios is kept, a window ends where folios of the next size do.
static unsigned next_order(const Kernel& k, file_ra_state& ra, const folio& marked,
                           std::uint64_t max) {
  if (!k.profile.ra_order_kept) return marked.order;
  const unsigned order = ra.order + 2;
  const auto most = static_cast<unsigned>(std::countr_zero(max));
  const std::uint64_t align = 1ULL << std::min(order, most);
  const std::uint64_t end = ra.start + ra.size;
  const std::uint64_t aligned = end & ~(align - 1);
  if (aligned > ra.start) ra.size -= end - aligned;
  return order;
}

Path<void> page_cache_async_ra(Kernel& k, address_space& mapping, file_ra_state& ra, folio& marked,
                               std::uint64_t index, std::uint64_t req_count) {
  marked.readahead = false;
  const std::uint64_t max = max_pages_of(ra, req_count);
  const std::uint64_t expected = (ra.start + ra.size - ra.async_size) & ~(marked.pages() - 1);
  if (index == expected) {
    ra.start += ra.size;
    ra.size = std::max(ra.size, get_next_ra_size(ra.size, max));
  } else {
    // A mark that the current window has not left: go on behind what is cached.
    std::uint64_t next = index + 1;
    while (next - index <= max && mapping.i_pages.load(next) != 0) ++next;
    if (next - index > max) co_return;
    ra.start = next;
    ra.size = get_next_ra_size(next - index + req_count, max);
  }
  const unsigned order = next_order(k, ra, marked, max);
  ra.async_size = ra.size;
  co_await page_cache_ra_order(k, mapping, ra, ra.start, order);
}

// get_init_ra_size(): four times a small request, at most the largest window.
static std::uint64_t get_init_ra_size(std::uint64_t size, std::uint64_t max) {
  const std::uint64_t rounded = std::bit_ceil(size);
  if (rounded <= max / 32) return rounded * 4;
  if (rounded <= max / 4) return rounded * 2;
  return max;
}

// page_cache_prev_miss(): how many pages before `index` are cached without a gap.
static std::uint64_t cached_before(const address_space& mapping, std::uint64_t index,
                                   std::uint64_t most) {
  std::uint64_t n = 0;
  while (n < most && n < index && mapping.i_pages.load(index - n - 1) != 0) ++n;
  return n;
}

Path<void> page_cache_sync_ra(Kernel& k, address_space& mapping, file_ra_state& ra,
                              std::uint64_t index, std::uint64_t req_count) {
  const std::uint64_t max = max_pages_of(ra, req_count);
  const bool follows = index - (ra.prev_pos >> PAGE_SHIFT) <= 1 && ra.prev_pos != ~0ULL;
  if (index == 0 || req_count > max || follows) {
    ra.start = index;
    ra.size = get_init_ra_size(req_count, max);
    ra.async_size = ra.size > req_count ? ra.size - req_count : ra.size >> 1;
    co_await page_cache_ra_order(k, mapping, ra, ra.start, 0);
    co_return;
  }
  std::uint64_t contiguous = cached_before(mapping, index, max);
  if (contiguous <= req_count) {
    // A small read for itself leaves the window where it is.
    co_await do_page_cache_ra(k, mapping, index, req_count, 0);
    co_return;
  }
  if (contiguous == index) contiguous *= 2;  // cached from the beginning
  ra.start = index;
  ra.size = std::min(contiguous + req_count, max);
  ra.async_size = 1;
  co_await page_cache_ra_order(k, mapping, ra, ra.start, 0);
}

Path<bool> filemap_make_folio(Kernel& k, address_space& mapping, std::uint64_t index) {
  k.might_alloc();
  folio* const f = co_await filemap_add_folio(k, mapping, index, 0);
  if (!f) co_return mapping.i_pages.load(index) != 0;
  folio_unlock(k, *f);
  co_return true;
}

Path<void> read_locked_folio(Kernel& k, folio& f) {
  co_await xfs::xfs_vm_read_folio(k, f);
  co_await folio_lock(k, f);
}

}  // namespace faultline
