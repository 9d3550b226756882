// Which pages are read ahead of need, and in folios of what size. Linux 6.12 mm/readahead.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// Reads the window of `ra` from page `start` on, in folios of about 2^(order + 2) pages, or
/// 2^order where the window keeps its order.
Path<void> page_cache_ra_order(Kernel& k, address_space& mapping, file_ra_state& ra,
                               std::uint64_t start, unsigned order);
/// read(2) misses page `index` and wants `req_count` pages: a window that grows while reads follow
/// each other, or just what is wanted.
Path<void> page_cache_sync_ra(Kernel& k, address_space& mapping, file_ra_state& ra,
                              std::uint64_t index, std::uint64_t req_count);
/// A reader of `req_count` pages from `index` on has come to the marked folio: the window moves on.
Path<void> page_cache_async_ra(Kernel& k, address_space& mapping, file_ra_state& ra, folio& marked,
                               std::uint64_t index, std::uint64_t req_count);
/// Reads `nr_to_read` pages from `index` on because somebody asks for it, but for what is cached.
Path<void> force_page_cache_ra(Kernel& k, address_space& mapping, const file_ra_state& ra,
                               std::uint64_t index, std::uint64_t nr_to_read);
/// __filemap_get_folio() that makes a folio of one page: there is an unlocked folio afterwards, not
/// read yet. False when memory is out. The caller holds invalidate_lock.
Path<bool> filemap_make_folio(Kernel& k, address_space& mapping, std::uint64_t index);
/// Reads a locked folio and waits: locked and up to date afterwards.
Path<void> read_locked_folio(Kernel& k, folio& f);

}  // namespace faultline
