// What iomap keeps of a folio of several blocks: which of them are up to date, which are dirty.
// Linux 6.12 fs/iomap/buffered-io.c (struct iomap_folio_state and what changes it). Its spin lock
// is not modelled: nobody waits under it.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// ifs_alloc(): makes the state of a folio of several blocks unless there is one; null for others.
iomap_folio_state* ifs_alloc(folio& f);
/// The blocks of [offset, offset + length) of the folio are up to date; all of them: the folio is.
void iomap_set_range_uptodate(folio& f, std::uint64_t offset, std::uint64_t length);
bool iomap_block_is_uptodate(const folio& f, std::uint64_t block);
/// The blocks that the range touches are dirty; makes the state of the blocks.
void iomap_set_range_dirty(folio& f, std::uint64_t offset, std::uint64_t length);
void iomap_clear_range_dirty(folio& f);
/// The next dirty bytes of the folio in [*pos, end) of the file; 0: none. `*pos` moves to them.
std::uint64_t iomap_find_dirty_range(const folio& f, std::uint64_t* pos, std::uint64_t end);
/// The blocks that the range touches are dirty, and with them the folio.
HelperPath<void> iomap_dirty_range(Kernel& k, folio& f, std::uint64_t offset, std::uint64_t length);

// As operations of an address space.
HelperPath<bool> iomap_dirty_folio(Kernel& k, folio& f);
void iomap_invalidate_folio(Kernel& k, folio& f, std::uint64_t offset, std::uint64_t length);
bool iomap_release_folio(Kernel& k, folio& f);

}  // namespace faultline
