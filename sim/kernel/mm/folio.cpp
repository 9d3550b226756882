// The lock bit of a folio and who waits for it. Linux 6.12 mm/filemap.c folio_wait_bit_common:
// first come, first woken; a newcomer may take the lock before a woken sleeper does.
#include "kernel/mm/folio.hpp"

#include <algorithm>

#include "kernel/kernel.hpp"

namespace faultline {

folio& FolioTable::make(address_space* mapping, std::uint64_t index, Pfn pfn, unsigned order) {
  if (free_.empty()) {
    folio& fresh = folios_.emplace_back();
    fresh.id = static_cast<std::uint32_t>(folios_.size());
    free_.push_back(fresh.id);
  }
  folio& f = folios_[free_.back() - 1];
  free_.pop_back();
  f.mapping = mapping;
  f.index = index;
  f.pfn = pfn;
  f.order = static_cast<std::uint8_t>(order);
  const std::uint64_t end = pfn.v + f.pages();
  if (by_pfn_.size() < end) by_pfn_.resize(end);
  for (std::uint64_t p = pfn.v; p < end; ++p) by_pfn_[p] = f.id;
  return f;
}

folio& FolioTable::make_page(Pfn pfn) {
  address_space* const nobody = nullptr;
  folio& page = make(nobody, 0, pfn, 0);
  page.refs = 1;
  page.uptodate = true;
  return page;
}

void FolioTable::drop(folio& f) {
  for (std::uint64_t p = f.pfn.v; p < f.pfn.v + f.pages(); ++p) by_pfn_[p] = 0;
  const std::uint32_t id = f.id;
  f = folio{};
  f.id = id;
  free_.push_back(id);
}

void folio_put(Kernel& k, folio& f) {
  if (--f.refs != 0 || !f.removed) return;
  k.frames.free_folio(f.pfn, f.order);
  k.folios.drop(f);
  k.engine.charge(k.costs.page_free);
}

void folio_detach(folio& f) {
  f.mapping = nullptr;
  f.dirty = false;
  f.removed = true;
}

std::unique_ptr<FolioLock> FolioTable::take_lock() {
  if (free_locks_.empty()) return std::make_unique<FolioLock>();
  std::unique_ptr<FolioLock> lock = std::move(free_locks_.back());
  free_locks_.pop_back();
  *lock = FolioLock{};
  return lock;
}

namespace {

FolioLock& lock_object(Kernel& k, folio& f) {
  if (f.lock) return *f.lock;
  f.lock = k.folios.take_lock();
  const std::uint32_t owner = f.mapping ? f.mapping->host->index : 0;
  init_lock(*f.lock, k.locks, k.cls.folio, lock_id(LockOwner::folio, owner, f.index));
  return *f.lock;
}

// The object goes when nobody has the lock or wants it.
void drop_lock_object(Kernel& k, folio& f) {
  const bool in_use = f.lock->owner || f.lock->io_end.v != 0 || !f.lock->waiters.empty();
  if (!in_use) k.folios.give_lock(std::move(f.lock));
}

// Notices that the device is done.
void settle(Kernel& k, folio& f) {
  if (!f.lock || f.lock->io_end.v == 0 || k.now() < f.lock->io_end) return;
  f.lock->io_end = Nanos{};
  f.uptodate = true;
  drop_lock_object(k, f);
}

bool take(Kernel& k, folio& f) {
  FolioLock& lock = lock_object(k, f);
  if (lock.owner || lock.io_end.v != 0) return false;
  lock.owner = &k.engine.current();
  return true;
}

}  // namespace

bool folio_test_locked(Kernel& k, folio& f) {
  settle(k, f);
  return f.lock && (f.lock->owner || f.lock->io_end.v != 0);
}

bool folio_trylock(Kernel& k, folio& f) {
  settle(k, f);
  if (!take(k, f)) return false;
  k.locks.try_acquired(*f.lock, HoldMode::exclusive);
  return true;
}

void folio_unlock(Kernel& k, folio& f) {
  k.locks.released(*f.lock);
  f.lock->owner = nullptr;
  if (const Waiter* const first = f.lock->waiters.front()) {
    k.engine.wake(*first->task);
  } else {
    drop_lock_object(k, f);
  }
}

void folio_start_read(Kernel& k, folio& f, Nanos done) {
  // The task that submitted the read is not the holder any more.
  k.locks.released(*f.lock);
  f.lock->owner = nullptr;
  f.lock->io_end = done.v == 0 ? Nanos(1) : done;
  // Who came meanwhile waits for an unlock that there will not be: the device wakes it.
  for (const Waiter* w = f.lock->waiters.front(); w; w = w->next) {
    w->task->wait_has_timeout = true;
    k.engine.run_at(*w->task, std::max(f.lock->io_end, k.now()));
  }
  settle(k, f);
}

bool folio_test_writeback(Kernel& k, folio& f) {
  if (!f.writeback) return false;
  if (f.writeback->pending != 0 || k.now() < f.writeback->end) return true;
  f.writeback.reset();
  return false;
}

Path<void> folio_wait_writeback(Kernel& k, folio& f) {
  while (folio_test_writeback(k, f)) {
    FolioWriteback& wb = *f.writeback;
    if (wb.pending == 0) {
      co_await k.engine.block_until(wb.end);
      continue;
    }
    Waiter waiter;
    waiter.task = &k.engine.current();
    wb.waiters.push(waiter);
    co_await k.engine.block();
  }
}

void folio_end_writeback(Kernel& k, folio& f) {
  FolioWriteback& wb = *f.writeback;
  if (--wb.pending != 0) return;
  while (Waiter* const first = wb.waiters.front()) {
    wb.waiters.remove(*first);
    k.engine.wake(*first->task);
  }
  folio_test_writeback(k, f);
}

Path<bool> folio_lock(Kernel& k, folio& f, bool killable) {
  settle(k, f);
  if (take(k, f)) {
    k.locks.acquiring(*f.lock, HoldMode::exclusive);
    k.locks.acquired(*f.lock, HoldMode::exclusive, false);
    co_return true;
  }
  FolioLock& lock = *f.lock;
  k.locks.acquiring(lock, HoldMode::exclusive);
  k.locks.contended(lock, HoldMode::exclusive);
  Waiter waiter;
  waiter.task = &k.engine.current();
  lock.waiters.push(waiter);
  bool taken = false;
  while (!taken) {
    if (killable && k.locks.signal_pending(*waiter.task)) break;
    const Nanos end = lock.io_end;
    waiter.task->wait_is_signalable = killable;
    k.locks.begin_wait(lock, HoldMode::exclusive, end.v != 0);
    if (end.v != 0) {
      co_await k.engine.block_until(end);
    } else {
      co_await k.engine.block();
    }
    k.locks.end_wait(*waiter.task);
    waiter.task->wait_is_signalable = false;
    settle(k, f);
    taken = take(k, f);
  }
  lock.waiters.remove(waiter);
  if (taken) {
    k.locks.acquired(lock, HoldMode::exclusive, true);
  } else {
    k.locks.abandoned(lock);
    drop_lock_object(k, f);
  }
  co_return taken;
}

}  // namespace faultline
