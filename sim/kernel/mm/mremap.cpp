// mremap(2): checks in the kernel's order, and the three things that may follow.
#include "kernel/mm/mremap.hpp"

#include <sys/mman.h>

#include <cerrno>

#include "kernel/mm/get_unmapped_area.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/vm_account.hpp"
#include "kernel/mm/vma_merge.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t MREMAP_MAYMOVE_ = 1, MREMAP_FIXED_ = 2, MREMAP_DONTUNMAP_ = 4;
constexpr std::uint64_t TASK_SIZE = 0x7ffffffff000;

constexpr std::uint64_t page_align(std::uint64_t n) { return (n + PAGE_SIZE - 1) & PAGE_MASK; }
constexpr bool is_error(std::int64_t result) { return result < 0 && result >= -4095; }

struct Request {
  Vaddr addr{};
  std::uint64_t old_len = 0, new_len = 0, flags = 0;
  std::uint64_t new_addr = 0;
  bool locked = false;  // the grown part is to be populated
};

int check_arguments(const Request& r) {
  if (r.flags & ~(MREMAP_FIXED_ | MREMAP_MAYMOVE_ | MREMAP_DONTUNMAP_)) return -EINVAL;
  if ((r.flags & MREMAP_FIXED_) && !(r.flags & MREMAP_MAYMOVE_)) return -EINVAL;
  if ((r.flags & MREMAP_DONTUNMAP_) && (!(r.flags & MREMAP_MAYMOVE_) || r.old_len != r.new_len)) {
    return -EINVAL;
  }
  return r.addr.v & ~PAGE_MASK ? -EINVAL : 0;
}

// vma_to_resize(): whether the VMA at `addr` may get the new length.
int check_resize(Kernel& k, const vm_area_struct* vma, const Request& r) {
  if (!vma) return -EFAULT;
  if (r.old_len == 0 && !(vma->vm_flags & (VM_SHARED | VM_MAYSHARE))) return -EINVAL;
  const bool fixed_size = vma->vm_flags & (VM_DONTEXPAND | VM_PFNMAP);
  if ((r.flags & MREMAP_DONTUNMAP_) && fixed_size) return -EINVAL;
  if (r.old_len > vma->vm_end - r.addr) return -EFAULT;
  if (r.new_len == r.old_len) return 0;
  const std::uint64_t pgoff = linear_page_index(*vma, r.addr).v;
  if (pgoff + (r.new_len >> PAGE_SHIFT) < pgoff) return -EINVAL;
  if (fixed_size) return -EFAULT;
  const std::uint64_t more = r.new_len - r.old_len;
  if (!mlock_future_ok(k, *vma->vm_mm, vma->vm_flags, more)) return -EAGAIN;
  const auto pages = static_cast<std::int64_t>(more >> PAGE_SHIFT);
  return may_expand_vm(k, *vma->vm_mm, vma->vm_flags, pages) ? 0 : -ENOMEM;
}

bool vma_expandable(const vm_area_struct& vma, std::uint64_t delta) {
  const Vaddr end = vma.vm_end + delta;
  return end > vma.vm_end && end.v <= TASK_SIZE &&
         !find_vma_intersection(*vma.vm_mm, vma.vm_end, end);
}

}  // namespace

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
  vm_area_struct& fresh = *co_await vm_area_dup(k, vma, mm);
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

// The old range is unmapped. Its charge has gone over to the new place, but what is left of the VMA
// on either side keeps its own.
static HelperPath<void> unmap_moved(Kernel& k, vm_area_struct& vma, Vaddr addr, std::uint64_t len,
                                    bool accounted) {
  mm_struct& mm = *vma.vm_mm;
  const bool below = vma.vm_start < addr;
  const bool above = addr + len < vma.vm_end;
  if (accounted) vma.vm_flags &= ~VM_ACCOUNT;
  if (len != 0) co_await do_vmi_munmap(k, mm, addr, len, false);
  if (!accounted) co_return;
  if (below) find_vma_prev(mm, addr)->vm_flags |= VM_ACCOUNT;
  if (above) find_vma(mm, addr + len)->vm_flags |= VM_ACCOUNT;
}

// The driver's word on a move of part of a VMA, which splits it.
static HelperPath<std::int64_t> may_split_ends(Kernel& k, vm_area_struct& vma, const Request& r) {
  if (!vma.vm_ops || !vma.vm_ops->may_split) co_return 0;
  std::int64_t error = 0;
  if (vma.vm_start != r.addr) error = co_await vma.vm_ops->may_split(k, vma, r.addr);
  const Vaddr end = r.addr + r.old_len;
  if (!error && vma.vm_end != end) error = co_await vma.vm_ops->may_split(k, vma, end);
  co_return error;
}

static Path<std::int64_t> move_vma(Kernel& k, vm_area_struct* vma, Request* r, Vaddr to) {
  mm_struct& mm = *vma->vm_mm;
  const vm_flags_t flags = vma->vm_flags;
  const bool stays = r->flags & MREMAP_DONTUNMAP_;
  if (mm.map_count >= k.profile.max_map_count - 3) co_return -ENOMEM;
  const std::int64_t refused = co_await may_split_ends(k, *vma, *r);
  if (refused) co_return refused;
  const std::uint64_t charged = (stays ? r->new_len : r->new_len - r->old_len) >> PAGE_SHIFT;
  if ((flags & VM_ACCOUNT) && vm_enough_memory(k, mm, charged) != 0) co_return -ENOMEM;
  co_await vma_start_write(k, *vma);
  bool rmap = false;
  vm_area_struct* const fresh =
      co_await copy_vma(k, &vma, to, r->new_len, linear_page_index(*vma, r->addr), &rmap);
  const std::uint64_t moved =
      co_await move_page_tables(k, *vma, r->addr, *fresh, to, r->old_len, rmap);
  std::int64_t error = moved < r->old_len ? -ENOMEM : 0;
  if (!error && vma->vm_ops && vma->vm_ops->mremap) {
    error = co_await vma->vm_ops->mremap(k, *fresh);
  }
  vm_stat_account(mm, flags, static_cast<std::int64_t>(r->new_len >> PAGE_SHIFT));
  if (error) {
    // Back again, and the new place goes instead of the old one.
    co_await move_page_tables(k, *fresh, to, *vma, r->addr, moved, true);
    co_await unmap_moved(k, *fresh, to, r->new_len, false);
    co_return error;
  }
  if (stays) {
    vma->vm_flags &= ~VM_LOCKED_MASK;
    const bool whole = vma->vm_start == r->addr && vma->vm_end == r->addr + r->old_len;
    if (fresh != vma && whole) co_await unlink_anon_vmas(k, *vma);
    co_return static_cast<std::int64_t>(to.v);
  }
  co_await unmap_moved(k, *vma, r->addr, r->old_len, flags & VM_ACCOUNT);
  if (flags & VM_LOCKED) {
    mm.locked_vm += r->new_len >> PAGE_SHIFT;
    r->locked = true;
  }
  co_return static_cast<std::int64_t>(to.v);
}

static std::int64_t new_area(Kernel& k, const vm_area_struct& vma, const Request& r,
                             std::uint64_t hint, std::uint64_t flags) {
  if (vma.vm_flags & VM_MAYSHARE) flags |= MAP_SHARED;
  const std::uint64_t pgoff = linear_page_index(vma, r.addr).v;
  return get_unmapped_area(k, *vma.vm_mm, vma.vm_file, hint, r.new_len, pgoff, flags);
}

static Path<std::int64_t> mremap_to(Kernel& k, mm_struct& mm, Request* r) {
  const std::uint64_t to = r->new_addr;
  if (to & ~PAGE_MASK) co_return -EINVAL;
  if (r->new_len > TASK_SIZE || to > TASK_SIZE - r->new_len) co_return -EINVAL;
  if (r->addr.v + r->old_len > to && to + r->new_len > r->addr.v) co_return -EINVAL;
  if (mm.map_count + 2 >= k.profile.max_map_count - 3) co_return -ENOMEM;
  if (r->flags & MREMAP_FIXED_) {
    const std::int64_t error = co_await do_vmi_munmap(k, mm, Vaddr(to), r->new_len, false);
    if (error) co_return error;
  }
  if (r->old_len > r->new_len) {
    const std::int64_t error =
        co_await do_vmi_munmap(k, mm, r->addr + r->new_len, r->old_len - r->new_len, false);
    if (error) co_return error;
    r->old_len = r->new_len;
  }
  vm_area_struct* const vma = vma_lookup(mm, r->addr);
  if (const int error = check_resize(k, vma, *r)) co_return error;
  const auto pages = static_cast<std::int64_t>(r->old_len >> PAGE_SHIFT);
  if ((r->flags & MREMAP_DONTUNMAP_) && !may_expand_vm(k, mm, vma->vm_flags, pages)) {
    co_return -ENOMEM;
  }
  const std::uint64_t fixed = r->flags & MREMAP_FIXED_ ? MAP_FIXED : 0;
  const std::int64_t found = new_area(k, *vma, *r, to, fixed);
  if (is_error(found)) co_return found;
  r->new_addr = static_cast<std::uint64_t>(found);
  const std::int64_t result = co_await move_vma(k, vma, r, Vaddr(r->new_addr));
  co_return result;
}

static HelperPath<std::int64_t> grow_in_place(Kernel& k, vm_area_struct& vma, Request* r) {
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

static HelperPath<std::int64_t> grow(Kernel& k, mm_struct& mm, Request* r) {
  vm_area_struct* const vma = vma_lookup(mm, r->addr);
  if (const int error = check_resize(k, vma, *r)) co_return error;
  const bool whole_end = r->old_len == vma->vm_end - r->addr;
  if (whole_end && vma_expandable(*vma, r->new_len - r->old_len)) {
    const std::int64_t result = co_await grow_in_place(k, *vma, r);
    co_return result;
  }
  if (!(r->flags & MREMAP_MAYMOVE_)) co_return -ENOMEM;
  const std::int64_t found = new_area(k, *vma, *r, 0, 0);
  if (is_error(found)) co_return found;
  r->new_addr = static_cast<std::uint64_t>(found);
  const std::int64_t result = co_await move_vma(k, vma, r, Vaddr(r->new_addr));
  co_return result;
}

Path<std::int64_t> do_mremap(Kernel& k, std::uint64_t addr, std::uint64_t old_len,
                             std::uint64_t new_len, std::uint64_t flags, std::uint64_t new_addr) {
  Request r{Vaddr(addr), old_len, new_len, flags, new_addr, false};
  if (const int error = check_arguments(r)) co_return error;
  r.old_len = page_align(old_len);
  r.new_len = page_align(new_len);
  if (r.new_len == 0) co_return -EINVAL;
  mm_struct& mm = *k.current().mm;
  co_await mmap_write_lock(k, mm);
  std::int64_t result = static_cast<std::int64_t>(addr);
  if (!vma_lookup(mm, r.addr)) {
    result = -EFAULT;
  } else if (flags & (MREMAP_FIXED_ | MREMAP_DONTUNMAP_)) {
    result = co_await mremap_to(k, mm, &r);
  } else if (r.old_len > r.new_len) {
    // Shrinking only unmaps the tail; the lock is given up on the way.
    const std::int64_t error =
        co_await do_vmi_munmap(k, mm, r.addr + r.new_len, r.old_len - r.new_len, true);
    if (!error) co_return result;
    result = error;
  } else if (r.old_len < r.new_len) {
    result = co_await grow(k, mm, &r);
  }
  mmap_write_unlock(k, mm);
  if (!is_error(result) && r.locked && r.new_len > r.old_len) {
    co_await mm_populate(k, Vaddr(r.new_addr + r.old_len), r.new_len - r.old_len);
  }
  co_return result;
}

}  // namespace faultline
