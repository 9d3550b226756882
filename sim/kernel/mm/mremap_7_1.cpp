// mremap(2) since 6.15 to 6.17: all arguments are judged before the lock is taken, the VMA before
// anything is unmapped, and MREMAP_FIXED with equal lengths moves every VMA of the range, keeping
// the gaps between them. What was moved before an error stays moved. Linux 7.1 mm/mremap.c.
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/mremap.hpp"
#include "kernel/mm/mremap_steps.hpp"
#include "kernel/mm/vm_account.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t page_align(std::uint64_t n) { return (n + PAGE_SIZE - 1) & PAGE_MASK; }

int check_mremap_params(const mm_struct& mm, const Remap& r) {
  const std::uint64_t task_size = task_size_max(mm);
  if (r.flags & ~(MREMAP_FIXED_ | MREMAP_MAYMOVE_ | MREMAP_DONTUNMAP_)) return -EINVAL;
  if (r.addr.v & ~PAGE_MASK) return -EINVAL;
  if (r.new_len == 0 || r.new_len > task_size) return -EINVAL;
  if (!r.implies_new_addr()) return 0;
  if (r.new_addr > task_size - r.new_len || (r.new_addr & ~PAGE_MASK)) return -EINVAL;
  if (!(r.flags & MREMAP_MAYMOVE_)) return -EINVAL;
  if ((r.flags & MREMAP_DONTUNMAP_) && r.old_len != r.new_len) return -EINVAL;
  const bool overlaps = r.addr.v + r.old_len > r.new_addr && r.new_addr + r.new_len > r.addr.v;
  return overlaps ? -EINVAL : 0;
}

// Only what gets new address space is looked at; of a range that shrinks, the part that stays.
int check_prep_vma(Kernel& k, const vm_area_struct* vma, const Remap& r) {
  if (!vma) return -EFAULT;
  if (r.new_len <= r.old_len && !r.implies_new_addr()) return 0;
  return check_mremap_vma(k, *vma, r, std::min(r.old_len, r.new_len));
}

// Whether the file may be among several that move: one that chooses addresses by itself might not
// keep to what was asked for.
bool vma_multi_allowed(const vm_area_struct& vma) {
  if (!vma.vm_file) return true;
  const AreaSearch area = vma.vm_file->f_op->area;
  return area != AreaSearch::own && area != AreaSearch::dax;
}

}  // namespace

// The tail goes. With `drop_lock` mmap_lock is released on the way, if that succeeds.
static Path<std::int64_t> shrink_vma(Kernel& k, mm_struct& mm, const Remap& r, bool drop_lock) {
  const std::int64_t error =
      co_await do_vmi_munmap(k, mm, r.addr + r.new_len, r.old_len - r.new_len, drop_lock);
  co_return error;
}

static Path<std::int64_t> mremap_to(Kernel& k, mm_struct& mm, Remap* r) {
  if (r->flags & MREMAP_FIXED_) {
    const std::int64_t error = co_await do_vmi_munmap(k, mm, Vaddr(r->new_addr), r->new_len, false);
    if (error) co_return error;
  }
  if (r->old_len > r->new_len) {
    const std::int64_t error = co_await shrink_vma(k, mm, *r, false);
    if (error) co_return error;
    r->old_len = r->new_len;
  }
  vm_area_struct* const vma = vma_lookup(mm, r->addr);  // it may have been cut
  if (!vma) co_return -EFAULT;
  const auto pages = static_cast<std::int64_t>(r->old_len >> PAGE_SHIFT);
  if ((r->flags & MREMAP_DONTUNMAP_) && !may_expand_vm(k, mm, vma->vm_flags, pages)) {
    co_return -ENOMEM;
  }
  const std::uint64_t fixed = r->flags & MREMAP_FIXED_ ? MAP_FIXED : 0;
  const std::int64_t found = mremap_new_area(k, *vma, *r, r->new_addr, fixed);
  if (is_mremap_error(found)) co_return found;
  const std::int64_t result =
      co_await move_vma(k, vma, r, Vaddr(static_cast<std::uint64_t>(found)));
  co_return result;
}

// Every VMA of the range in turn, each to where it lies relative to the first one.
static Path<std::int64_t> remap_move(Kernel& k, mm_struct& mm, const Remap& whole) {
  const Vaddr end = whole.addr + whole.old_len;
  std::int64_t first_result = -EFAULT;
  Vaddr last_end{};
  std::uint64_t target = whole.new_addr;
  bool seen = false;
  for (vm_area_struct* vma = find_vma_intersection(mm, whole.addr, end); vma;
       vma = find_vma_intersection(mm, last_end, end)) {
    if (!seen && whole.addr < vma->vm_start) co_return -EFAULT;
    Remap part = whole;
    part.addr = std::max(vma->vm_start, whole.addr);
    part.old_len = part.new_len = std::min(end, vma->vm_end) - part.addr;
    part.new_addr = target + (seen ? vma->vm_start - last_end : 0);
    last_end = vma->vm_end;
    if (!vma_multi_allowed(*vma) && (seen || vma->vm_end < end)) co_return -EFAULT;
    std::int64_t result = check_prep_vma(k, vma, part);
    if (!result) result = co_await mremap_to(k, mm, &part);
    if (is_mremap_error(result)) co_return result;
    if (!seen) first_result = result;
    seen = true;
    target = static_cast<std::uint64_t>(result) + part.new_len;
  }
  co_return first_result;
}

// One VMA. `*locked`: whether mmap_lock is still held.
static HelperPath<std::int64_t> remap_one(Kernel& k, mm_struct& mm, Remap* r, bool* locked) {
  vm_area_struct* const vma = vma_lookup(mm, r->addr);
  if (const int error = check_prep_vma(k, vma, *r)) co_return error;
  std::int64_t result = static_cast<std::int64_t>(r->addr.v);
  if (r->implies_new_addr()) {
    result = co_await mremap_to(k, mm, r);
  } else if (r->new_len > r->old_len) {
    result = co_await expand_vma(k, *vma, r);
  } else if (r->new_len < r->old_len) {
    const std::int64_t error = co_await shrink_vma(k, mm, *r, true);
    *locked = error != 0;
    if (error) result = error;
  }
  co_return result;
}

HelperPath<std::int64_t> mremap_checks_first(Kernel& k, const Remap& request) {
  Remap r = request;
  r.old_len = page_align(r.old_len);
  r.new_len = page_align(r.new_len);
  mm_struct& mm = *k.current().mm;
  if (const int error = check_mremap_params(mm, r)) co_return error;
  bool taken = false;
  co_await mmap_write_lock(k, mm, &taken);
  if (!taken) co_return -EINTR;
  bool locked = true;
  std::int64_t result = -ENOMEM;
  // At worst the target and the tail are cut out of other VMAs, and the source after its copy.
  if (mm.map_count + 4 <= k.profile.max_map_count) {
    if ((r.flags & MREMAP_FIXED_) && r.old_len == r.new_len) {
      result = co_await remap_move(k, mm, r);
    } else {
      result = co_await remap_one(k, mm, &r, &locked);
    }
  }
  if (locked) mmap_write_unlock(k, mm);
  if (!is_mremap_error(result) && r.locked && r.new_len > r.old_len) {
    co_await mm_populate(k, Vaddr(r.new_addr + r.old_len), r.new_len - r.old_len);
  }
  co_return result;
}

}  // namespace faultline
