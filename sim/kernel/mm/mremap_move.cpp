// Moving and growing a mapping, once the request has been checked. Linux 6.12 and 7.1 mm/mremap.c
// (move_vma, copy_vma_and_data, expand_vma), copy_vma of mm/vma.c. Left out: KSM, hugetlb,
// userfaultfd.
#include <sys/mman.h>

#include <cerrno>

#include "kernel/mm/get_unmapped_area.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/mremap.hpp"
#include "kernel/mm/mremap_steps.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/vm_account.hpp"
#include "kernel/mm/vma_merge.hpp"

namespace faultline {

int check_mremap_vma(Kernel& k, const vm_area_struct& vma, const Remap& r, std::uint64_t old_len) {
  if (old_len == 0 && !(vma.vm_flags & (VM_SHARED | VM_MAYSHARE))) return -EINVAL;
  const bool fixed_size = vma.vm_flags & (VM_DONTEXPAND | VM_PFNMAP);
  if ((r.flags & MREMAP_DONTUNMAP_) && fixed_size) return -EINVAL;
  if (old_len > vma.vm_end - r.addr) return -EFAULT;
  if (r.new_len == old_len) return 0;
  const std::uint64_t pgoff = linear_page_index(vma, r.addr).v;
  if (pgoff + (r.new_len >> PAGE_SHIFT) < pgoff) return -EINVAL;
  if (fixed_size) return -EFAULT;
  const std::uint64_t more = r.new_len - old_len;
  if (!mlock_future_ok(k, *vma.vm_mm, vma.vm_flags, more)) return -EAGAIN;
  const auto pages = static_cast<std::int64_t>(more >> PAGE_SHIFT);
  return may_expand_vm(k, *vma.vm_mm, vma.vm_flags, pages) ? 0 : -ENOMEM;
}

std::int64_t mremap_new_area(Kernel& k, const vm_area_struct& vma, const Remap& r,
                             std::uint64_t hint, std::uint64_t flags) {
  if (vma.vm_flags & VM_MAYSHARE) flags |= MAP_SHARED;
  const std::uint64_t pgoff = linear_page_index(vma, r.addr).v;
  return get_unmapped_area(k, *vma.vm_mm, vma.vm_file, hint, r.new_len, pgoff, flags);
}

// The VMA at the new place: a neighbour that grows over it, or a copy.
static Path<vm_area_struct*> copy_vma(Kernel& k, vm_area_struct** source, Vaddr addr,
                                      std::uint64_t len, Pgoff pgoff, bool* need_rmap_locks) {
  vm_area_struct& vma = **source;
  mm_struct& mm = *vma.vm_mm;
  const Vaddr source_start = vma.vm_start;
  // Nothing of it was ever written: the offset may fit the new place, and its neighbours.
  if (vma_is_anonymous(vma) && !vma.anon_vma) pgoff = Pgoff(addr.v >> PAGE_SHIFT);
  MergeRequest request = merge_request(vma, addr, addr + len, vma.vm_flags);
  request.pgoff = pgoff;
  vm_area_struct* const merged = co_await vma_merge_new_range(k, mm, request);
  if (merged) {
    // The neighbour may have been the source itself.
    if (source_start >= merged->vm_start && source_start < merged->vm_end) *source = merged;
    *need_rmap_locks = merged->vm_pgoff <= (*source)->vm_pgoff;
    co_return merged;
  }
  vm_area_struct* const copy = co_await vm_area_dup(k, vma, mm);
  if (!copy) co_return nullptr;
  vm_area_struct& fresh = *copy;
  fresh.vm_start = addr;
  fresh.vm_end = addr + len;
  fresh.vm_pgoff = pgoff;
  co_await anon_vma_clone(k, fresh, vma);
  if (fresh.vm_ops && fresh.vm_ops->open) co_await fresh.vm_ops->open(k, fresh);
  co_await vma_start_write(k, fresh);
  mm.mm_mt.insert(fresh);
  fresh.unlinked = false;
  ++mm.map_count;
  k.engine.charge(k.costs.vma_change);
  co_await vma_link_file(k, fresh);
  *need_rmap_locks = false;
  co_return &fresh;
}

// The old range is unmapped, or the new one after a failure. Its charge stays with the other, but
// what is left of the VMA on either side keeps its own.
static HelperPath<void> unmap_moved(Kernel& k, vm_area_struct& vma, Vaddr addr, std::uint64_t len,
                                    bool accounted) {
  mm_struct& mm = *vma.vm_mm;
  const bool below = vma.vm_start < addr;
  const bool above = addr + len < vma.vm_end;
  if (accounted) vma.vm_flags &= ~VM_ACCOUNT;
  if (len != 0) co_await unmap_range(k, mm, addr, len, false);
  if (!accounted) co_return;
  if (below) find_vma_prev(mm, addr)->vm_flags |= VM_ACCOUNT;
  if (above) find_vma(mm, addr + len)->vm_flags |= VM_ACCOUNT;
}

// The driver's word on a move of part of a VMA, which splits it.
static HelperPath<std::int64_t> may_split_ends(Kernel& k, vm_area_struct& vma, const Remap& r) {
  if (!vma.vm_ops || !vma.vm_ops->may_split) co_return 0;
  std::int64_t error = 0;
  if (vma.vm_start != r.addr) error = co_await vma.vm_ops->may_split(k, vma, r.addr);
  const Vaddr end = r.addr + r.old_len;
  if (!error && vma.vm_end != end) error = co_await vma.vm_ops->may_split(k, vma, end);
  co_return error;
}

// Unmapping the source may cut it in two, beside the new VMA.
static bool has_room_to_split(const Kernel& k, const mm_struct& mm) {
  const std::uint64_t most = k.profile.max_map_count;
  if (k.profile.mremap == MremapOrder::checks_first) return mm.map_count + 2 <= most;
  return mm.map_count + 3 < most;
}

// The old VMA stays, without its pages, and is not a locked one any more.
static HelperPath<void> leave_source(Kernel& k, vm_area_struct& vma, const vm_area_struct& fresh,
                                     const Remap& r) {
  vma.vm_flags &= ~VM_LOCKED_MASK;
  const bool whole = vma.vm_start == r.addr && vma.vm_end == r.addr + r.old_len;
  if (&fresh != &vma && whole) co_await unlink_anon_vmas(k, vma);
}

// Moves the pages and tells the driver. After an error they are back where they were.
static HelperPath<std::int64_t> move_data(Kernel& k, vm_area_struct& vma, vm_area_struct& fresh,
                                          const Remap& r, bool rmap) {
  const Vaddr to(r.new_addr);
  const std::uint64_t moved = co_await move_page_tables(k, vma, r.addr, fresh, to, r.old_len, rmap);
  std::int64_t error = moved < r.old_len ? -ENOMEM : 0;
  if (!error && vma.vm_ops && vma.vm_ops->mremap) error = co_await vma.vm_ops->mremap(k, fresh);
  if (error) co_await move_page_tables(k, fresh, to, vma, r.addr, moved, true);
  co_return error;
}

Path<std::int64_t> move_vma(Kernel& k, vm_area_struct* vma, Remap* r, Vaddr to) {
  mm_struct& mm = *vma->vm_mm;
  const vm_flags_t flags = vma->vm_flags;
  const bool stays = r->flags & MREMAP_DONTUNMAP_;
  if (!has_room_to_split(k, mm)) co_return -ENOMEM;
  const std::int64_t refused = co_await may_split_ends(k, *vma, *r);
  if (refused) co_return refused;
  const std::uint64_t pages = r->new_len >> PAGE_SHIFT;
  const std::uint64_t charged = stays ? pages : pages - (r->old_len >> PAGE_SHIFT);
  if ((flags & VM_ACCOUNT) && vm_enough_memory(k, mm, charged) != 0) co_return -ENOMEM;
  co_await vma_start_write(k, *vma);
  r->new_addr = to.v;
  bool rmap = false;
  const Pgoff pgoff = linear_page_index(*vma, r->addr);
  vm_area_struct* const fresh = co_await copy_vma(k, &vma, to, r->new_len, pgoff, &rmap);
  const std::int64_t error = co_await move_data(k, *vma, *fresh, *r, rmap);
  vm_stat_account(mm, flags, static_cast<std::int64_t>(pages));
  // Since 6.15 the new pages count as locked ones even where the old range goes on counting too.
  const bool counts = !stays || error || k.profile.mremap == MremapOrder::checks_first;
  if ((flags & VM_LOCKED) && counts) mm.locked_vm += pages;
  // The charge goes over to what remains, except where both ranges remain.
  const bool accounted = (flags & VM_ACCOUNT) && !stays;
  if (error) {
    co_await unmap_moved(k, *fresh, to, r->new_len, accounted);
    co_return error;
  }
  // What reserved the frames is the new VMA now.
  if (k.profile.pfnmap_tracking == PfnmapTracking::vma_flag) vma->pfnmap_tracked = false;
  if (stays) {
    co_await leave_source(k, *vma, *fresh, *r);
  } else {
    co_await unmap_moved(k, *vma, r->addr, r->old_len, accounted);
    r->locked = flags & VM_LOCKED;
  }
  co_return static_cast<std::int64_t>(to.v);
}

static bool vma_expandable(Kernel& k, const vm_area_struct& vma, std::uint64_t delta) {
  const Vaddr end = vma.vm_end + delta;
  if (end < vma.vm_end || find_vma_intersection(*vma.vm_mm, vma.vm_end, end)) return false;
  const std::int64_t fits =
      get_unmapped_area(k, *vma.vm_mm, nullptr, vma.vm_start.v, end - vma.vm_start, 0, MAP_FIXED);
  return !is_mremap_error(fits);
}

static HelperPath<std::int64_t> expand_in_place(Kernel& k, vm_area_struct& vma, Remap* r) {
  mm_struct& mm = *vma.vm_mm;
  const std::uint64_t delta = r->new_len - r->old_len;
  const std::uint64_t pages = delta >> PAGE_SHIFT;
  const std::uint64_t charged = vma.vm_flags & VM_ACCOUNT ? pages : 0;
  if (charged != 0 && vm_enough_memory(k, mm, charged) != 0) co_return -ENOMEM;
  vm_area_struct* const grown = co_await vma_merge_extend(k, vma, delta);
  if (!grown) {
    vm_unacct_memory(k, charged);
    co_return -ENOMEM;
  }
  vm_stat_account(mm, grown->vm_flags, static_cast<std::int64_t>(pages));
  if (grown->vm_flags & VM_LOCKED) {
    mm.locked_vm += pages;
    r->locked = true;
    r->new_addr = r->addr.v;
  }
  co_return static_cast<std::int64_t>(r->addr.v);
}

HelperPath<std::int64_t> expand_vma(Kernel& k, vm_area_struct& vma, Remap* r) {
  const bool whole_end = r->old_len == vma.vm_end - r->addr;
  if (whole_end && vma_expandable(k, vma, r->new_len - r->old_len)) {
    const std::int64_t result = co_await expand_in_place(k, vma, r);
    co_return result;
  }
  if (!(r->flags & MREMAP_MAYMOVE_)) co_return -ENOMEM;
  const std::int64_t found = mremap_new_area(k, vma, *r, 0, 0);
  if (is_mremap_error(found)) co_return found;
  const std::int64_t result =
      co_await move_vma(k, &vma, r, Vaddr(static_cast<std::uint64_t>(found)));
  co_return result;
}

}  // namespace faultline
