// Pins: without a lock as far as the page tables show the pages (GUP-fast), then with mmap_lock and
// faults. Linux 6.12 mm/gup.c gup_fast_pte_range, __get_user_pages_locked, check_vma_flags. Pages
// of the page cache are kept by a reference, zero pages need none. Left out: anonymous memory,
// which only a transfer of direct I/O may pin, and without a reference; migration before a
// long-term pin, the end of a process, which would let its drivers unpin.
#include "kernel/mm/gup.hpp"

#include <cerrno>
#include <iterator>

#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"

namespace faultline {

namespace {

/// The page that an entry shows at an address.
struct SeenPage {
  std::uint64_t entry = 0;
  Pfn pfn{};
};

// What the tables show, without any lock; nothing if they do not allow the access.
std::optional<SeenPage> page_at(const mm_struct& mm, Vaddr address, bool write) {
  const EntryAt at = mm.pgtables->lookup(address);
  const std::uint64_t entry = *at.entry;
  const bool leaf = (entry & PTE_P) != 0 && at.level <= PtLevel::pud;
  if (!leaf || (write && !(entry & PTE_RW))) return {};
  if (at.level == PtLevel::pte) return SeenPage{entry, pte_pfn(pte_t{entry})};
  if (at.level == PtLevel::pud) {
    const std::uint64_t inside = (address.v & (PUD_SIZE - 1)) >> PAGE_SHIFT;
    return SeenPage{entry, pud_pfn(pud_t{entry}) + inside};
  }
  const std::uint64_t inside = (address.v & ~PMD_MASK) >> PAGE_SHIFT;
  return SeenPage{entry, pmd_pfn(pmd_t{entry}) + inside};
}

bool is_zero_page(const Kernel& k, Pfn pfn) {
  const std::uint64_t huge = k.huge_zero_pfn ? pfn - *k.huge_zero_pfn : ~0ULL;
  return pfn == k.zero_pfn || huge < (1ULL << PMD_ORDER);
}

// try_grab_folio(): false if it is no page that can be held.
bool try_grab_page(Kernel& k, Pfn pfn, PinFlags flags) {
  if (is_zero_page(k, pfn)) return true;
  if (k.pmem_of(pfn)) {
    ++k.pins.counts[pfn];
    return true;
  }
  if (folio* const f = k.folios.of(pfn)) {
    folio_get(*f);
    return true;
  }
  if (flags.transfer) return true;
  k.unmodelled("pinning anonymous memory; it fails with EFAULT");
  return false;
}

void drop_page(Kernel& k, Pfn pfn) {
  if (is_zero_page(k, pfn)) return;
  if (!k.pmem_of(pfn)) {
    if (folio* const f = k.folios.of(pfn)) folio_put(k, *f);
    return;
  }
  const auto count = k.pins.counts.find(pfn);
  if (--count->second != 0) return;
  k.pins.counts.erase(count);
  for (Task* const waiter : k.pins.waiters) k.engine.wake(*waiter);
  k.pins.waiters.clear();
}

std::uint64_t pins_of(const Kernel& k, Pfn pfn) {
  const auto count = k.pins.counts.find(pfn);
  return count == k.pins.counts.end() ? 0 : count->second;
}

void remember(Kernel& k, const mm_struct& mm, Vaddr address, Pfn pfn) {
  k.pins.by_address.emplace(std::pair{mm.id, address.v}, pfn);
  k.trace<Event::sim_pin>(address, pfn, pins_of(k, pfn));
}

// One page of gup_fast(). It runs with interrupts off, and whoever takes an entry out of the tables
// waits for this CPU to answer a TLB flush: so nobody can look at the references of the page
// between the look at the entry, the reference and the second look at the entry. All three are one
// step.
HelperPath<bool> gup_fast_page(Kernel& k, mm_struct& mm, Vaddr address, PinFlags flags) {
  co_await k.engine.spend(k.costs.walk_cached);
  const std::optional<SeenPage> seen = page_at(mm, address, flags.write);
  if (!seen) co_return false;
  const bool dax = k.pmem_of(seen->pfn) != nullptr;
  if (!dax && (seen->entry & PTE_SPECIAL)) co_return false;
  if (dax && flags.longterm && k.profile.longterm_refuses_fsdax) co_return false;
  if (!dax && !flags.transfer && !k.folios.of(seen->pfn)) co_return false;
  if (!try_grab_page(k, seen->pfn, flags)) co_return false;
  remember(k, mm, address, seen->pfn);
  co_return true;
}

bool vma_is_fsdax(const vm_area_struct& vma) {
  return vma.vm_file && vma.vm_file->f_inode->dax && vma.vm_file->f_inode->xfs;
}

// A store of the device that nobody tells the file system of: pages of a file that tracks them may
// not be held for long. writable_file_mapping_allowed()
bool writable_for_long(const vm_area_struct& vma) {
  const bool tracks = (vma.vm_flags & VM_SHARED) && vma.vm_ops && vma.vm_ops->page_mkwrite;
  return !tracks;
}

std::int64_t check_vma_flags(const Kernel& k, const vm_area_struct& vma, PinFlags flags) {
  if (vma.vm_flags & (VM_IO | VM_PFNMAP)) return -EFAULT;
  const bool judged = flags.longterm && k.profile.longterm_refuses_fsdax;
  if (judged && vma_is_fsdax(vma)) return -EOPNOTSUPP;
  if (flags.write && judged && !writable_for_long(vma)) return -EFAULT;
  return vma.vm_flags & (flags.write ? VM_WRITE : VM_READ) ? 0 : -EFAULT;
}

// follow_page_mask(): under the lock of the entry's table. 0: no page there yet, 1: held.
Path<std::int64_t> follow_page_mask(Kernel& k, vm_area_struct& vma, Vaddr address, PinFlags flags) {
  mm_struct& mm = *vma.vm_mm;
  const EntryAt at = mm.pgtables->lookup(address);
  if (at.level > PtLevel::pud) co_return 0;
  spinlock_t& ptl =
      at.level == PtLevel::pud ? pud_lockptr(mm) : ptlock_of(k, *TablePool::table_of(at.entry));
  co_await spin_lock(ptl);
  std::int64_t result = 0;
  if (const std::optional<SeenPage> seen = page_at(mm, address, flags.write)) {
    result = try_grab_page(k, seen->pfn, flags) ? 1 : -EFAULT;
    if (result == 1) remember(k, mm, address, seen->pfn);
  }
  spin_unlock(ptl);
  co_return result;
}

// One page with mmap_lock held for reading; *locked is false when a fault has dropped it. 0: to be
// tried again, 1: held.
HelperPath<std::int64_t> get_one_page(Kernel& k, mm_struct& mm, Vaddr address, PinFlags flags,
                                      bool* locked) {
  k.engine.charge(k.costs.vma_lookup);
  vm_area_struct* const vma = find_vma(mm, address);
  if (!vma || address < vma->vm_start) co_return -EFAULT;
  if (const std::int64_t error = check_vma_flags(k, *vma, flags)) co_return error;
  const std::int64_t found = co_await follow_page_mask(k, *vma, address, flags);
  if (found != 0) co_return found;
  if (fatal_signal_pending(k.current())) co_return -EINTR;
  const std::uint32_t fault = FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE;
  const vm_fault_t ret =
      co_await handle_mm_fault(k, *vma, address, fault | (flags.write ? FAULT_FLAG_WRITE : 0));
  if (ret & VM_FAULT_OOM) co_return -ENOMEM;
  if (ret & VM_FAULT_ERROR) co_return -EFAULT;
  if (ret & (VM_FAULT_RETRY | VM_FAULT_COMPLETED)) *locked = false;
  co_return 0;
}

Path<std::int64_t> __get_user_pages_locked(Kernel& k, mm_struct& mm, Vaddr start, Vaddr end,
                                           PinFlags flags) {
  bool locked = false;
  std::int64_t error = 0;
  Vaddr address = start;
  while (address < end && !error) {
    if (!locked) co_await mmap_read_lock(k, mm, &locked);
    if (!locked) {  // killed: before the first page that is -EAGAIN
      error = address == start ? -EAGAIN : -EINTR;
      break;
    }
    const std::int64_t got = co_await get_one_page(k, mm, address, flags, &locked);
    if (got == 1) address += PAGE_SIZE;
    if (got < 0) error = got;
  }
  if (locked) mmap_read_unlock(k, mm);
  co_return address == start ? error : static_cast<std::int64_t>((address - start) >> PAGE_SHIFT);
}

}  // namespace

Path<std::int64_t> pin_user_pages_fast(Kernel& k, Vaddr start, std::uint64_t len, PinFlags flags) {
  mm_struct& mm = *k.current().mm;
  const Vaddr first(start.v & PAGE_MASK);
  const Vaddr end((start.v + len + PAGE_SIZE - 1) & PAGE_MASK);
  if (len == 0 || end < first) co_return -EINVAL;
  Vaddr address = first;
  for (; address < end; address += PAGE_SIZE) {
    const bool held = co_await gup_fast_page(k, mm, address, flags);
    if (!held) break;
  }
  const auto fast = static_cast<std::int64_t>((address - first) >> PAGE_SHIFT);
  if (address == end) co_return fast;
  const std::int64_t slow = co_await __get_user_pages_locked(k, mm, address, end, flags);
  if (slow < 0) co_return fast != 0 ? fast : slow;
  co_return fast + slow;
}

Pfn pinned_page(Kernel& k, Vaddr at) {
  const auto range = k.pins.by_address.equal_range({k.current().mm->id, at.v & PAGE_MASK});
  FL_ASSERT(range.first != range.second);
  return std::prev(range.second)->second;
}

Path<std::int64_t> unpin_user_pages(Kernel& k, Vaddr start, std::uint64_t len) {
  co_await k.engine.spend(k.costs.vfs_op);
  const std::uint32_t mm = k.current().mm->id;
  const std::uint64_t end = start.v + len;
  std::int64_t result = -EINVAL;
  for (std::uint64_t at = start.v & PAGE_MASK; at < end; at += PAGE_SIZE) {
    const auto pin = k.pins.by_address.find({mm, at});
    if (pin == k.pins.by_address.end()) continue;
    const Pfn pfn = pin->second;
    k.pins.by_address.erase(pin);
    drop_page(k, pfn);
    k.trace<Event::sim_unpin>(Vaddr(at), pfn, pins_of(k, pfn));
    result = 0;
  }
  co_return result;
}

}  // namespace faultline
