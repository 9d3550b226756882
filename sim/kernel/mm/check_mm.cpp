// The checks, one function each. Not looked at: i_mmap_writable and exact references of open files,
// which the model does not keep; histories (how often a hook was called), which a state cannot
// tell.
#include "kernel/mm/check_mm.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "kernel/mm/vma.hpp"

namespace faultline {

namespace {

using Lines = std::vector<std::string>;

struct Held {
  bool mmap_write = false;  ///< of this mm, by any task
  bool page_tables = false;
};

Held held_locks(const Kernel& k, const mm_struct& mm) {
  Held held;
  for (std::size_t t = 0; t < k.tasks.size(); ++t) {
    const Task& task = k.engine.task(TaskId(static_cast<std::uint32_t>(t)));
    for (const HeldLock& h : k.locks.held(task)) {
      if (h.lock == &mm.mmap_lock && h.mode == HoldMode::exclusive) held.mmap_write = true;
      if (h.lock->cls == k.cls.ptlock) held.page_tables = true;
    }
  }
  return held;
}

std::string range(const vm_area_struct& vma) {
  return fmt::format("[{:#x}, {:#x})", vma.vm_start.v, vma.vm_end.v);
}

// Sorted, apart, aligned, counted.
void check_tree(const mm_struct& mm, Lines& wrong) {
  std::uint64_t count = 0, pages = 0;
  Vaddr end(0);
  for (const vm_area_struct* vma = find_vma(mm, Vaddr(0)); vma; vma = find_vma(mm, vma->vm_end)) {
    ++count;
    pages += vma_pages(*vma);
    if (vma->vm_start >= vma->vm_end || (vma->vm_start.v | vma->vm_end.v) & ~PAGE_MASK) {
      wrong.push_back(fmt::format("mm {}: the VMA {} is empty or unaligned", mm.id, range(*vma)));
      return;
    }
    if (vma->vm_start < end) {
      wrong.push_back(fmt::format("mm {}: the VMA {} overlaps the one before", mm.id, range(*vma)));
    }
    if (vma->detached || vma->unlinked) {
      wrong.push_back(fmt::format("mm {}: the VMA {} in the tree is detached", mm.id, range(*vma)));
    }
    end = vma->vm_end;
  }
  if (count != mm.map_count) {
    wrong.push_back(
        fmt::format("mm {}: map_count is {}, the tree has {} VMAs", mm.id, mm.map_count, count));
  }
  if (pages != mm.total_vm) {
    wrong.push_back(
        fmt::format("mm {}: total_vm is {}, the VMAs have {} pages", mm.id, mm.total_vm, pages));
  }
}

// Each VMA of a file stands once in the i_mmap of that file, which somebody has open.
void check_rmap(const mm_struct& mm, Lines& wrong) {
  for (const vm_area_struct* vma = find_vma(mm, Vaddr(0)); vma; vma = find_vma(mm, vma->vm_end)) {
    if (!vma->vm_file) continue;
    const auto& list = vma->vm_file->f_inode->i_data.i_mmap;
    const auto times = std::count(list.begin(), list.end(), vma);
    if (times != 1) {
      wrong.push_back(fmt::format("mm {}: the VMA {} stands {} times in the reverse map of {}",
                                  mm.id, range(*vma), times, vma->vm_file->f_inode->name));
    }
    if (vma->vm_file->f_count == 0) {
      wrong.push_back(
          fmt::format("mm {}: the file of the VMA {} has no reference", mm.id, range(*vma)));
    }
  }
}

// Present entries below VMAs against the counters. Entries without a page never count.
void check_rss(Kernel& k, const mm_struct& mm, Lines& wrong) {
  RssStat seen;
  for (const vm_area_struct* vma = find_vma(mm, Vaddr(0)); vma; vma = find_vma(mm, vma->vm_end)) {
    for (Vaddr at = vma->vm_start; at < vma->vm_end;) {
      const EntryAt entry = mm.pgtables->lookup(at);
      const pte_t pte{*entry.entry};
      const unsigned shift = entry.level == PtLevel::pte   ? PAGE_SHIFT
                             : entry.level == PtLevel::pmd ? PMD_SHIFT
                             : entry.level == PtLevel::pud ? PUD_SHIFT
                                                           : PUD_SHIFT + 9;
      if (pte.v != 0 && !pte_special(pte) && !pte_devmap(pte)) {
        const std::int64_t pages = std::int64_t{1} << (shift - PAGE_SHIFT);
        const folio* const f = k.folios.of(pte_pfn(pte));
        (!f ? seen.anon : f->swapbacked ? seen.shmem : seen.file) += pages;
      }
      const std::uint64_t next = ((at.v >> shift) + 1) << shift;
      if (next == 0) break;
      at = Vaddr(next);
    }
  }
  if (seen.file != mm.rss.file || seen.anon != mm.rss.anon || seen.shmem != mm.rss.shmem) {
    wrong.push_back(fmt::format(
        "mm {}: resident are {} file, {} anon, {} shmem pages, counted as {}, {}, {}", mm.id,
        seen.file, seen.anon, seen.shmem, mm.rss.file, mm.rss.anon, mm.rss.shmem));
  }
}

// A driver's page has the driver's reference and one for each mapping.
void check_driver_pages(const Kernel& k, Lines& wrong) {
  for (const char_device& device : k.char_devices) {
    for (std::size_t i = 0; i < device.pages.size(); ++i) {
      const folio& page = *device.pages[i];
      const bool bad = page.refs == 0 && page.mapcount == 0;
      if (bad || page.pfn == k.zero_pfn || page.refs == page.mapcount + 1) continue;
      wrong.push_back(fmt::format("page {} of {} has {} references and {} mappings", i, device.name,
                                  page.refs, page.mapcount));
    }
  }
}

// No more may be in use than was promised; a kernel that loses charges has promised more.
void check_committed(const Kernel& k, Lines& wrong) {
  std::uint64_t pages = 0;
  for (const mm_struct& mm : k.mms) {
    for (const vm_area_struct* v = find_vma(mm, Vaddr(0)); v; v = find_vma(mm, v->vm_end)) {
      if (v->vm_flags & VM_ACCOUNT) pages += vma_pages(*v);
    }
  }
  const bool exact = k.profile.prepare_failure_uncharges;
  std::uint64_t charged = 0;
  for (const inode& node : k.inodes) charged += node.charged;
  if (k.vm_committed_as < pages || (exact && k.vm_committed_as != pages + charged)) {
    wrong.push_back(fmt::format("{} pages are promised, mappings have {} and shared memory {}",
                                k.vm_committed_as, pages, charged));
  }
}

}  // namespace

std::vector<std::string> check_mm(const Kernel& k) {
  Lines wrong;
  bool quiet = true;
  for (const mm_struct& mm : k.mms) {
    const Held held = held_locks(k, mm);
    // A downgraded munmap still has its VMAs' pages in the counters.
    const bool changing = held.mmap_write || mm.mmap_lock.readers != 0;
    quiet = quiet && !changing && !held.page_tables;
    if (held.mmap_write) continue;
    if (!changing) check_tree(mm, wrong);
    if (!changing) check_rmap(mm, wrong);
    if (!changing && !held.page_tables) check_rss(const_cast<Kernel&>(k), mm, wrong);
  }
  if (quiet) check_driver_pages(k, wrong);
  if (quiet) check_committed(k, wrong);
  return wrong;
}

}  // namespace faultline
