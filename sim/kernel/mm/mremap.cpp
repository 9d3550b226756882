// mremap(2) as it was until 6.16: what lies at the new address is unmapped before the mapping is
// looked at, and a call moves one VMA. Linux 6.12 mm/mremap.c.
#include "kernel/mm/mremap.hpp"

#include <sys/mman.h>

#include <cerrno>

#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/mremap_steps.hpp"
#include "kernel/mm/vm_account.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t page_align(std::uint64_t n) { return (n + PAGE_SIZE - 1) & PAGE_MASK; }

int check_arguments(const Kernel& k, const Remap& r) {
  if (r.flags & ~(MREMAP_FIXED_ | MREMAP_MAYMOVE_ | MREMAP_DONTUNMAP_)) return -EINVAL;
  if ((r.flags & MREMAP_DONTUNMAP_) && !k.profile.mremap_dontunmap) return -EINVAL;
  if ((r.flags & MREMAP_FIXED_) && !(r.flags & MREMAP_MAYMOVE_)) return -EINVAL;
  if ((r.flags & MREMAP_DONTUNMAP_) && (!(r.flags & MREMAP_MAYMOVE_) || r.old_len != r.new_len)) {
    return -EINVAL;
  }
  return r.addr.v & ~PAGE_MASK ? -EINVAL : 0;
}

// vma_to_resize(): whether the VMA at `addr` may get the new length.
int check_resize(Kernel& k, const vm_area_struct* vma, const Remap& r) {
  return vma ? check_mremap_vma(k, *vma, r, r.old_len) : -EFAULT;
}

}  // namespace

static Path<std::int64_t> mremap_to(Kernel& k, mm_struct& mm, Remap* r) {
  const std::uint64_t to = r->new_addr;
  if (to & ~PAGE_MASK) co_return -EINVAL;
  const std::uint64_t task_size = task_size_max(mm);
  if (r->new_len > task_size || to > task_size - r->new_len) co_return -EINVAL;
  if (r->addr.v + r->old_len > to && to + r->new_len > r->addr.v) co_return -EINVAL;
  if (mm.map_count + 2 >= k.profile.max_map_count - 3) co_return -ENOMEM;
  if (r->flags & MREMAP_FIXED_) {
    const std::int64_t error = co_await unmap_range(k, mm, Vaddr(to), r->new_len, false);
    if (error) co_return error;
  }
  if (r->old_len > r->new_len) {
    const std::int64_t error =
        co_await unmap_range(k, mm, r->addr + r->new_len, r->old_len - r->new_len, false);
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
  const std::int64_t found = mremap_new_area(k, *vma, *r, to, fixed);
  if (is_mremap_error(found)) co_return found;
  const std::int64_t result =
      co_await move_vma(k, vma, r, Vaddr(static_cast<std::uint64_t>(found)));
  co_return result;
}

static HelperPath<std::int64_t> grow(Kernel& k, mm_struct& mm, Remap* r) {
  vm_area_struct* const vma = vma_lookup(mm, r->addr);
  if (const int error = check_resize(k, vma, *r)) co_return error;
  const std::int64_t result = co_await expand_vma(k, *vma, r);
  co_return result;
}

HelperPath<std::int64_t> mremap_unmaps_first(Kernel& k, const Remap& request) {
  Remap r = request;
  if (const int error = check_arguments(k, r)) co_return error;
  r.old_len = page_align(r.old_len);
  r.new_len = page_align(r.new_len);
  if (r.new_len == 0) co_return -EINVAL;
  mm_struct& mm = *k.current().mm;
  bool taken = false;
  co_await mmap_write_lock(k, mm, &taken);
  if (!taken) co_return -EINTR;
  std::int64_t result = static_cast<std::int64_t>(r.addr.v);
  if (!vma_lookup(mm, r.addr)) {
    result = -EFAULT;
  } else if (r.implies_new_addr()) {
    result = co_await mremap_to(k, mm, &r);
  } else if (r.old_len > r.new_len) {
    // Shrinking only unmaps the tail; the lock is given up on the way.
    const bool drops_lock = munmap_drops_lock(k.profile);
    const std::int64_t error =
        co_await unmap_range(k, mm, r.addr + r.new_len, r.old_len - r.new_len, drops_lock);
    if (!error && drops_lock) co_return result;
    if (error) result = error;
  } else if (r.old_len < r.new_len) {
    result = co_await grow(k, mm, &r);
  }
  mmap_write_unlock(k, mm);
  if (!is_mremap_error(result) && r.locked && r.new_len > r.old_len) {
    co_await mm_populate(k, Vaddr(r.new_addr + r.old_len), r.new_len - r.old_len);
  }
  co_return result;
}

Path<std::int64_t> do_mremap(Kernel& k, std::uint64_t addr, std::uint64_t old_len,
                             std::uint64_t new_len, std::uint64_t flags, std::uint64_t new_addr) {
  const Remap request{Vaddr(addr), old_len, new_len, flags, new_addr, false};
  std::int64_t result = 0;
  switch (k.profile.mremap) {
    case MremapOrder::unmaps_first:
      result = co_await mremap_unmaps_first(k, request);
      break;
    case MremapOrder::checks_first:
      result = co_await mremap_checks_first(k, request);
      break;
  }
  co_return result;
}

}  // namespace faultline
