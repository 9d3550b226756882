// What an operation that moves a file's blocks does to its DAX entries: making sure that nobody
// still uses the pages, and removing entries. Linux 6.12 fs/dax.c dax_layout_busy_page_range,
// dax_delete_mapping_entry; 7.1 dax_break_layout, dax_delete_mapping_range.
#include <cerrno>

#include "kernel/fs/dax.hpp"
#include "kernel/mm/memory.hpp"

namespace faultline {

namespace {

constexpr unsigned XA_CHECK_SCHED = 4096;

// dax_busy_page(): an entry of zeros stands for no page of the device.
std::optional<Pfn> dax_busy_page(const Kernel& k, XaEntry entry) {
  const bool block =
      entry != 0 && !dax_is_zero_entry(entry) && !dax_is_empty_entry(entry) && !dax_is_page(entry);
  if (!block || !k.pins.any(dax_to_pfn(entry), 1ULL << dax_entry_order(entry))) return {};
  return k.pins.counts.lower_bound(dax_to_pfn(entry))->first;
}

// With i_pages held: waits for the entry's lock, then takes it out. False: it is gone already.
HelperPath<bool> delete_entry(Kernel& k, address_space& mapping, Pgoff index, WakeMode missed) {
  bool conflict = false;
  const XaEntry entry = co_await get_unlocked_entry(k, mapping, index, 0, &conflict);
  if (entry == 0) co_return false;
  if (dax_is_page(entry)) {
    spin_unlock(mapping.xa_lock);
    co_await dax_drop_hole_page(k, mapping, index);
    co_await spin_lock(mapping.xa_lock);
    co_return true;
  }
  const unsigned order = dax_entry_order(entry);
  // dax_disassociate_entry(); kernels that do not look for pinned pages do not warn either.
  if (k.profile.breaks_busy_layouts && dax_busy_page(k, entry)) {
    k.warn_on_once("dax_disassociate_entry: a page that is pinned leaves its file");
  }
  const std::uint64_t first = index.v & ~((1ULL << order) - 1);
  mapping.i_pages.store(first, order, 0);
  mapping.nrpages -= 1ULL << order;
  k.engine.charge(k.costs.dax_entry_insert);
  dax_wake_entry(k, mapping, index, entry, missed);
  co_return true;
}

// wait_page_idle(): who unpins wakes everybody; each looks at its own page. -ERESTARTSYS when a
// signal has ended the wait, which only one in TASK_INTERRUPTIBLE has.
HelperPath<std::int64_t> wait_page_idle(Kernel& k, inode& host, Pfn page, const IdleWait& wait) {
  Task& current = k.engine.current();
  while (k.pins.any(page, 1)) {
    if (wait.interruptible && signal_pending(k.current())) co_return -ERESTARTSYS;
    k.pins.waiters.push_back(&current);
    co_await wait.sleep(k, host);
    std::erase(k.pins.waiters, &current);
  }
  co_return 0;
}

// dax_delete_mapping_range(): all entries of the range under one hold of i_pages.
Path<void> dax_delete_mapping_range(Kernel& k, address_space& mapping, Pgoff first, Pgoff last) {
  co_await spin_lock(mapping.xa_lock);
  std::uint64_t where = 0;
  for (std::uint64_t index = first.v; dax_next_entry(mapping.i_pages, index, last.v, where) != 0;) {
    co_await delete_entry(k, mapping, Pgoff(where), WakeMode::all);
    if (index > last.v || index == 0) break;
  }
  spin_unlock(mapping.xa_lock);
}

}  // namespace

// The range is unmapped first, so that fast GUP finds nothing any more; then each entry is looked
// at.
Path<std::optional<Pfn>> dax_layout_busy_page_range(Kernel& k, address_space& mapping, Pgoff first,
                                                    Pgoff last) {
  std::optional<Pfn> busy;
  if (mapping.i_mmap.empty() && (k.profile.busy_scan_needs_mapping || k.pins.counts.empty())) {
    co_return busy;
  }
  const std::uint64_t nr = last.v == ~0ULL && first.v == 0 ? 0 : last - first + 1;
  co_await unmap_mapping_pages(k, mapping, first, nr, false);
  co_await spin_lock(mapping.xa_lock);
  unsigned scanned = 0;
  std::uint64_t where = 0;
  for (std::uint64_t index = first.v; dax_next_entry(mapping.i_pages, index, last.v, where) != 0;) {
    bool conflict = false;
    const XaEntry entry = co_await get_unlocked_entry(k, mapping, Pgoff(where), 0, &conflict);
    busy = dax_busy_page(k, entry);
    if (entry != 0) dax_wake_entry(k, mapping, Pgoff(where), entry, WakeMode::next);
    k.engine.charge(k.costs.dax_entry_lock);
    if (busy || index > last.v || index == 0) break;
    if (++scanned % XA_CHECK_SCHED != 0) continue;
    spin_unlock(mapping.xa_lock);
    co_await spin_lock(mapping.xa_lock);
  }
  spin_unlock(mapping.xa_lock);
  co_return busy;
}

Path<void> dax_delete_mapping_entries(Kernel& k, address_space& mapping, Pgoff first, Pgoff last) {
  std::uint64_t where = 0;
  for (std::uint64_t index = first.v; dax_next_entry(mapping.i_pages, index, last.v, where) != 0;) {
    co_await spin_lock(mapping.xa_lock);
    co_await delete_entry(k, mapping, Pgoff(where), WakeMode::all);
    spin_unlock(mapping.xa_lock);
    if (index > last.v || index == 0) break;
  }
}

Path<std::int64_t> dax_break_layout(Kernel& k, address_space& mapping, std::uint64_t start,
                                    std::uint64_t end, IdleWait wait) {
  if (!mapping.host->dax) co_return 0;
  const Pgoff first(start >> PAGE_SHIFT);
  const Pgoff last(end == ~0ULL ? ~0ULL : end >> PAGE_SHIFT);
  for (;;) {
    const std::optional<Pfn> busy = co_await dax_layout_busy_page_range(k, mapping, first, last);
    if (!busy) break;
    const std::int64_t error = co_await wait_page_idle(k, *mapping.host, *busy, wait);
    if (error) co_return error;
  }
  if (k.profile.dax_folios) co_await dax_delete_mapping_range(k, mapping, first, last);
  co_return 0;
}

static Path<void> sleep_until_woken(Kernel& k, inode&) { co_await k.engine.block(); }

Path<void> dax_break_layout_final(Kernel& k, inode& host) {
  const IdleWait wait{sleep_until_woken, false};
  co_await dax_break_layout(k, host.i_data, 0, ~0ULL, wait);
}

}  // namespace faultline
