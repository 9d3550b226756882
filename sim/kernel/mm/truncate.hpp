// Taking pages out of a file's mapping because the file changes under them. Linux 6.12
// mm/truncate.c.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// truncate_setsize(): the new size, then everything behind it leaves the mapping. The caller holds
/// IOLOCK and the mapping's invalidate_lock exclusively.
Path<void> truncate_setsize(Kernel& k, inode& node, std::uint64_t newsize);
/// truncate_pagecache(): unmaps, removes, unmaps again: a private copy may have been made between
/// the first and the removal.
Path<void> truncate_pagecache(Kernel& k, inode& node, std::uint64_t newsize);
/// truncate_pagecache_range(): the same for a hole; bytes, `lend` the last one. Private copies
/// stay.
Path<void> truncate_pagecache_range(Kernel& k, inode& node, std::uint64_t lstart,
                                    std::uint64_t lend);
/// truncate_inode_pages_range(): the whole pages of [lstart, lend] go, whatever their state; parts
/// of pages at its ends are zeroed where they are cached.
Path<void> truncate_inode_pages_range(Kernel& k, address_space& mapping, std::uint64_t lstart,
                                      std::uint64_t lend);

/// The same for a file with a page cache; truncate_folios.cpp.
HelperPath<void> truncate_folios(Kernel& k, address_space& mapping, std::uint64_t lstart,
                                 std::uint64_t lend);

}  // namespace faultline
