// The page cache: finding and adding folios, faults on cached files, fault-around. Linux 6.12
// mm/filemap.c and mm/page-writeback.c. Left out: shadow entries, swap-backed folios, hwpoison.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

struct DaxIo;

/// filemap_map_pages(): maps up-to-date cached pages of [start, end] around the fault under RCU;
/// skips value entries, so for a DAX file it maps nothing and returns 0.
Path<vm_fault_t> filemap_map_pages(Kernel& k, vm_fault& vmf, Pgoff start, Pgoff end);
/// filemap_fault(): the folio of the fault in vmf.folio, locked, with LOCKED; else an error or
/// RETRY with the fault's lock released.
Path<vm_fault_t> filemap_fault(Kernel& k, vm_fault& vmf);

/// read(2) of a file with a page cache: bytes, or a negative errno. The caller holds IOLOCK.
Path<std::int64_t> filemap_read(Kernel& k, file& f, const DaxIo& io);

/// The folio that holds page `index`; null if none is cached.
folio* filemap_get_folio(Kernel& k, address_space& mapping, std::uint64_t index);
/// A new locked folio at `index`, in the cache; null when memory is out or the place is taken.
Path<folio*> filemap_add_folio(Kernel& k, address_space& mapping, std::uint64_t index,
                               unsigned order);
/// The same before the run begins: unlocked, up to date, without records.
folio* filemap_declare_folio(Kernel& k, address_space& mapping, std::uint64_t index,
                             unsigned order);
/// folio_mark_dirty(): as the file system of the folio does it. True if it was clean before.
HelperPath<bool> folio_mark_dirty(Kernel& k, folio& f);
/// filemap_dirty_folio(): true if it was clean before.
HelperPath<bool> filemap_dirty_folio(Kernel& k, folio& f);

/// The folio that holds the first cached page of [*index, last], which moves behind it; null: none.
folio* next_folio(Kernel& k, const address_space& mapping, std::uint64_t* index,
                  std::uint64_t last);
/// What is dirty now is to be written; what becomes dirty later is not waited for.
Path<void> tag_pages_for_writeback(Kernel& k, address_space& mapping, std::uint64_t index,
                                   std::uint64_t last);
/// next_folio() of those that were tagged.
folio* next_tagged_folio(Kernel& k, const address_space& mapping, std::uint64_t* index,
                         std::uint64_t last);
/// Whether the locked folio is still to be written; if so it is clean now, its mappings too.
Path<bool> folio_prepare_writeback(Kernel& k, address_space& mapping, folio& f);

/// Before sleeping on I/O in a fault that may be retried: releases the fault's lock. True if it
/// did.
bool maybe_unlock_mmap_for_io(Kernel& k, const vm_fault& vmf);

/// mapping_set_error(): write-back has failed; the next fsync of each open file tells.
void mapping_set_error(address_space& mapping, std::int64_t error);
/// file_check_and_advance_wb_err(): the error that `f` has not told yet, or 0.
std::int64_t file_check_and_advance_wb_err(file& f);

/// Writes back what is dirty in [start, end] (bytes) and waits for it. 0 or a negative errno. The
/// second is the same without a file to report old errors to; before an operation that drops data.
Path<std::int64_t> filemap_write_and_wait_range(Kernel& k, address_space& mapping,
                                                std::uint64_t start, std::uint64_t end);
Path<std::int64_t> file_write_and_wait_range(Kernel& k, address_space& mapping, std::uint64_t start,
                                             std::uint64_t end);

}  // namespace faultline
