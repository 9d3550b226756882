// Mapping pages that a driver owns: each gets a reference, counts for rss and can be found by rmap.
// Linux 6.12 and 7.1 mm/memory.c insert_page, insert_pages and what calls them. Pages that were
// mapped before a failure stay: the caller unmaps the VMA.
#include <algorithm>
#include <cerrno>

#include "kernel/mm/memory.hpp"
#include "kernel/mm/memory_map.hpp"
#include "kernel/mm/mmap_lock.hpp"

namespace faultline {

namespace {
constexpr std::uint64_t batch_pages = 8;  // entries per hold of the page-table lock
}  // namespace

// Zero pages cannot be told apart later: only where they never become writable by a fault.
static bool vm_mixed_zeropage_allowed(const vm_area_struct& vma) {
  if (is_cow_mapping(vma.vm_flags)) return true;
  if (!(vma.vm_flags & (VM_WRITE | VM_MAYWRITE))) return true;
  const bool dax = vma.vm_file && vma.vm_file->f_inode->dax;
  return vma.vm_ops && vma.vm_ops->pfn_mkwrite && (dax || (vma.vm_flags & VM_IO));
}

static bool is_zero_folio(const Kernel& k, const folio& page) { return page.pfn == k.zero_pfn; }

static std::int64_t validate_page_before_insert(const Kernel& k, const vm_area_struct& vma,
                                                const folio& page) {
  if (is_zero_folio(k, page)) return vm_mixed_zeropage_allowed(vma) ? 0 : -EINVAL;
  if (page.refs == 0) return -EINVAL;
  return page.typed ? -EINVAL : 0;
}

static std::int64_t insert_page_into_pte_locked(Kernel& k, vm_area_struct& vma, pte_ptr slot,
                                                Vaddr addr, folio& page, pgprot_t prot) {
  if (!pte_none(*slot)) return -EBUSY;
  pte_t entry = mk_pte(page.pfn, prot);
  if (is_zero_folio(k, page)) {
    entry = pte_mkspecial(entry);
  } else {
    ++page.refs;
    ++page.mapcount;
    ++mm_counter_file(*vma.vm_mm, page);
  }
  k.engine.charge(k.costs.pte_install);
  set_pte(slot, entry);
  note_pte_set(k, addr, entry.v, 0);
  return 0;
}

// One hold of the lock; `*done` says how many entries were made.
static Path<std::int64_t> insert_page_batch(Kernel& k, vm_area_struct& vma, pmd_ptr pmd, Vaddr addr,
                                            folio* const* pages, std::uint64_t count, pgprot_t prot,
                                            std::uint64_t* done) {
  mm_struct& mm = *vma.vm_mm;
  spinlock_t& ptl = pte_lockptr(k, mm, pmd);
  co_await spin_lock(ptl);
  std::int64_t error = 0;
  for (std::uint64_t i = 0; i < count && !error; ++i, addr += PAGE_SIZE) {
    folio& page = *pages[i];
    error = validate_page_before_insert(k, vma, page);
    if (error) break;
    const pte_ptr slot = mm.pgtables->pte_offset(pmd, addr);
    error = insert_page_into_pte_locked(k, vma, slot, addr, page, prot);
    if (!error) ++*done;
  }
  spin_unlock(ptl);
  co_return error;
}

static Path<std::int64_t> insert_pages(Kernel& k, vm_area_struct& vma, Vaddr addr,
                                       folio* const* pages, std::uint64_t* num, pgprot_t prot) {
  mm_struct& mm = *vma.vm_mm;
  std::uint64_t done = 0;
  std::int64_t error = 0;
  do {
    const Vaddr at = addr + (done << PAGE_SHIFT);
    const pmd_ptr pmd = co_await walk_to_pmd(k, mm, at);
    if (!pmd) {
      error = -EFAULT;
      break;
    }
    if (pmd_none(*pmd)) {
      const vm_fault_t oom = co_await __pte_alloc(k, mm, pmd);
      if (oom) {
        error = -ENOMEM;
        break;
      }
    }
    const std::uint64_t in_table = 512 - ((at.v >> PAGE_SHIFT) & 511);
    const std::uint64_t end = done + std::min(*num - done, in_table);
    while (done < end && !error) {
      const std::uint64_t count = std::min(end - done, batch_pages);
      const Vaddr from((addr + (done << PAGE_SHIFT)).v & PAGE_MASK);
      error = co_await insert_page_batch(k, vma, pmd, from, pages + done, count, prot, &done);
    }
  } while (done < *num && !error);
  *num -= done;
  co_return error;
}

// The caller must have the mmap lock for writing: a reader's attempt has to fail.
static HelperPath<void> assert_mixedmap_may_be_set(Kernel& k, mm_struct& mm, vm_flags_t flags,
                                                   bool fatal) {
  const bool taken = co_await mmap_read_trylock(k, mm);
  if (taken) {
    mmap_read_unlock(k, mm);
    if (fatal) co_await k.bug("vm_insert_page: the mmap lock is not held for writing");
    k.warn_on_once("pages are inserted without the mmap lock held for writing");
  }
  if (!(flags & VM_PFNMAP)) co_return;
  if (fatal) co_await k.bug("vm_insert_page: the VMA is one of PFNs");
  k.warn_on_once("pages are inserted into a VMA of PFNs");
}

// vm_flags_set(): the VMA is write-locked first.
static Path<void> make_mixedmap(Kernel& k, vm_area_struct& vma, bool fatal) {
  if (vma.vm_flags & VM_MIXEDMAP) co_return;
  if (fatal || k.profile.debug_vm) {
    co_await assert_mixedmap_may_be_set(k, *vma.vm_mm, vma.vm_flags, fatal);
  }
  co_await vma_start_write(k, vma);
  vma.vm_flags |= VM_MIXEDMAP;
}

Path<std::int64_t> map_kernel_pages_prepare(Kernel& k, vm_area_desc& desc) {
  const mmap_action& action = desc.action;
  if (!(desc.vm_flags & VM_MIXEDMAP)) {
    if (k.profile.debug_vm) {
      co_await assert_mixedmap_may_be_set(k, *desc.mm, desc.vm_flags, false);
    }
    desc.vm_flags |= VM_MIXEDMAP;
  }
  const Vaddr end = action.start + (action.nr_pages << PAGE_SHIFT);
  co_return action.start < desc.start || desc.end < end ? -EFAULT : 0;
}

Path<std::int64_t> map_kernel_pages_complete(Kernel& k, vm_area_struct& vma,
                                             const mmap_action& action) {
  std::uint64_t num = action.nr_pages;
  const std::int64_t error =
      co_await insert_pages(k, vma, action.start, action.pages, &num, vma.vm_page_prot);
  co_return error;
}

static Path<std::int64_t> insert_page(Kernel& k, vm_area_struct& vma, Vaddr addr, folio& page) {
  mm_struct& mm = *vma.vm_mm;
  if (const std::int64_t error = validate_page_before_insert(k, vma, page)) co_return error;
  const pmd_ptr pmd = co_await walk_to_pmd(k, mm, addr);
  if (!pmd) co_return -ENOMEM;
  if (pmd_none(*pmd)) {
    const vm_fault_t oom = co_await __pte_alloc(k, mm, pmd);
    if (oom) co_return -ENOMEM;
  }
  spinlock_t& ptl = pte_lockptr(k, mm, pmd);
  co_await spin_lock(ptl);
  const pte_ptr slot = mm.pgtables->pte_offset(pmd, addr);
  const std::int64_t error =
      insert_page_into_pte_locked(k, vma, slot, addr, page, vma.vm_page_prot);
  spin_unlock(ptl);
  co_return error;
}

Path<std::int64_t> vm_insert_page(Kernel& k, vm_area_struct& vma, Vaddr addr, folio& page) {
  if (addr < vma.vm_start || addr >= vma.vm_end) co_return -EFAULT;
  co_await make_mixedmap(k, vma, true);
  const std::int64_t error = co_await insert_page(k, vma, addr, page);
  co_return error;
}

Path<std::int64_t> vm_insert_pages(Kernel& k, vm_area_struct& vma, Vaddr addr, folio* const* pages,
                                   std::uint64_t* num) {
  const Vaddr end = addr + (*num << PAGE_SHIFT);
  if (addr < vma.vm_start || vma.vm_end < end) co_return -EFAULT;
  co_await make_mixedmap(k, vma, k.profile.insert_pages_asserts == InsertAsserts::bug);
  const std::int64_t error = co_await insert_pages(k, vma, addr, pages, num, vma.vm_page_prot);
  co_return error;
}

Path<std::int64_t> vm_map_pages(Kernel& k, vm_area_struct& vma, folio* const* pages,
                                std::uint64_t num) {
  const std::uint64_t offset = vma.vm_pgoff.v;
  std::uint64_t count = vma_pages(vma);
  if (offset >= num || count > num - offset) co_return -ENXIO;
  Vaddr addr = vma.vm_start;
  for (std::uint64_t i = 0; i < count; ++i, addr += PAGE_SIZE) {
    const std::int64_t error = co_await vm_insert_page(k, vma, addr, *pages[offset + i]);
    if (error) co_return error;
  }
  co_return 0;
}

}  // namespace faultline
