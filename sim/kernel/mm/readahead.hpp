// Which pages are read ahead of need, and in folios of what size. Linux 6.12 mm/readahead.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// Reads the window of `ra` from page `index` on, in folios of about 2^(order + 2) pages.
Path<void> page_cache_ra_order(Kernel& k, address_space& mapping, file_ra_state& ra,
                               std::uint64_t index, unsigned order);
/// read(2) misses page `index` and wants `req_count` pages: a window that grows while reads follow
/// each other, or just what is wanted.
Path<void> page_cache_sync_ra(Kernel& k, address_space& mapping, file_ra_state& ra,
                              std::uint64_t index, std::uint64_t req_count);
/// The reader has come to the marked folio: the window moves on.
Path<void> page_cache_async_ra(Kernel& k, address_space& mapping, file_ra_state& ra, folio& marked,
                               std::uint64_t index);
/// One page alone, for a fault that reading around does not serve. False when memory is out. The
/// caller holds invalidate_lock.
Path<bool> page_cache_read_one(Kernel& k, address_space& mapping, std::uint64_t index);
/// Reads a locked folio again and waits: locked and up to date afterwards.
Path<void> read_locked_folio(Kernel& k, address_space& mapping, folio& f);

}  // namespace faultline
