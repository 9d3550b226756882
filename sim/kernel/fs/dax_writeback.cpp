// Write-back of a DAX file: the data are in place, so what is left is to make stores to them fault
// again and to flush the cache lines. Linux 6.12 fs/dax.c dax_writeback_mapping_range,
// dax_writeback_one. The dirty mark goes last: nothing can become dirty after the flush, since
// stores fault and wait for the entry's lock.
#include <vector>

#include "kernel/fs/dax.hpp"
#include "kernel/mm/rmap.hpp"

namespace faultline {

namespace {

// dax_flush(): the frames' cache lines are written back. The locked instruction that takes i_pages
// right after it waits for them, so they are durable then, wherever the task goes on.
void dax_flush(Kernel& k, Pfn pfn, std::uint64_t bytes) {
  PmemDevice* const device = k.pmem_of(pfn);
  if (!device) return;
  const std::uint64_t at = (pfn - device->first_pfn()) << PAGE_SHIFT;
  device->content().write_back(at, bytes);
  k.engine.charge(device->write_back(k.now(), bytes / 64));
}

// With i_pages held, which is released meanwhile. `entry` is what the scan found at `index`.
HelperPath<void> dax_writeback_one(Kernel& k, address_space& mapping, Pgoff index, XaEntry entry) {
  if (dax_is_locked(entry)) {
    const Pfn before = dax_to_pfn(entry);
    bool conflict = false;
    entry = co_await get_unlocked_entry(k, mapping, index, 0, &conflict);
    const bool same = entry != 0 && dax_to_pfn(entry) == before &&
                      mapping.i_pages.get_mark(index.v, XaMark::towrite);
    if (!same) {
      // Punched out, replaced, or written back by another fsync: hand the wake-up on.
      if (entry != 0) dax_wake_entry(k, mapping, index, entry, WakeMode::next);
      co_return;
    }
  }
  const unsigned order = dax_entry_order(entry);
  const Pgoff first(index.v & ~((1ULL << order) - 1));
  const std::uint64_t count = 1ULL << order;
  dax_lock_entry(k, mapping, first, entry);
  mapping.i_pages.clear_mark(first.v, order, XaMark::towrite);
  k.locks.bit_set(dax_entry_lock(k, mapping, first, entry));
  spin_unlock(mapping.xa_lock);
  co_await pfn_mkclean(k, mapping, dax_to_pfn(entry), first, count);
  dax_flush(k, dax_to_pfn(entry), count << PAGE_SHIFT);
  co_await spin_lock(mapping.xa_lock);
  k.locks.bit_cleared(dax_entry_lock(k, mapping, first, entry));
  mapping.i_pages.clear_mark(first.v, order, XaMark::dirty);
  dax_clear_lock(k, mapping, first, entry);
  k.trace<Event::dax_writeback_one>(mapping.host->i_sb->s_dev, mapping.host->i_ino, first.v, count);
}

}  // namespace

Path<std::int64_t> dax_writeback_mapping_range(Kernel& k, address_space& mapping,
                                               std::uint64_t start, std::uint64_t end) {
  const inode& host = *mapping.host;
  const std::uint64_t first = start >> PAGE_SHIFT;
  const std::uint64_t last = end >> PAGE_SHIFT;
  k.trace<Event::dax_writeback_range>(host.i_sb->s_dev, host.i_ino, first, last);
  // tag_pages_for_writeback(): what becomes dirty from now on is the next caller's.
  std::vector<std::uint64_t> found;
  co_await spin_lock(mapping.xa_lock);
  mapping.i_pages.for_each(first, last, [&](std::uint64_t index, XaEntry entry) {
    if (!mapping.i_pages.get_mark(index, XaMark::dirty)) return;
    const unsigned order = dax_entry_order(entry);
    const std::uint64_t at = index & ~((1ULL << order) - 1);
    if (!found.empty() && found.back() == at) return;
    found.push_back(at);
  });
  for (const std::uint64_t index : found) {
    mapping.i_pages.set_mark(index, dax_entry_order(mapping.i_pages.load(index)), XaMark::towrite);
  }
  spin_unlock(mapping.xa_lock);
  co_await spin_lock(mapping.xa_lock);
  for (const std::uint64_t index : found) {
    const XaEntry entry = mapping.i_pages.load(index);
    if (entry == 0 || !mapping.i_pages.get_mark(index, XaMark::towrite)) continue;
    co_await dax_writeback_one(k, mapping, Pgoff(index), entry);
  }
  spin_unlock(mapping.xa_lock);
  k.trace<Event::dax_writeback_range_done>(host.i_sb->s_dev, host.i_ino, 1ULL << 6, last);
  co_return 0;
}

}  // namespace faultline
