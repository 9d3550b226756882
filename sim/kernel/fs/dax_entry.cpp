// Entries of a DAX mapping and their lock bits. Linux 6.12 fs/dax.c: get_unlocked_entry,
// grab_mapping_entry, dax_unlock_entry, dax_insert_entry. The 4096 hashed wait queues are modelled
// without their collisions, which a waiter's key check hides anyway.
#include "kernel/fs/dax.hpp"
#include "kernel/fs/inode.hpp"
#include "kernel/mm/memory.hpp"

namespace faultline {

namespace {

// A PMD entry is locked and waited for at its first index, whichever index was asked for.
std::uint64_t queue_index(Pgoff index, XaEntry entry) {
  return dax_is_pmd_entry(entry) ? index.v & ~((1ULL << PMD_ORDER) - 1) : index.v;
}

DaxEntryLock* find_lock(Kernel& k, const address_space& mapping, std::uint64_t index) {
  for (const auto& lock : k.dax_locks) {
    if (lock->mapping == &mapping && lock->index == index) return lock.get();
  }
  return nullptr;
}

// The lock object of an entry exists while the entry is locked or waited for.
DaxEntryLock& lock_object(Kernel& k, address_space& mapping, std::uint64_t index) {
  if (DaxEntryLock* const known = find_lock(k, mapping, index)) return *known;
  std::unique_ptr<DaxEntryLock> lock;
  if (k.free_dax_locks.empty()) {
    lock = std::make_unique<DaxEntryLock>();
  } else {
    lock = std::move(k.free_dax_locks.back());
    k.free_dax_locks.pop_back();
    *lock = DaxEntryLock{};
  }
  init_lock(*lock, k.locks, k.cls.dax_entry,
            lock_id(LockOwner::dax_entry, mapping.host->index, index));
  lock->mapping = &mapping;
  lock->index = index;
  k.dax_locks.push_back(std::move(lock));
  return *k.dax_locks.back();
}

void drop_lock_object(Kernel& k, DaxEntryLock& lock) {
  if (!lock.waiters.empty() || lock.owner) return;
  for (auto& held : k.dax_locks) {
    if (held.get() != &lock) continue;
    k.free_dax_locks.push_back(std::move(held));
    held = std::move(k.dax_locks.back());
    k.dax_locks.pop_back();
    return;
  }
}

void wake_waiters(Kernel& k, const DaxEntryLock& lock, WakeMode mode) {
  for (Waiter* w = lock.waiters.front(); w; w = w->next) {
    k.engine.charge(k.costs.dax_entry_wake);
    k.engine.wake(*w->task);
    if (mode == WakeMode::next) break;
  }
}

void wake_index(Kernel& k, address_space& mapping, std::uint64_t index, WakeMode mode) {
  if (const DaxEntryLock* const lock = find_lock(k, mapping, index)) wake_waiters(k, *lock, mode);
}

// Sleeps until the entry may be unlocked. i_pages is released meanwhile.
HelperPath<void> wait_entry(Kernel& k, address_space& mapping, DaxEntryLock& lock) {
  Waiter waiter;
  waiter.task = &k.engine.current();
  lock.waiters.push(waiter);
  spin_unlock(mapping.xa_lock);
  k.locks.contended(lock, HoldMode::exclusive);
  k.locks.begin_wait(lock, HoldMode::exclusive);
  co_await k.engine.block();
  k.locks.end_wait(*waiter.task);
  lock.waiters.remove(waiter);
  drop_lock_object(k, lock);
  co_await spin_lock(mapping.xa_lock);
}

}  // namespace

DaxEntryLock& dax_lock_entry(Kernel& k, address_space& mapping, Pgoff index, XaEntry entry) {
  const std::uint64_t first = queue_index(index, entry);
  mapping.i_pages.replace(first, dax_entry_order(entry), dax_locked(entry));
  DaxEntryLock& lock = lock_object(k, mapping, first);
  lock.owner = &k.engine.current();
  return lock;
}

HelperPath<XaEntry> wait_unlocked_entry(Kernel& k, address_space& mapping, Pgoff index,
                                        unsigned order, bool* conflict) {
  XaEntry entry = dax_load_entry(mapping, index, order);
  while (entry != 0 && !dax_conflicts(entry, order) && dax_is_locked(entry)) {
    DaxEntryLock& lock = lock_object(k, mapping, queue_index(index, entry));
    co_await wait_entry(k, mapping, lock);
    entry = dax_load_entry(mapping, index, order);
  }
  *conflict = dax_conflicts(entry, order);
  co_return entry;
}

void dax_wake_entry(Kernel& k, address_space& mapping, Pgoff index, XaEntry entry, WakeMode mode) {
  wake_index(k, mapping, queue_index(index, entry), mode);
}

DaxEntryLock& dax_entry_lock(Kernel& k, address_space& mapping, Pgoff index, XaEntry entry) {
  return lock_object(k, mapping, queue_index(index, entry));
}

void dax_clear_lock(Kernel& k, address_space& mapping, Pgoff index, XaEntry entry) {
  const std::uint64_t first = queue_index(index, entry);
  DaxEntryLock& lock = lock_object(k, mapping, first);
  mapping.i_pages.replace(first, dax_entry_order(entry), dax_unlocked(entry));
  lock.owner = nullptr;
  wake_waiters(k, lock, WakeMode::next);
  drop_lock_object(k, lock);
}

namespace {

// A zero or empty PMD entry gives way to a PTE entry: unmapped, removed, everybody woken.
HelperPath<XaEntry> downgrade_entry(Kernel& k, address_space& mapping, Pgoff index, XaEntry entry) {
  const std::uint64_t first = queue_index(index, entry);
  dax_lock_entry(k, mapping, index, entry);
  DaxEntryLock& lock = lock_object(k, mapping, first);
  if (dax_is_zero_entry(entry)) {
    spin_unlock(mapping.xa_lock);
    k.locks.bit_set(lock);
    co_await unmap_mapping_pages(k, mapping, Pgoff(first), 1ULL << PMD_ORDER);
    k.locks.bit_cleared(lock);
    co_await spin_lock(mapping.xa_lock);
  }
  mapping.i_pages.store(first, PMD_ORDER, 0);
  wake_waiters(k, lock, WakeMode::all);
  lock.owner = nullptr;
  drop_lock_object(k, lock);
  mapping.nrpages -= 1ULL << PMD_ORDER;
  co_return 0;
}

}  // namespace

Path<GrabbedEntry> grab_mapping_entry(Kernel& k, address_space& mapping, Pgoff index,
                                      unsigned order) {
  GrabbedEntry grabbed;
  co_await spin_lock(mapping.xa_lock);
  bool conflict = false;
  XaEntry entry = co_await get_unlocked_entry(k, mapping, index, order, &conflict);
  if (conflict) {
    // The wake-up that brought us here may have been meant for another waiter.
    dax_wake_entry(k, mapping, index, entry, WakeMode::next);
    spin_unlock(mapping.xa_lock);
    grabbed.failed = VM_FAULT_FALLBACK;
    co_return grabbed;
  }
  const bool in_the_way = entry != 0 && order == 0 && dax_is_pmd_entry(entry) &&
                          (dax_is_zero_entry(entry) || dax_is_empty_entry(entry));
  if (in_the_way) entry = co_await downgrade_entry(k, mapping, index, entry);
  if (entry == 0 && k.inject.fails(FailPoint::grab_mapping_entry)) {
    dax_wake_entry(k, mapping, index, entry, WakeMode::next);
    spin_unlock(mapping.xa_lock);
    grabbed.failed = VM_FAULT_OOM;
    co_return grabbed;
  }
  if (entry == 0) {
    const std::uint64_t flags = DAX_EMPTY | (order != 0 ? DAX_PMD : 0);
    entry = dax_make_entry(Pfn(0), flags);
    mapping.i_pages.store(queue_index(index, entry), order, entry);
    mapping.nrpages += 1ULL << order;
    k.engine.charge(k.costs.dax_entry_insert);
  }
  DaxEntryLock& lock = dax_lock_entry(k, mapping, index, entry);
  k.engine.charge(k.costs.dax_entry_lock);
  spin_unlock(mapping.xa_lock);
  k.locks.acquired(lock, HoldMode::exclusive, false);
  grabbed.entry = entry;
  co_return grabbed;
}

Path<void> dax_unlock_entry(Kernel& k, address_space& mapping, Pgoff index, XaEntry entry) {
  const std::uint64_t first = queue_index(index, entry);
  DaxEntryLock& lock = lock_object(k, mapping, first);
  k.locks.released(lock);
  co_await spin_lock(mapping.xa_lock);
  mapping.i_pages.replace(first, dax_entry_order(entry), dax_unlocked(entry));
  lock.owner = nullptr;
  wake_waiters(k, lock, WakeMode::next);
  drop_lock_object(k, lock);
  spin_unlock(mapping.xa_lock);
}

Path<XaEntry> dax_insert_entry(Kernel& k, address_space& mapping, XaEntry entry, DaxInsert in) {
  const unsigned order = dax_entry_order(entry);
  const std::uint64_t first = queue_index(in.index, entry);
  if (in.dirty) __mark_inode_dirty_pages(k, *mapping.host);
  if (in.shared || (dax_is_zero_entry(entry) && !(in.flags & DAX_ZERO_PAGE))) {
    // Blocks replace the zero page: whoever has it mapped must fault again.
    co_await unmap_mapping_pages(k, mapping, Pgoff(first), 1ULL << order);
  }
  co_await spin_lock(mapping.xa_lock);
  XaEntry stored = entry;
  if (in.shared || dax_is_zero_entry(entry) || dax_is_empty_entry(entry)) {
    // A normal entry is left alone: a PTE fault under a PMD entry only makes it dirty.
    stored = dax_make_entry(in.pfn, in.flags | (order != 0 ? DAX_PMD : 0));
    mapping.i_pages.replace(first, order, dax_locked(stored));
  }
  if (in.dirty) mapping.i_pages.set_mark(first, order, XaMark::dirty);
  k.engine.charge(k.costs.dax_entry_insert);
  spin_unlock(mapping.xa_lock);
  co_return stored;
}

// A dirty entry stays: its data are not written back.
static Path<void> dax_invalidate_mapping_entry_sync(Kernel& k, address_space& mapping,
                                                    Pgoff index) {
  co_await spin_lock(mapping.xa_lock);
  bool conflict = false;
  const XaEntry entry = co_await get_unlocked_entry(k, mapping, index, 0, &conflict);
  if (entry != 0 && dax_is_page(entry)) {
    spin_unlock(mapping.xa_lock);
    co_await dax_drop_hole_page(k, mapping, index);
    co_return;
  }
  const bool clean = entry != 0 && !mapping.i_pages.get_mark(index.v, XaMark::dirty);
  if (clean) {
    const unsigned order = dax_entry_order(entry);
    const std::uint64_t first = queue_index(index, entry);
    mapping.i_pages.store(first, order, 0);
    mapping.nrpages -= 1ULL << order;
    wake_index(k, mapping, first, WakeMode::all);
  }
  spin_unlock(mapping.xa_lock);
}

Path<void> dax_clear_dirty_range(Kernel& k, address_space& mapping, Pgoff first, Pgoff last) {
  co_await spin_lock(mapping.xa_lock);
  std::uint64_t where = 0;
  for (std::uint64_t i = first.v; dax_next_entry(mapping.i_pages, i, last.v, where) != 0;) {
    bool conflict = false;
    const XaEntry entry = co_await get_unlocked_entry(k, mapping, Pgoff(where), 0, &conflict);
    if (entry != 0) {
      const unsigned order = dax_entry_order(entry);
      const std::uint64_t at = queue_index(Pgoff(where), entry);
      mapping.i_pages.clear_mark(at, order, XaMark::dirty);
      mapping.i_pages.clear_mark(at, order, XaMark::towrite);
      wake_index(k, mapping, at, WakeMode::next);
    }
    if (i > last.v || i == 0) break;
  }
  spin_unlock(mapping.xa_lock);
}

Path<void> invalidate_inode_pages2_range(Kernel& k, address_space& mapping, Pgoff first,
                                         Pgoff last) {
  if (mapping.nrpages == 0) co_return;
  std::vector<std::uint64_t> found;
  std::uint64_t where = 0;
  for (std::uint64_t i = first.v; dax_next_entry(mapping.i_pages, i, last.v, where) != 0;) {
    found.push_back(where);
    if (i > last.v) break;
  }
  for (const std::uint64_t index : found) {
    co_await dax_invalidate_mapping_entry_sync(k, mapping, Pgoff(index));
  }
  co_await unmap_mapping_pages(k, mapping, first, last - first + 1);
}

}  // namespace faultline
