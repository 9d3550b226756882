// Direct access to persistent memory: the page-cache slots of a DAX file hold values, not pages,
// and each value has a lock bit. Linux 6.12 fs/dax.c. dax_entry.cpp holds entries and their locks,
// dax_fault.cpp the PTE and PMD faults, dax_fault_4_13.cpp those of 4.13, dax_sync.cpp the second
// phase of a synchronous fault, dax_rw.cpp read(2) and write(2), dax_writeback.cpp write-back,
// dax_layout.cpp removal of entries, dax_zero.cpp zeroing. Left out: poison recovery and reflinked
// extents.
#pragma once

#include <optional>

#include "kernel/fs/iomap.hpp"
#include "kernel/kernel.hpp"

namespace faultline {

inline constexpr std::uint64_t DAX_LOCKED = 1, DAX_PMD = 2, DAX_ZERO_PAGE = 4, DAX_EMPTY = 8;
inline constexpr unsigned DAX_SHIFT = 4;

constexpr XaEntry dax_make_entry(Pfn pfn, std::uint64_t flags) {
  return xa_mk_value(flags | (pfn.v << DAX_SHIFT));
}
constexpr Pfn dax_to_pfn(XaEntry e) { return Pfn(xa_to_value(e) >> DAX_SHIFT); }
constexpr bool dax_is_locked(XaEntry e) { return xa_to_value(e) & DAX_LOCKED; }
constexpr bool dax_is_pmd_entry(XaEntry e) { return xa_to_value(e) & DAX_PMD; }
constexpr bool dax_is_pte_entry(XaEntry e) { return !dax_is_pmd_entry(e); }
constexpr bool dax_is_zero_entry(XaEntry e) { return xa_to_value(e) & DAX_ZERO_PAGE; }
constexpr bool dax_is_empty_entry(XaEntry e) { return xa_to_value(e) & DAX_EMPTY; }
constexpr unsigned dax_entry_order(XaEntry e) { return dax_is_pmd_entry(e) ? PMD_ORDER : 0; }
constexpr XaEntry dax_locked(XaEntry e) { return e | xa_mk_value(DAX_LOCKED); }
constexpr XaEntry dax_unlocked(XaEntry e) { return e & ~(xa_mk_value(DAX_LOCKED) & ~XaEntry{1}); }

/// The next entry of [index, last], of whatever order; 0: none. `where`: its first index in the
/// range; `index` moves behind it. Neighbours of the same value, as zero pages are, stay apart.
inline XaEntry dax_next_entry(const XArray& pages, std::uint64_t& index, std::uint64_t last,
                              std::uint64_t& where) {
  const XaEntry entry = pages.find(index, last, &where);
  if (entry == 0) return 0;
  const std::uint64_t size = 1ULL << dax_entry_order(entry);
  index = (where & ~(size - 1)) + size;
  return entry;
}

/// The lock of one entry while it is held. Waiters queue at the index at which the entry begins.
struct DaxEntryLock : LockBase {
  address_space* mapping = nullptr;
  std::uint64_t index = 0;
  WaitList waiters;
};

/// A locked entry, as grab_mapping_entry returns it; or the result that ends the fault.
struct GrabbedEntry {
  XaEntry entry = 0;
  vm_fault_t failed{};
};

/// Finds or makes the entry for a fault of `order` (0 or PMD_ORDER) and locks it.
Path<GrabbedEntry> grab_mapping_entry(Kernel& k, address_space& mapping, Pgoff index,
                                      unsigned order);
Path<void> dax_unlock_entry(Kernel& k, address_space& mapping, Pgoff index, XaEntry entry);

/// Puts the block or the zero page into the locked entry. Returns the entry, still locked.
struct DaxInsert {
  Pgoff index{};
  Pfn pfn{};
  std::uint64_t flags = 0;  ///< DAX_PMD, DAX_ZERO_PAGE
  bool dirty = false;
  bool shared = false;  ///< the block is shared, or a copy of one that is
};
Path<XaEntry> dax_insert_entry(Kernel& k, address_space& mapping, XaEntry entry, DaxInsert insert);

/// Makes the entries of [first, last] clean without writing anything back: their blocks are about
/// to be replaced by copies. __dax_clear_dirty_range.
Path<void> dax_clear_dirty_range(Kernel& k, address_space& mapping, Pgoff first, Pgoff last);
/// Removes the clean entries of [first, last], waiting for locked ones, and their mappings: new
/// blocks have come under them. mm/truncate.c invalidate_inode_pages2_range.
Path<void> invalidate_inode_pages2_range(Kernel& k, address_space& mapping, Pgoff first,
                                         Pgoff last);

/// dax_delete_mapping_entry() for every entry of [first, last], each under its own hold of i_pages,
/// waiting for locked ones.
Path<void> dax_delete_mapping_entries(Kernel& k, address_space& mapping, Pgoff first, Pgoff last);
/// Unmaps [first, last] and looks for a page of it that is pinned.
Path<std::optional<Pfn>> dax_layout_busy_page_range(Kernel& k, address_space& mapping, Pgoff first,
                                                    Pgoff last);
/// How to wait for a page of DAX that is in use: `sleep` gives up what the file system holds,
/// sleeps once and takes it again.
struct IdleWait {
  Path<void> (*sleep)(Kernel&, inode&);
  bool interruptible;  ///< a signal ends the wait
};

/// Makes sure that nobody uses the pages of [start, end] (bytes; ~0: to the end) but through page
/// tables, and unmaps them. 6.12: dax_layout_busy_page_range; 7.1: dax_break_layout, which removes
/// the entries too. 0, or -ERESTARTSYS.
Path<std::int64_t> dax_break_layout(Kernel& k, address_space& mapping, std::uint64_t start,
                                    std::uint64_t end, IdleWait wait);

/// The same for all of a file that nobody refers to any more; no lock is held, no signal ends it.
Path<void> dax_break_layout_final(Kernel& k, inode& host);

/// Zeroes [pos, pos + len) in place; holes and unwritten blocks stay. `did_zero`: something had to
/// be written. 0 or a negative errno.
Path<std::int64_t> dax_zero_range(Kernel& k, inode& host, std::uint64_t pos, std::uint64_t len,
                                  bool& did_zero, const iomap_ops& ops);
/// The same from `pos` to the end of its block.
Path<std::int64_t> dax_truncate_page(Kernel& k, inode& host, std::uint64_t pos, bool& did_zero,
                                     const iomap_ops& ops);

/// Writes the dirty entries of [start, end] (bytes) back: write-protects every mapping, flushes the
/// cache lines. 0 or a negative errno.
Path<std::int64_t> dax_writeback_mapping_range(Kernel& k, address_space& mapping,
                                               std::uint64_t start, std::uint64_t end);

/// Second phase of a MAP_SYNC fault, after NEEDDSYNC: fsync of the range, then the entry
/// vmf.sync_pfn, writable.
Path<vm_fault_t> dax_finish_sync_fault(Kernel& k, vm_fault& vmf, unsigned order);

// Between the files of fs/dax.c, with i_pages held.
/// The entry at `index`, or the first of 2^order indices, locked or not; 0 if there is none.
inline XaEntry dax_load_entry(const address_space& mapping, Pgoff index, unsigned order) {
  if (order == 0) return mapping.i_pages.load(index.v);
  std::uint64_t where = 0;
  const std::uint64_t first = index.v & ~((1ULL << order) - 1);
  return mapping.i_pages.find(first, first + (1ULL << order) - 1, &where);
}
/// An entry smaller than the order that is wanted is a conflict, which waits for nobody.
constexpr bool dax_conflicts(XaEntry entry, unsigned order) {
  return entry != 0 && dax_entry_order(entry) < order;
}
HelperPath<XaEntry> wait_unlocked_entry(Kernel& k, address_space& mapping, Pgoff index,
                                        unsigned order, bool* conflict);

/// Awaiter of get_unlocked_entry(): without a frame when nobody has the entry locked.
class UnlockedEntry {
 public:
  UnlockedEntry(Kernel& k, address_space& mapping, Pgoff index, unsigned order, bool* conflict)
      : k_(k), mapping_(mapping), index_(index), order_(order), conflict_(conflict) {}

  bool await_ready() {
    entry_ = dax_load_entry(mapping_, index_, order_);
    *conflict_ = dax_conflicts(entry_, order_);
    return entry_ == 0 || *conflict_ || !dax_is_locked(entry_);
  }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) {
    slow_.emplace(wait_unlocked_entry(k_, mapping_, index_, order_, conflict_));
    return slow_->awaiter().await_suspend(caller);
  }
  XaEntry await_resume() { return slow_ ? slow_->awaiter().await_resume() : entry_; }

 private:
  Kernel& k_;
  address_space& mapping_;
  Pgoff index_;
  unsigned order_;
  bool* conflict_;
  XaEntry entry_ = 0;
  std::optional<HelperPath<XaEntry>> slow_;
};

/// The entry at `index` when nobody has it locked; 0 if there is none. `conflict`: it is smaller
/// than the order that is wanted.
inline UnlockedEntry get_unlocked_entry(Kernel& k, address_space& mapping, Pgoff index,
                                        unsigned order, bool* conflict) {
  return {k, mapping, index, order, conflict};
}
/// Sets the lock bit; the record follows when the caller says so.
DaxEntryLock& dax_lock_entry(Kernel& k, address_space& mapping, Pgoff index, XaEntry entry);
enum class WakeMode : std::uint8_t { next, all };
/// Wakes who waits for the entry; put_unlocked_entry() of the kernel is this with `next`.
void dax_wake_entry(Kernel& k, address_space& mapping, Pgoff index, XaEntry entry, WakeMode mode);
/// The lock object of an entry that is locked.
DaxEntryLock& dax_entry_lock(Kernel& k, address_space& mapping, Pgoff index, XaEntry entry);
/// dax_unlock_entry() with i_pages held and the lock released already: clears the bit, wakes.
void dax_clear_lock(Kernel& k, address_space& mapping, Pgoff index, XaEntry entry);

/// One fault of the given order, with the file system's MMAPLOCK held.
Path<vm_fault_t> dax_iomap_fault(Kernel& k, vm_fault& vmf, unsigned order, const iomap_ops& ops);

// Between the faults of the two eras.
vm_fault_t dax_fault_return(std::int64_t error);
/// dax_iomap_direct_access(): the frames behind a mapping, looked up under dax_read_lock.
struct DirectAccess {
  std::int64_t error = 0;
  Pfn pfn{};
};
DirectAccess dax_iomap_direct_access(Kernel& k, const inode& host, const iomap& map,
                                     std::uint64_t pos, std::uint64_t size);
Path<vm_fault_t> dax_pmd_load_hole(Kernel& k, vm_fault& vmf, XaEntry* entry);
/// A private write gets its own copy; the mapping's entry stays empty.
Path<vm_fault_t> dax_fault_cow_page(Kernel& k, vm_fault& vmf, const iomap_iter& iter);

/// Linux 4.13: the slot of a hole that was read holds a page of zeros, whose lock is the page's.
/// The value in the slot is the page's frame with two flags that no entry has together.
constexpr std::uint64_t DAX_PAGE = DAX_ZERO_PAGE | DAX_EMPTY;
constexpr bool dax_is_page(XaEntry e) { return (xa_to_value(e) & DAX_PAGE) == DAX_PAGE; }
/// The page of zeros in slot `index` goes, and with it its mappings.
Path<void> dax_drop_hole_page(Kernel& k, address_space& mapping, Pgoff index);

namespace v4_13 {
Path<vm_fault_t> dax_iomap_fault(Kernel& k, vm_fault& vmf, unsigned order, const iomap_ops& ops);
/// A store to an entry that is mapped read-only: dirty, and writable if it is still there.
Path<vm_fault_t> dax_pfn_mkwrite(Kernel& k, vm_fault& vmf);
}  // namespace v4_13

/// A read(2) or write(2); on a DAX file: bytes moved, or a negative errno. The caller holds IOLOCK.
/// `buffer`: user address, or nothing for a buffer of the kernel's own that never faults.
struct DaxIo {
  inode* host = nullptr;
  std::uint64_t pos = 0, length = 0;
  bool write = false;
  std::optional<Vaddr> buffer;
};
Path<std::int64_t> dax_iomap_rw(Kernel& k, DaxIo io, const iomap_ops& ops);

}  // namespace faultline
