// Mapping frames that have no page: special entries, without reference, count or rss. Linux 6.12
// and 7.1 mm/memory.c remap_pfn_range and its parts; mm/pat of x86, as far as it reserves a whole
// VMA's frames.
#include <cerrno>

#include "kernel/mm/memory.hpp"
#include "kernel/mm/memory_map.hpp"
#include "kernel/mm/mmap_action.hpp"
#include "kernel/mm/mmap_lock.hpp"

namespace faultline {

namespace {
constexpr vm_flags_t VM_REMAP_FLAGS = VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP;

constexpr std::uint64_t page_align(std::uint64_t n) { return (n + PAGE_SIZE - 1) & PAGE_MASK; }
}  // namespace

bool pfn_modify_allowed(Kernel& k, Pfn pfn, pgprot_t prot) {
  // Only entries that are not present are read speculatively past the limit (L1TF).
  const std::uint64_t limit = k.profile.l1tf_pfn_limit;
  const bool inverted = prot.v != 0 && !(prot.v & PTE_P);
  if (limit == 0 || !inverted || pfn.v < limit) return true;
  return capable(k.current(), CAP_SYS_ADMIN);
}

std::int64_t remap_pfn_range_prepare(Kernel& k, vm_area_desc& desc) {
  mmap_action& action = desc.action;
  const Vaddr end = action.start + action.size;
  const RemapChecks checks = k.profile.remap_prepare_checks;
  if (checks == RemapChecks::range && (action.start < desc.start || desc.end < end)) {
    return -EFAULT;
  }
  if (is_cow_mapping(desc.vm_flags)) {
    const bool whole = action.start == desc.start && end == desc.end;
    if (checks != RemapChecks::none && !whole) return -EINVAL;
    desc.pgoff = Pgoff(action.start_pfn.v);
  }
  desc.vm_flags |= VM_REMAP_FLAGS;
  action.type = MmapAction::remap_pfn;
  return 0;
}

// All entries of one table, under its lock.
static Path<std::int64_t> remap_pte_range(Kernel& k, mm_struct& mm, pmd_ptr pmd, Vaddr addr,
                                          Vaddr end, Pfn pfn, pgprot_t prot) {
  if (pmd_none(*pmd)) {
    const vm_fault_t oom = co_await __pte_alloc(k, mm, pmd);
    if (oom) co_return -ENOMEM;
  }
  spinlock_t& ptl = pte_lockptr(k, mm, pmd);
  co_await spin_lock(ptl);
  std::int64_t error = 0;
  for (; addr < end; addr += PAGE_SIZE, ++pfn) {
    const pte_ptr slot = mm.pgtables->pte_offset(pmd, addr);
    if (!pte_none(*slot)) {
      co_await k.bug("remap_pfn_range: an entry is there already");
    }
    if (!pfn_modify_allowed(k, pfn, prot)) {
      error = -EACCES;
      break;
    }
    const pte_t entry = pte_mkspecial(pfn_pte(pfn, prot));
    k.engine.charge(k.costs.pte_install);
    set_pte(slot, entry);
    note_pte_set(k, addr, entry.v, 0);
  }
  spin_unlock(ptl);
  co_return error;
}

static Path<std::int64_t> remap_pfn_range_internal(Kernel& k, vm_area_struct& vma, Vaddr addr,
                                                   Pfn pfn, std::uint64_t size, pgprot_t prot) {
  mm_struct& mm = *vma.vm_mm;
  const Vaddr end = addr + page_align(size);
  if (addr >= end) co_await k.bug("remap_pfn_range: an empty range");
  if ((vma.vm_flags & VM_REMAP_FLAGS) != VM_REMAP_FLAGS && k.profile.debug_vm) {
    k.warn_on_once("remap_pfn_range: the VMA has not the flags of a range of frames");
  }
  while (addr < end) {
    const pmd_ptr pmd = co_await walk_to_pmd(k, mm, addr);
    if (!pmd) co_return -ENOMEM;
    const Vaddr boundary((addr.v + PMD_SIZE) & PMD_MASK);
    const Vaddr next = boundary < end ? boundary : end;
    const std::int64_t error = co_await remap_pte_range(k, mm, pmd, addr, next, pfn, prot);
    if (error) co_return error;
    pfn += (next - addr) >> PAGE_SHIFT;
    addr = next;
  }
  co_return 0;
}

// Half of a range must not stay: who fails has mapped nothing.
static Path<std::int64_t> remap_pfn_range_notrack(Kernel& k, vm_area_struct& vma, Vaddr addr,
                                                  Pfn pfn, std::uint64_t size, pgprot_t prot) {
  const std::int64_t error = co_await remap_pfn_range_internal(k, vma, addr, pfn, size, prot);
  if (error) co_await zap_page_range_single(k, vma, addr, addr + page_align(size));
  co_return error;
}

// Reserves the frames of a mapping of the whole VMA, so that no other cache mode can be asked for.
static Path<std::int64_t> pfnmap_track(Kernel& k, vm_area_struct& vma, Vaddr addr, Pfn pfn,
                                       std::uint64_t size) {
  const bool whole = addr == vma.vm_start && addr + page_align(size) == vma.vm_end;
  if (!whole) co_return 0;
  const bool context = k.profile.pfnmap_tracking == PfnmapTracking::context;
  if (context && vma.pfnmap_tracked) co_return -EINVAL;
  if (context || !k.frames.is_dram(pfn)) k.might_alloc();
  vma.pfnmap_tracked = true;
  co_return 0;
}

static Path<std::int64_t> remap_pfn_range_track(Kernel& k, vm_area_struct& vma, Vaddr addr, Pfn pfn,
                                                std::uint64_t size, pgprot_t prot) {
  std::int64_t error = co_await pfnmap_track(k, vma, addr, pfn, size);
  if (error) co_return error;
  error = co_await remap_pfn_range_notrack(k, vma, addr, pfn, size, prot);
  co_return error;
}

Path<std::int64_t> remap_pfn_range_complete(Kernel& k, vm_area_struct& vma,
                                            const mmap_action& action) {
  if (action.start.v & ~PAGE_MASK) {
    k.warn_on_once("remap_pfn_range: the start is not page aligned");
    co_return -EINVAL;
  }
  const bool whole = action.start == vma.vm_start && action.start + action.size == vma.vm_end;
  if (is_cow_mapping(vma.vm_flags) && !whole) co_return -EINVAL;
  const std::int64_t error = co_await remap_pfn_range_track(k, vma, action.start, action.start_pfn,
                                                            action.size, action.pgprot);
  co_return error;
}

Path<std::int64_t> remap_pfn_range(Kernel& k, vm_area_struct& vma, Vaddr addr, Pfn pfn,
                                   std::uint64_t size, pgprot_t prot) {
  if (addr.v & ~PAGE_MASK) {
    k.warn_on_once("remap_pfn_range: the start is not page aligned");
    co_return -EINVAL;
  }
  if (is_cow_mapping(vma.vm_flags)) {
    const Vaddr end = addr + page_align(size);
    if (addr != vma.vm_start || end != vma.vm_end) co_return -EINVAL;
    vma.vm_pgoff = Pgoff(pfn.v);
  }
  co_await vma_start_write(k, vma);
  vma.vm_flags |= VM_REMAP_FLAGS;
  const std::int64_t error = co_await remap_pfn_range_track(k, vma, addr, pfn, size, prot);
  co_return error;
}

Path<std::int64_t> vm_iomap_memory(Kernel& k, vm_area_struct& vma, std::uint64_t phys,
                                   std::uint64_t size) {
  Pfn pfn;
  std::int64_t error = iomap_window(phys, size, vma.vm_pgoff, vma_pages(vma), &pfn);
  if (error) co_return error;
  error = co_await remap_pfn_range(k, vma, vma.vm_start, pfn, vma.vm_end - vma.vm_start,
                                   vma.vm_page_prot);
  co_return error;
}

Path<void> untrack_pfn(Kernel& k, vm_area_struct& vma) {
  mm_struct& mm = *vma.vm_mm;
  vma.pfnmap_tracked = false;
  const EntryAt at = mm.pgtables->lookup(vma.vm_start);
  if (at.level != PtLevel::pte) co_return;
  const PageTables& tables = *mm.pgtables;
  const p4d_ptr p4d = tables.p4d_offset(tables.pgd_offset(vma.vm_start), vma.vm_start);
  const pmd_ptr pmd = tables.pmd_offset(tables.pud_offset(p4d, vma.vm_start), vma.vm_start);
  spinlock_t& ptl = pte_lockptr(k, mm, pmd);
  co_await spin_lock(ptl);
  spin_unlock(ptl);
}

Path<pmd_ptr> walk_to_pmd(Kernel& k, mm_struct& mm, Vaddr addr) {
  const pgd_ptr pgd = mm.pgtables->pgd_offset(addr);
  if (mm.pgtables->pgd_none(*pgd)) {
    const vm_fault_t oom = co_await __p4d_alloc(k, mm, pgd);
    if (oom) co_return pmd_ptr();
  }
  const p4d_ptr p4d = mm.pgtables->p4d_offset(pgd, addr);
  if (p4d_none(*p4d)) {
    const vm_fault_t oom = co_await __pud_alloc(k, mm, p4d);
    if (oom) co_return pmd_ptr();
  }
  const pud_ptr pud = mm.pgtables->pud_offset(p4d, addr);
  if (pud_none(*pud)) {
    const vm_fault_t oom = co_await __pmd_alloc(k, mm, pud);
    if (oom) co_return pmd_ptr();
  }
  co_return mm.pgtables->pmd_offset(pud, addr);
}

}  // namespace faultline
