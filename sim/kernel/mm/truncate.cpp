// Taking pages out of a file's mapping. Linux 6.12 mm/truncate.c. Left out: shadow entries of
// reclaimed folios.
#include "kernel/mm/truncate.hpp"

#include "kernel/fs/dax.hpp"
#include "kernel/mm/memory.hpp"

namespace faultline {

constexpr std::uint64_t to_the_end = ~0ULL;

Path<void> truncate_inode_pages_range(Kernel& k, address_space& mapping, std::uint64_t lstart,
                                      std::uint64_t lend) {
  if (mapping.nrpages == 0) co_return;
  if (!mapping.host->dax) {
    co_await truncate_folios(k, mapping, lstart, lend);
    co_return;
  }
  const std::uint64_t first = (lstart + PAGE_SIZE - 1) >> PAGE_SHIFT;
  // A part of a page at the end is left alone.
  const std::uint64_t end = lend == to_the_end ? to_the_end : (lend + 1) >> PAGE_SHIFT;
  if (end <= first) co_return;
  co_await dax_delete_mapping_entries(k, mapping, Pgoff(first), Pgoff(end - 1));
}

Path<void> truncate_pagecache(Kernel& k, inode& node, std::uint64_t newsize) {
  const std::uint64_t holebegin = (newsize + PAGE_SIZE - 1) & PAGE_MASK;
  co_await unmap_mapping_range(k, node.i_data, holebegin, 0, true);
  co_await truncate_inode_pages_range(k, node.i_data, newsize, to_the_end);
  co_await unmap_mapping_range(k, node.i_data, holebegin, 0, true);
}

Path<void> truncate_setsize(Kernel& k, inode& node, std::uint64_t newsize) {
  node.i_size = newsize;
  return truncate_pagecache(k, node, newsize);
}

Path<void> truncate_pagecache_range(Kernel& k, inode& node, std::uint64_t lstart,
                                    std::uint64_t lend) {
  const std::uint64_t unmap_start = (lstart + PAGE_SIZE - 1) & PAGE_MASK;
  const std::uint64_t unmap_end = ((lend + 1) & PAGE_MASK) - 1;
  if (unmap_end > unmap_start) {
    co_await unmap_mapping_range(k, node.i_data, unmap_start, 1 + unmap_end - unmap_start, false);
  }
  co_await truncate_inode_pages_range(k, node.i_data, lstart, lend);
}

}  // namespace faultline
