// Folios of the page cache: what i_pages of a file that is not DAX holds, and their lock.
// Linux 6.12 include/linux/mm_types.h (struct folio), page-flags.h, mm/filemap.c (folio_lock and
// its waits). A completed read is noticed by whoever looks at the folio next, which no task can
// tell from an interrupt at that moment. Left out: LRU lists, reclaim, memory cgroups, PG_private.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "kernel/lib/xarray.hpp"
#include "locking/acquire.hpp"

namespace faultline {

struct Kernel;
struct address_space;

/// The lock of a folio while it is held or waited for.
struct FolioLock : LockBase {
  WaitList waiters;
  Nanos io_end{};  ///< not 0: the device holds the folio until then
};

/// What is known of each block of a folio of several; made when it is first needed.
/// fs/iomap/buffered-io.c struct iomap_folio_state.
struct iomap_folio_state {
  std::vector<bool> uptodate, dirty;
};

/// Write-back of a folio under way.
struct FolioWriteback {
  WaitList waiters;
  Nanos end{};                ///< what was handed to the device is complete then
  std::uint32_t pending = 0;  ///< pieces of it that are not over before somebody says so
};

struct folio {
  address_space* mapping = nullptr;  ///< null: no longer in the page cache
  std::uint64_t index = 0;           ///< first page in the file
  Pfn pfn{};
  std::unique_ptr<FolioLock> lock;
  std::unique_ptr<iomap_folio_state> ifs;
  std::unique_ptr<FolioWriteback> writeback;  ///< PG_writeback: not null
  std::uint32_t mapcount = 0;                 ///< page-table entries that map one of its pages
  /// One per mapping and one per path that works on it. Of a driver's page: one the driver's.
  std::uint32_t refs = 0;
  std::uint32_t id = 0;  ///< its number in the table
  std::uint8_t order = 0;
  bool uptodate = false, dirty = false, readahead = false;
  bool swapbacked = false;  ///< of shared memory: counts as such
  bool removed = false;     ///< taken out of the page cache: goes with its last reference
  bool typed = false;       ///< a page of the slab, a page table: nothing that may be mapped

  std::uint64_t pages() const { return 1ULL << order; }
  Pfn page(std::uint64_t at) const { return pfn + (at - index); }
};

/// All folios of a World, and which one a frame belongs to.
class FolioTable {
 public:
  folio& make(address_space* mapping, std::uint64_t index, Pfn pfn, unsigned order);
  /// A page that a driver owns, in no file, with one reference.
  folio& make_page(Pfn pfn);
  void drop(folio& f);
  /// The folio that frame belongs to; null for anonymous memory and everything else.
  folio* of(Pfn pfn) {
    const std::uint32_t id = pfn.v < by_pfn_.size() ? by_pfn_[pfn.v] : 0;
    return id == 0 ? nullptr : &folios_[id - 1];
  }
  const folio* of(Pfn pfn) const { return const_cast<FolioTable*>(this)->of(pfn); }
  folio& at(XaEntry entry) { return folios_[xa_to_value(entry) - 1]; }

  std::unique_ptr<FolioLock> take_lock();
  void give_lock(std::unique_ptr<FolioLock> lock) { free_locks_.push_back(std::move(lock)); }

 private:
  std::deque<folio> folios_;
  std::vector<std::uint32_t> free_;    // ids
  std::vector<std::uint32_t> by_pfn_;  // id, 0: none
  std::vector<std::unique_ptr<FolioLock>> free_locks_;
};

inline XaEntry folio_entry(const folio& f) { return xa_mk_value(f.id); }

inline void folio_get(folio& f) { ++f.refs; }
/// Drops a reference; a folio that is no longer in the page cache is freed with the last one.
void folio_put(Kernel& k, folio& f);
/// The folio has left i_pages: nobody finds it any more.
void folio_detach(folio& f);

/// Whether somebody holds the folio's lock, a device that still works on it included.
bool folio_test_locked(Kernel& k, folio& f);
/// folio_trylock() and folio_unlock(): plain calls.
bool folio_trylock(Kernel& k, folio& f);
void folio_unlock(Kernel& k, folio& f);
/// folio_lock(): sleeps until the lock is had. False only if `killable` and a fatal signal came.
Path<bool> folio_lock(Kernel& k, folio& f, bool killable = false);
/// The device has the locked folio until `done`; then it is up to date and unlocked.
void folio_start_read(Kernel& k, folio& f, Nanos done);

/// PG_writeback, which a device clears when its time has come.
bool folio_test_writeback(Kernel& k, folio& f);
Path<void> folio_wait_writeback(Kernel& k, folio& f);
/// One piece less is pending; with the last one those who wait are told.
void folio_end_writeback(Kernel& k, folio& f);

}  // namespace faultline
