// What an operation that moves a file's blocks does to its DAX entries: making sure that nobody
// still uses the pages, and removing entries. Linux 6.12 fs/dax.c dax_layout_busy_page_range,
// dax_delete_mapping_entry; 7.1 dax_break_layout, dax_delete_mapping_range. Left out: waiting for
// pinned pages, which nothing here pins.
#include <cerrno>

#include "kernel/fs/dax.hpp"
#include "kernel/mm/memory.hpp"

namespace faultline {

namespace {

constexpr unsigned XA_CHECK_SCHED = 4096;

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
  const std::uint64_t first = index.v & ~((1ULL << order) - 1);
  mapping.i_pages.store(first, order, 0);
  mapping.nrpages -= 1ULL << order;
  k.engine.charge(k.costs.dax_entry_insert);
  dax_wake_entry(k, mapping, index, entry, missed);
  co_return true;
}

// dax_layout_busy_page_range(): unmaps the range, so that fast GUP finds nothing any more, then
// looks at each entry. No page is ever pinned here, so none is busy.
Path<void> dax_layout_busy_page_range(Kernel& k, address_space& mapping, Pgoff first, Pgoff last) {
  if (mapping.i_mmap.empty()) co_return;
  const std::uint64_t nr = last.v == ~0ULL && first.v == 0 ? 0 : last - first + 1;
  co_await unmap_mapping_pages(k, mapping, first, nr, false);
  co_await spin_lock(mapping.xa_lock);
  unsigned scanned = 0;
  std::uint64_t where = 0;
  for (std::uint64_t index = first.v; dax_next_entry(mapping.i_pages, index, last.v, where) != 0;) {
    bool conflict = false;
    const XaEntry entry = co_await get_unlocked_entry(k, mapping, Pgoff(where), 0, &conflict);
    if (entry != 0) dax_wake_entry(k, mapping, Pgoff(where), entry, WakeMode::next);
    k.engine.charge(k.costs.dax_entry_lock);
    if (index > last.v || index == 0) break;
    if (++scanned % XA_CHECK_SCHED != 0) continue;
    spin_unlock(mapping.xa_lock);
    co_await spin_lock(mapping.xa_lock);
  }
  spin_unlock(mapping.xa_lock);
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
                                    std::uint64_t end) {
  if (!mapping.host->dax) co_return 0;
  const Pgoff first(start >> PAGE_SHIFT);
  const Pgoff last(end == ~0ULL ? ~0ULL : end >> PAGE_SHIFT);
  co_await dax_layout_busy_page_range(k, mapping, first, last);
  if (k.profile.dax_folios) co_await dax_delete_mapping_range(k, mapping, first, last);
  co_return 0;
}

}  // namespace faultline
