// Pins: without a lock as far as the page tables show the pages (GUP-fast), then with mmap_lock and
// faults. Linux 6.12 mm/gup.c gup_fast_pte_range, __get_user_pages_locked, check_vma_flags. Pages
// of the page cache and anonymous ones are kept by a reference, zero pages need none. A page that
// is pinned to be read must stay the one that the process sees, so one that a fork may have shared
// is first made its own (FAULT_FLAG_UNSHARE). Left out: migration before a long-term pin.
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

bool is_anonymous_page(Kernel& k, const SeenPage& seen) {
  return !is_zero_page(k, seen.pfn) && !(seen.entry & PTE_SPECIAL) && !k.pmem_of(seen.pfn) &&
         !k.folios.of(seen.pfn);
}

bool is_cow_mapping(vm_flags_t flags) { return (flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE; }

// gup_must_unshare(): whether the process might be given another page by its next store, so that
// this one must not be pinned for reading. Without a VMA it is answered with care.
bool gup_must_unshare(Kernel& k, const vm_area_struct* vma, const SeenPage& seen, PinFlags flags) {
  if (flags.write || (seen.entry & PTE_RW)) return false;
  if (is_anonymous_page(k, seen)) return (seen.entry & PTE_SHARED_ANON) != 0;
  return flags.longterm && (!vma || is_cow_mapping(vma->vm_flags));
}

// try_grab_folio().
void grab_page(Kernel& k, mm_struct& mm, const SeenPage& seen) {
  if (is_zero_page(k, seen.pfn)) return;
  if (folio* const f = k.folios.of(seen.pfn)) {
    folio_get(*f);
    return;
  }
  if (!k.pmem_of(seen.pfn)) k.frames.get(seen.pfn);
  mm.has_pinned = true;
  ++k.pins.counts[seen.pfn];
}

void drop_page(Kernel& k, Pfn pfn) {
  if (is_zero_page(k, pfn)) return;
  if (folio* const f = k.folios.of(pfn)) {
    folio_put(k, *f);
    return;
  }
  const auto count = k.pins.counts.find(pfn);
  const bool last = --count->second == 0;
  if (last) k.pins.counts.erase(count);
  if (!k.pmem_of(pfn)) k.frames.put(pfn);
  if (!last) return;
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
  if (gup_must_unshare(k, nullptr, *seen, flags)) co_return false;
  grab_page(k, mm, *seen);
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

// follow_page_mask(): an entry that stands for a table that is not there is seen without its lock;
// any other under the lock of its table. 0: no page there yet, 1: held, -EMLINK: a page that has to
// be unshared first.
Path<std::int64_t> follow_page_mask(Kernel& k, vm_area_struct& vma, Vaddr address, PinFlags flags) {
  mm_struct& mm = *vma.vm_mm;
  const EntryAt at = mm.pgtables->lookup(address);
  const bool no_table = at.level != PtLevel::pte && *at.entry == 0;
  if (at.level > PtLevel::pud || no_table) co_return 0;
  spinlock_t& ptl =
      at.level == PtLevel::pud ? pud_lockptr(mm) : ptlock_of(k, *TablePool::table_of(at.entry));
  co_await spin_lock(ptl);
  std::int64_t result = 0;
  const std::optional<SeenPage> seen = page_at(mm, address, flags.write);
  if (seen && gup_must_unshare(k, &vma, *seen, flags)) {
    result = -EMLINK;
  } else if (seen) {
    grab_page(k, mm, *seen);
    remember(k, mm, address, seen->pfn);
    result = 1;
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
  if (found != 0 && found != -EMLINK) co_return found;
  if (fatal_signal_pending(k.current())) co_return -EINTR;
  std::uint32_t fault = FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE;
  if (flags.write) fault |= FAULT_FLAG_WRITE;
  if (found == -EMLINK) fault |= FAULT_FLAG_UNSHARE;
  const vm_fault_t ret = co_await handle_mm_fault(k, *vma, address, fault);
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

void unpin(Kernel& k, std::multimap<std::pair<std::uint32_t, std::uint64_t>, Pfn>::iterator pin) {
  const Vaddr at(pin->first.second);
  const Pfn pfn = pin->second;
  k.pins.by_address.erase(pin);
  drop_page(k, pfn);
  k.trace<Event::sim_unpin>(at, pfn, pins_of(k, pfn));
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
    unpin(k, pin);
    result = 0;
  }
  co_return result;
}

void release_pins(Kernel& k, std::uint32_t mm_id) {
  auto& all = k.pins.by_address;
  for (auto pin = all.lower_bound({mm_id, 0}); pin != all.end() && pin->first.first == mm_id;) {
    unpin(k, pin++);
  }
}

}  // namespace faultline
