// The address search: exact, by hint, or the highest gap below the stack that is large enough.
#include "kernel/mm/get_unmapped_area.hpp"

#include <linux/mman.h>

#include <algorithm>
#include <cerrno>

#include "kernel/mm/vma.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t min_gap = 128ULL << 20;  // below the stack, at least
constexpr std::uint64_t default_stack = 8ULL << 20;

std::uint64_t mmap_base(const Kernel& k, std::uint64_t stack_limit) {
  std::uint64_t gap = stack_limit == RLIM_INFINITY_ ? default_stack : stack_limit;
  gap += k.profile.stack_guard_gap << PAGE_SHIFT;
  gap = std::clamp(gap, min_gap, DEFAULT_MAP_WINDOW / 6 * 5);
  return (DEFAULT_MAP_WINDOW - gap) & PAGE_MASK;
}

// Space that a VMA keeps free below itself.
std::uint64_t vm_start_gap(const Kernel& k, const vm_area_struct& vma) {
  if (!(vma.vm_flags & VM_GROWSDOWN)) return vma.vm_start.v;
  const std::uint64_t gap = k.profile.stack_guard_gap << PAGE_SHIFT;
  return vma.vm_start.v > gap ? vma.vm_start.v - gap : 0;
}

/// What a search is for, beside the length.
struct Wanted {
  std::uint64_t stack_limit = 0;
  bool full = false;  ///< the hint lies above the usual window: all addresses may be used
};

// Below the stack, from the top down; if there is no room, from wherever there is.
std::int64_t search(const Kernel& k, const mm_struct& mm, Wanted wanted, std::uint64_t len) {
  const std::uint64_t low = std::max<std::uint64_t>(PAGE_SIZE, k.profile.mmap_min_addr);
  const std::uint64_t above = wanted.full ? task_size_max(mm) - DEFAULT_MAP_WINDOW : 0;
  std::uint64_t found = mm.mm_mt.highest_gap(low, mmap_base(k, wanted.stack_limit) + above, len);
  if (found == 0) found = mm.mm_mt.highest_gap(low, DEFAULT_MAP_WINDOW + above, len);
  return found == 0 ? -ENOMEM : static_cast<std::int64_t>(found);
}

// mmap_address_hint_valid(): no mapping crosses the end of the usual window.
bool hint_valid(const mm_struct& mm, std::uint64_t hint, std::uint64_t len) {
  if (hint > task_size_max(mm) - len) return false;
  return (hint > DEFAULT_MAP_WINDOW) == (hint + len > DEFAULT_MAP_WINDOW);
}

// dax_get_unmapped_area(): an address congruent to the file offset modulo the size of the device's
// pages; 0 if not possible.
std::int64_t dax_search(const Kernel& k, const mm_struct& mm, Wanted wanted, std::uint64_t len,
                        std::uint64_t offset, std::uint64_t align) {
  const std::uint64_t end = offset + len;
  const std::uint64_t aligned = (offset + align - 1) & ~(align - 1);
  if (end <= aligned || end - aligned < align || offset + len + align < offset) return 0;
  const std::int64_t found = search(k, mm, wanted, len + align);
  if (found < 0) return 0;
  const auto address = static_cast<std::uint64_t>(found);
  return static_cast<std::int64_t>(address + ((offset - address) & (align - 1)));
}

// An address congruent to the file offset modulo 2 MiB, so that huge pages fit; 0 if not possible.
std::int64_t thp_search(const Kernel& k, const mm_struct& mm, Wanted wanted, std::uint64_t len,
                        std::uint64_t offset) {
  const std::uint64_t end = offset + len;
  const std::uint64_t aligned = (offset + PMD_SIZE - 1) & PMD_MASK;
  if (offset + len + PMD_SIZE < offset) return 0;
  if (end <= aligned || end - aligned < PMD_SIZE) return 0;
  const std::int64_t found = search(k, mm, wanted, len + PMD_SIZE);
  if (found < 0) return 0;
  auto address = static_cast<std::uint64_t>(found);
  const std::uint64_t slack = (offset - address) & (PMD_SIZE - 1);
  address += slack == 0 ? PMD_SIZE : slack;
  return static_cast<std::int64_t>(address);
}

// Low addresses are for who may touch the hardware. security/commoncap.c cap_mmap_addr().
std::int64_t security_mmap_addr(Kernel& k, std::uint64_t addr) {
  const bool allowed = addr >= k.profile.mmap_min_addr || capable(k.current(), CAP_SYS_RAWIO);
  return allowed ? static_cast<std::int64_t>(addr) : -EPERM;
}

}  // namespace

std::int64_t get_unmapped_area(Kernel& k, const mm_struct& mm, const file* file, std::uint64_t hint,
                               std::uint64_t len, std::uint64_t pgoff, std::uint64_t flags) {
  const std::uint64_t size = file ? file->f_inode->blocksize : PAGE_SIZE;
  const bool hugetlb = file && file->f_op->area == AreaSearch::hugetlb;
  const std::uint64_t task_size = task_size_max(mm);
  if (len > task_size) return -ENOMEM;
  if (flags & MAP_FIXED) {
    if (hugetlb && (hint & (size - 1))) return -EINVAL;
    if (hint > task_size - len) return -ENOMEM;
    if (hint & ~PAGE_MASK) return -EINVAL;
    return security_mmap_addr(k, hint);
  }
  if (hugetlb) hint = (hint + size - 1) & ~(size - 1);
  if (hint != 0 && hint_valid(mm, hint, len) && hint >= k.profile.mmap_min_addr) {
    const vm_area_struct* const next = find_vma(mm, Vaddr(hint));
    if (!next || hint + len <= vm_start_gap(k, *next)) return static_cast<std::int64_t>(hint);
  }
  const Wanted wanted{k.current().rlim[RLIMIT_STACK_], hint > DEFAULT_MAP_WINDOW};
  if (hugetlb) {
    const std::int64_t found = search(k, mm, wanted, len + size - PAGE_SIZE);
    if (found < 0) return found;
    const auto address = static_cast<std::uint64_t>(found);
    return static_cast<std::int64_t>((address + size - 1) & ~(size - 1));
  }
  const bool wants_huge = file ? file->f_op->area == AreaSearch::thp : (len & (PMD_SIZE - 1)) == 0;
  if (wants_huge) {
    const std::uint64_t offset = file ? pgoff << PAGE_SHIFT : 0;
    const std::int64_t address = thp_search(k, mm, wanted, len, offset);
    if (address > 0) return address;
  }
  if (file && file->f_op->area == AreaSearch::dax && hint == 0) {
    const std::int64_t address = dax_search(k, mm, wanted, len, pgoff << PAGE_SHIFT, size);
    if (address > 0) return address;
  }
  return search(k, mm, wanted, len);
}

}  // namespace faultline
