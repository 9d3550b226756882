// Which rules can be asked now, and those of one process's VMAs. The tables are in
// check_mm_pages.cpp, what processes share in check_mm_shared.cpp.
#include "kernel/mm/check_mm.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/bug.hpp"
#include "kernel/mm/check_mm_parts.hpp"
#include "kernel/mm/vm_account.hpp"

namespace faultline {

std::string_view mm_rule_name(MmRule rule) {
  switch (rule) {
    case MmRule::vma_order:
      return "vma-order";
    case MmRule::vma_state:
      return "vma-state";
    case MmRule::map_count:
      return "map-count";
    case MmRule::vm_counters:
      return "vm-counters";
    case MmRule::reverse_map:
      return "reverse-map";
    case MmRule::writable_mappings:
      return "writable-mappings";
    case MmRule::file_references:
      return "file-references";
    case MmRule::page_outside_vma:
      return "page-outside-vma";
    case MmRule::resident_pages:
      return "resident-pages";
    case MmRule::stale_translation:
      return "stale-tlb";
    case MmRule::page_references:
      return "page-references";
    case MmRule::committed_pages:
      return "committed-pages";
    case MmRule::close_calls:
      return "close-calls";
    case MmRule::mapped_calls:
      return "mapped-calls";
  }
  FL_BUG("unknown rule");
}

std::string range_text(const vm_area_struct& vma) {
  return fmt::format("[{:#x}, {:#x})", vma.vm_start.v, vma.vm_end.v);
}

bool being_torn_down(const Kernel& k, const mm_struct& mm) {
  const bool in_use = std::any_of(k.tasks.begin(), k.tasks.end(),
                                  [&](const task_struct& task) { return task.mm == &mm; });
  return !in_use && mm.mm_mt.size() != 0;
}

namespace {

// Who is in the middle of a change, from the locks that tasks hold.
struct AtWork {
  std::vector<const LockBase*> mmap_locks;
  bool page_tables = false;
  bool reverse_maps = false;
  bool any = false;

  bool in(const mm_struct& mm) const {
    return std::find(mmap_locks.begin(), mmap_locks.end(), &mm.mmap_lock) != mmap_locks.end();
  }
};

AtWork who_is_at_work(const Kernel& k) {
  AtWork work;
  for (std::size_t t = 0; t < k.tasks.size(); ++t) {
    const Task& task = k.engine.task(TaskId(static_cast<std::uint32_t>(t)));
    for (const HeldLock& h : k.locks.held(task)) {
      const LockClassId cls = h.lock->cls;
      work.any = true;
      if (cls == k.cls.mmap_lock || cls == k.cls.mmap_lock_nested) {
        work.mmap_locks.push_back(h.lock);
      }
      work.page_tables |= cls == k.cls.ptlock || cls == k.cls.ptlock_nested;
      work.reverse_maps |= cls == k.cls.i_mmap_rwsem;
    }
  }
  return work;
}

// What the VMAs add up to.
struct Sums {
  std::uint64_t count = 0, total = 0, data = 0, exec = 0, stack = 0, locked = 0;

  void add(const vm_area_struct& vma) {
    const std::uint64_t pages = vma_pages(vma);
    ++count;
    total += pages;
    if (vma.vm_flags & VM_LOCKED) locked += pages;
    if (is_exec_mapping(vma.vm_flags)) {
      exec += pages;
    } else if (vma.vm_flags & VM_GROWSDOWN) {
      stack += pages;
    } else if (is_data_mapping(vma.vm_flags)) {
      data += pages;
    }
  }
};

void check_vma(const mm_struct& mm, const vm_area_struct& vma, Vaddr end_before, MmLook& look) {
  const auto wrong = [&](MmRule rule, std::string_view what) {
    look.broken.push_back({rule, mm.id, fmt::format("the VMA {} {}", range_text(vma), what)});
  };
  if (vma.vm_start >= vma.vm_end || (vma.vm_start.v | vma.vm_end.v) & ~PAGE_MASK) {
    wrong(MmRule::vma_order, "is empty or unaligned");
  }
  if (vma.vm_start < end_before) wrong(MmRule::vma_order, "overlaps the one before");
  if (vma.detached || vma.unlinked) wrong(MmRule::vma_state, "is in the tree, but detached");
  if (vma.vm_mm != &mm) wrong(MmRule::vma_state, "belongs to another process");
  if (vma.vm_lock_seq == mm.mm_lock_seq) {
    wrong(MmRule::vma_state, "is write-locked, but nobody holds mmap_lock");
  }
  if (vma.mapped_calls > 1) wrong(MmRule::mapped_calls, "was told twice that it is mapped");
}

void check_counters(const mm_struct& mm, const Sums& sums, MmLook& look) {
  const auto compare = [&](MmRule rule, std::string_view name, std::uint64_t counted,
                           std::uint64_t found) {
    if (counted == found) return;
    const std::string text = fmt::format("{} is {}, the VMAs make it {}", name, counted, found);
    look.broken.push_back({rule, mm.id, text});
  };
  compare(MmRule::map_count, "map_count", mm.map_count, sums.count);
  compare(MmRule::vm_counters, "total_vm", mm.total_vm, sums.total);
  compare(MmRule::vm_counters, "data_vm", mm.data_vm, sums.data);
  compare(MmRule::vm_counters, "exec_vm", mm.exec_vm, sums.exec);
  compare(MmRule::vm_counters, "stack_vm", mm.stack_vm, sums.stack);
  compare(MmRule::vm_counters, "locked_vm", mm.locked_vm, sums.locked);
}

void check_tree(const mm_struct& mm, MmLook& look) {
  Sums sums;
  Vaddr end(0);
  for (const vm_area_struct* vma = find_vma(mm, Vaddr(0)); vma; vma = find_vma(mm, vma->vm_end)) {
    check_vma(mm, *vma, end, look);
    sums.add(*vma);
    end = vma->vm_end;
  }
  look.cost += sums.count;
  check_counters(mm, sums, look);
}

// One that was merged away or never in the tree is freed without a word to its driver.
void check_freed(const mm_struct& mm, MmLook& look) {
  look.cost += mm.free_vmas.size();
  for (const vm_area_struct* const vma : mm.free_vmas) {
    if (vma->unlinked || !vma->vm_ops || !vma->vm_ops->close) continue;
    look.broken.push_back(
        {MmRule::close_calls, mm.id,
         fmt::format("the VMA {} was freed without its close", range_text(*vma))});
  }
}

}  // namespace

MmLook check_mm(const Kernel& k, bool in_syscall) {
  MmLook look;
  const AtWork work = who_is_at_work(k);
  bool all_still = true;
  for (const mm_struct& mm : k.mms) {
    if (work.in(mm) || being_torn_down(k, mm)) {
      all_still = false;
      continue;
    }
    check_tree(mm, look);
    check_freed(mm, look);
    if (!work.page_tables) check_pages(k, mm, look);
  }
  check_translations(k, look);
  if (all_still && !work.reverse_maps) check_reverse_maps(k, look);
  if (all_still && !work.any && !in_syscall) {
    check_file_references(k, look);
    check_page_references(k, look);
    check_committed(k, look);
  }
  return look;
}

}  // namespace faultline
