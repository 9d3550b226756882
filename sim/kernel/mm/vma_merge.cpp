// Merging: which neighbour fits, and the change of its bounds under its locks.
#include "kernel/mm/vma_merge.hpp"

#include <algorithm>

#include "kernel/mm/huge_memory.hpp"
#include "kernel/mm/i_mmap.hpp"
#include "kernel/mm/khugepaged.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/rmap.hpp"

namespace faultline {

void reattach_vma(vm_area_struct& vma) {
  vma.detached = false;
  vma.vm_mm->mm_mt.insert(vma);
  ++vma.vm_mm->map_count;
}

MergeRequest merge_request(const vm_area_struct& vma, Vaddr start, Vaddr end, vm_flags_t flags) {
  return {start,
          end,
          vma.vm_pgoff + ((start - vma.vm_start) >> PAGE_SHIFT),
          flags,
          vma.vm_file,
          vma.anon_vma,
          vma.anon_vma_chain.size() > 1};
}

static bool is_mergeable_vma(const Kernel& k, const vm_area_struct& vma, const MergeRequest& r) {
  // Before 6.1 a VMA with `close` was not even extended.
  const bool closes = vma.vm_ops && vma.vm_ops->close;
  if (closes && !k.profile.merge_extends_closing) return false;
  return !((vma.vm_flags ^ r.flags) & ~VM_SOFTDIRTY) && vma.vm_file == r.vm_file;
}

// A VMA with `close` may be extended, but not disappear without that call.
static bool can_merge_remove_vma(const vm_area_struct& vma) {
  return !(vma.vm_ops && vma.vm_ops->close);
}

// Whether `vma` may take over pages of `source`. A VMA that a fork has made (a chain of several) is
// kept apart. Linux 6.12 asks that of the extended VMA even where it has no anon_vma, and so
// refuses to extend an untouched VMA over a touched one; later kernels do not.
static bool is_mergeable_anon_vma(const Kernel& k, const MergeRequest& r,
                                  const vm_area_struct& vma) {
  if (!vma.anon_vma && !r.anon_vma) return true;
  if (vma.anon_vma && r.anon_vma) return vma.anon_vma == r.anon_vma;
  if (vma.anon_vma_chain.empty()) return k.profile.merges_untouched && !r.forked;
  return vma.anon_vma_chain.size() == 1;
}

// Two neighbours with different anon_vmas never become one.
static bool anon_vmas_compatible(const vm_area_struct& a, const vm_area_struct& b) {
  return !a.anon_vma || !b.anon_vma || a.anon_vma == b.anon_vma;
}

// The VMA that ends where the range begins, if the range can be added to it.
static vm_area_struct* left_neighbour(Kernel& k, const mm_struct& mm, const MergeRequest& r) {
  vm_area_struct* const prev = find_vma_prev(mm, r.start);
  if (!prev || prev->vm_end != r.start || !is_mergeable_vma(k, *prev, r)) return nullptr;
  if (!is_mergeable_anon_vma(k, r, *prev)) return nullptr;
  return prev->vm_pgoff + vma_pages(*prev) == r.pgoff ? prev : nullptr;
}

static vm_area_struct* right_neighbour(Kernel& k, const mm_struct& mm, const MergeRequest& r,
                                       const vm_area_struct* left) {
  vm_area_struct* const next = find_vma(mm, r.end);
  if (!next || next->vm_start != r.end || !is_mergeable_vma(k, *next, r)) return nullptr;
  if (!is_mergeable_anon_vma(k, r, *next)) return nullptr;
  if (r.pgoff + ((r.end - r.start) >> PAGE_SHIFT) != next->vm_pgoff) return nullptr;
  return !left || anon_vmas_compatible(*left, *next) ? next : nullptr;
}

namespace {

// New bounds of one VMA, and what becomes of those beside it.
struct Change {
  vm_area_struct* vma = nullptr;
  Vaddr start{}, end{};
  Pgoff pgoff{};
  vm_area_struct* adjust = nullptr;  // its start becomes `adjust_start`
  Vaddr adjust_start{};
  vm_area_struct* remove = nullptr;
  vm_area_struct* remove2 = nullptr;
};

void set_bounds(vm_area_struct& vma, Vaddr start, Vaddr end, Pgoff pgoff) {
  mm_struct& mm = *vma.vm_mm;
  const bool moved = vma.vm_end != end;
  if (moved) mm.mm_mt.erase(vma);
  vma.vm_start = start;
  vma.vm_end = end;
  vma.vm_pgoff = pgoff;
  if (moved) {
    mm.mm_mt.insert(vma);
  } else {
    mm.mm_mt.refresh(vma);
  }
}

// The tree needs memory when an entry of it, a VMA or a gap, disappears; a moved boundary is
// written in place.
bool swallows_entry(const Change& c) {
  if (c.remove || c.remove2) return true;
  if (c.adjust) return false;
  const mm_struct& mm = *c.vma->vm_mm;
  if (c.start < c.vma->vm_start) {
    const vm_area_struct* const prev = find_vma_prev(mm, c.vma->vm_start);
    return prev ? prev->vm_end == c.start : c.start == Vaddr(0);
  }
  const vm_area_struct* const next = find_vma(mm, c.vma->vm_end);
  return next && next->vm_start == c.end;
}

}  // namespace

static Path<void> dup_anon_vma(Kernel& k, vm_area_struct& to, const vm_area_struct& from) {
  if (!from.anon_vma || to.anon_vma) co_return;
  to.anon_vma = from.anon_vma;
  co_await anon_vma_clone(k, to, from);
}

static Path<void> remove_merged(Kernel& k, vm_area_struct& vma) {
  --vma.vm_mm->map_count;
  co_await unlink_anon_vmas(k, vma);
  remove_vma(k, vma);
}

static Path<void> commit_merge(Kernel& k, Change c) {
  vm_area_struct& vma = *c.vma;
  mm_struct& mm = *vma.vm_mm;
  if (swallows_entry(c)) k.might_alloc();
  anon_vma* const av = !vma.anon_vma && c.adjust ? c.adjust->anon_vma : vma.anon_vma;
  rw_semaphore* const rmap = av ? &av->root->rwsem : nullptr;
  address_space* const mapping = vma.vm_file ? &vma.vm_file->f_inode->i_data : nullptr;
  if (mapping) co_await down_write(mapping->i_mmap_rwsem);
  if (rmap) co_await down_write(*rmap);
  for (vm_area_struct* const changed : {&vma, c.adjust}) {
    if (mapping && changed) mapping->i_mmap.remove(*changed);
  }
  for (vm_area_struct* const gone : {c.remove, c.remove2}) {
    if (mapping && gone) __remove_shared_vm_struct(k, *gone, *mapping);
  }
  co_await vma_adjust_trans_huge(k, vma, c.start);
  co_await vma_adjust_trans_huge(k, vma, c.end);
  if (c.adjust) co_await vma_adjust_trans_huge(k, *c.adjust, c.adjust_start);
  for (vm_area_struct* const gone : {c.remove, c.remove2}) {
    if (!gone) continue;
    mm.mm_mt.erase(*gone);
    gone->detached = true;
  }
  if (c.adjust) {
    // Modulo 2^64: the start moves either way.
    const std::uint64_t by = c.adjust_start.v / PAGE_SIZE - c.adjust->vm_start.v / PAGE_SIZE;
    c.adjust->vm_pgoff = Pgoff(c.adjust->vm_pgoff.v + by);
    c.adjust->vm_start = c.adjust_start;
    mm.mm_mt.refresh(*c.adjust);
  }
  set_bounds(vma, c.start, c.end, c.pgoff);
  if (mapping && c.adjust) mapping->i_mmap.insert(*c.adjust);
  if (mapping) mapping->i_mmap.insert(vma);
  k.engine.charge(k.costs.vma_change);
  if (rmap) up_write(*rmap);
  if (mapping) up_write(mapping->i_mmap_rwsem);
  if (c.remove) co_await remove_merged(k, *c.remove);
  if (c.remove2) co_await remove_merged(k, *c.remove2);
}

Path<vm_area_struct*> vma_merge_new_range(Kernel& k, mm_struct& mm, MergeRequest r) {
  if (r.flags & VM_SPECIAL) co_return nullptr;
  vm_area_struct* const prev = left_neighbour(k, mm, r);
  vm_area_struct* const next = right_neighbour(k, mm, r, prev);
  if (!prev && !next) co_return nullptr;
  Change change;
  change.vma = prev ? prev : next;
  change.start = prev ? prev->vm_start : r.start;
  change.end = next ? next->vm_end : r.end;
  change.pgoff = prev ? prev->vm_pgoff : r.pgoff;
  if (prev && next) {
    if (can_merge_remove_vma(*next)) {
      change.remove = next;
    } else {
      change.end = r.end;
    }
  }
  co_await vma_start_write(k, *change.vma);
  if (change.remove) {
    co_await vma_start_write(k, *change.remove);
    co_await dup_anon_vma(k, *change.vma, *change.remove);
  }
  co_await commit_merge(k, change);
  khugepaged_enter_vma(k, *change.vma, r.flags);
  co_return change.vma;
}

Path<vm_area_struct*> vma_merge_extend(Kernel& k, vm_area_struct& vma, std::uint64_t delta) {
  const MergeRequest request = merge_request(vma, vma.vm_end, vma.vm_end + delta, vma.vm_flags);
  vm_area_struct* const merged = co_await vma_merge_new_range(k, *vma.vm_mm, request);
  co_return merged;
}

// How the neighbours share out [r.start, r.end) of `middle`.
static Change divide(vm_area_struct& middle, const MergeRequest& r, vm_area_struct* left,
                     vm_area_struct* right) {
  const bool whole = r.start == middle.vm_start && r.end == middle.vm_end;
  Change c;
  if (left) {
    c.vma = left;
    c.start = left->vm_start;
    c.end = right ? right->vm_end : r.end;
    c.pgoff = left->vm_pgoff;
    if (whole) {
      c.remove = &middle;
      c.remove2 = right;
    } else {
      c.adjust = &middle;
      c.adjust_start = r.end;
    }
  } else if (whole) {
    c.vma = right;
    c.start = r.start;
    c.end = right->vm_end;
    c.pgoff = r.pgoff;
    c.remove = &middle;
  } else {  // the only case in which the VMA at hand shrinks and the other one takes over
    c.vma = &middle;
    c.start = middle.vm_start;
    c.end = r.start;
    c.pgoff = middle.vm_pgoff;
    c.adjust = right;
    c.adjust_start = r.start;
  }
  return c;
}

bool vma_merge_rewinds(Kernel& k, const vm_area_struct& middle, const MergeRequest& r) {
  const bool whole = r.start == middle.vm_start && r.end == middle.vm_end;
  if (!whole || (r.flags & VM_SPECIAL) || can_merge_remove_vma(middle)) return false;
  return left_neighbour(k, *middle.vm_mm, r) != nullptr;
}

Path<vm_area_struct*> vma_merge_existing_range(Kernel& k, vm_area_struct& middle, MergeRequest r) {
  mm_struct& mm = *middle.vm_mm;
  const bool left_side = r.start == middle.vm_start;
  const bool right_side = r.end == middle.vm_end;
  if ((r.flags & VM_SPECIAL) || (!left_side && !right_side)) co_return nullptr;
  vm_area_struct* const left = left_side ? left_neighbour(k, mm, r) : nullptr;
  vm_area_struct* right = right_side ? right_neighbour(k, mm, r, left) : nullptr;
  if (!left && !right) co_return nullptr;
  if (left_side && right_side && !can_merge_remove_vma(middle)) co_return nullptr;
  if (left && right && !can_merge_remove_vma(*right)) right = nullptr;
  co_await vma_start_write(k, middle);
  if (left) co_await vma_start_write(k, *left);
  if (right) co_await vma_start_write(k, *right);
  if (left) {
    const bool from_right = right && right->anon_vma;
    co_await dup_anon_vma(k, *left, from_right ? *right : middle);
  } else {
    co_await dup_anon_vma(k, *right, middle);
  }
  co_await commit_merge(k, divide(middle, r, left, right));
  vm_area_struct* const merged = left ? left : right;
  khugepaged_enter_vma(k, *merged, r.flags);
  co_return merged;
}

}  // namespace faultline
