// The page cache of file systems that use iomap: reading folios in, and making mapped ones
// writable. Linux 6.12 fs/iomap/buffered-io.c. Writing is in iomap_write.hpp, write-back in
// iomap_writeback.hpp. Left out: blocks smaller than a page, inline data.
#pragma once

#include <vector>

#include "kernel/fs/iomap.hpp"
#include "kernel/kernel.hpp"

namespace faultline {

/// Reads locked folios that follow each other; each is unlocked when its data are there.
Path<void> iomap_readahead(Kernel& k, address_space& mapping, std::vector<folio*>& folios,
                           const iomap_ops& ops);
/// Reads one locked folio for who cannot go on without it.
Path<void> iomap_read_folio(Kernel& k, folio& f, const iomap_ops& ops);
/// The folio of a shared write fault may be written: blocks exist or are reserved, it is dirty.
/// LOCKED, or what the error means for the fault.
Path<vm_fault_t> iomap_page_mkwrite(Kernel& k, vm_fault& vmf, const iomap_ops& ops);

}  // namespace faultline
