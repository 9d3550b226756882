// Windows of readahead. Linux 6.12 mm/readahead.c: page_cache_ra_order, page_cache_async_ra,
// get_next_ra_size. Folios are as large as the window's alignment and the end of the file allow.
#include "kernel/mm/readahead.hpp"

#include <algorithm>
#include <bit>

#include "kernel/mm/filemap.hpp"

namespace faultline {

Path<void> page_cache_ra_order(Kernel& k, address_space& mapping, file_ra_state& ra,
                               std::uint64_t index, unsigned order) {
  const std::uint64_t size = mapping.host->i_size;
  if (size == 0 || ra.size == 0) co_return;
  const std::uint64_t limit = std::min((size - 1) >> PAGE_SHIFT, index + ra.size - 1);
  const auto largest = static_cast<unsigned>(std::bit_width(ra.size) - 1);
  const unsigned wanted = std::min({order + 2, PMD_ORDER, largest});
  const std::uint64_t mark = index + ra.size - ra.async_size;
  std::vector<folio*> batch;
  const bool locks = k.profile.filemap_fault_locks;
  if (locks) co_await down_read(mapping.invalidate_lock);
  while (index <= limit) {
    unsigned o = wanted;
    if (index & ((1ULL << o) - 1)) o = static_cast<unsigned>(std::countr_zero(index));
    while (o > 0 && index + (1ULL << o) - 1 > limit) --o;
    folio* const f = co_await filemap_add_folio(k, mapping, index, o);
    if (!f) break;  // memory is out, or somebody has read that place meanwhile
    if (index == (mark & ~((1ULL << o) - 1))) f->readahead = true;
    batch.push_back(f);
    index += 1ULL << o;
  }
  if (!batch.empty()) co_await mapping.a_ops->readahead(k, mapping, batch);
  if (locks) up_read(mapping.invalidate_lock);
}

static std::uint64_t get_next_ra_size(std::uint64_t size, std::uint64_t max) {
  if (size < max / 16) return 4 * size;
  if (size <= max / 2) return 2 * size;
  return max;
}

Path<void> page_cache_async_ra(Kernel& k, address_space& mapping, file_ra_state& ra, folio& marked,
                               std::uint64_t index) {
  marked.readahead = false;
  const unsigned order = marked.order;
  const std::uint64_t expected = (ra.start + ra.size - ra.async_size) & ~(marked.pages() - 1);
  if (index == expected) {
    ra.start += ra.size;
    ra.size = get_next_ra_size(ra.size, ra.ra_pages);
  } else {
    // A mark that the current window has not left: go on behind what is cached.
    std::uint64_t next = index + 1;
    while (next - index <= ra.ra_pages && mapping.i_pages.load(next) != 0) ++next;
    if (next - index > ra.ra_pages) co_return;
    ra.start = next;
    ra.size = get_next_ra_size(next - index + ra.ra_pages, ra.ra_pages);
  }
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
  const std::uint64_t max = ra.ra_pages;
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
    file_ra_state alone;
    alone.start = index;
    alone.size = req_count;
    co_await page_cache_ra_order(k, mapping, alone, index, 0);
    co_return;
  }
  if (contiguous == index) contiguous *= 2;  // cached from the beginning
  ra.start = index;
  ra.size = std::min(contiguous + req_count, max);
  ra.async_size = 1;
  co_await page_cache_ra_order(k, mapping, ra, ra.start, 0);
}

Path<bool> page_cache_read_one(Kernel& k, address_space& mapping, std::uint64_t index) {
  folio* const f = co_await filemap_add_folio(k, mapping, index, 0);
  if (!f) co_return mapping.i_pages.load(index) != 0;
  std::vector<folio*> one{f};
  co_await mapping.a_ops->readahead(k, mapping, one);
  co_return true;
}

Path<void> read_locked_folio(Kernel& k, address_space& mapping, folio& f) {
  std::vector<folio*> one{&f};
  co_await mapping.a_ops->readahead(k, mapping, one);
  co_await folio_lock(k, f);
}

}  // namespace faultline
