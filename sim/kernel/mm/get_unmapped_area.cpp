// The address search: exact, by hint, or the highest gap below the stack that is large enough.
#include "kernel/mm/get_unmapped_area.hpp"

#include <linux/mman.h>

#include <algorithm>
#include <cerrno>

#include "kernel/mm/vma.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t TASK_SIZE = 0x7ffffffff000;
constexpr std::uint64_t min_gap = 128ULL << 20;  // below the stack, at least
constexpr std::uint64_t default_stack = 8ULL << 20;

std::uint64_t mmap_base(const Kernel& k, std::uint64_t stack_limit) {
  std::uint64_t gap = stack_limit == RLIM_INFINITY_ ? default_stack : stack_limit;
  gap += k.profile.stack_guard_gap << PAGE_SHIFT;
  gap = std::clamp(gap, min_gap, TASK_SIZE / 6 * 5);
  return (TASK_SIZE - gap) & PAGE_MASK;
}

// Space that a VMA keeps free below itself.
std::uint64_t vm_start_gap(const Kernel& k, const vm_area_struct& vma) {
  if (!(vma.vm_flags & VM_GROWSDOWN)) return vma.vm_start.v;
  const std::uint64_t gap = k.profile.stack_guard_gap << PAGE_SHIFT;
  return vma.vm_start.v > gap ? vma.vm_start.v - gap : 0;
}

std::int64_t search(const Kernel& k, const mm_struct& mm, std::uint64_t stack_limit,
                    std::uint64_t len) {
  const std::uint64_t low = std::max<std::uint64_t>(PAGE_SIZE, k.profile.mmap_min_addr);
  std::uint64_t found = mm.mm_mt.highest_gap(low, mmap_base(k, stack_limit), len);
  if (found == 0) found = mm.mm_mt.highest_gap(low, TASK_SIZE, len);
  return found == 0 ? -ENOMEM : static_cast<std::int64_t>(found);
}

// An address congruent to the file offset modulo 2 MiB, so that huge pages fit; 0 if not possible.
std::int64_t thp_search(const Kernel& k, const mm_struct& mm, std::uint64_t stack_limit,
                        std::uint64_t len, std::uint64_t offset) {
  const std::uint64_t end = offset + len;
  const std::uint64_t aligned = (offset + PMD_SIZE - 1) & PMD_MASK;
  if (offset + len + PMD_SIZE < offset) return 0;
  if (end <= aligned || end - aligned < PMD_SIZE) return 0;
  const std::int64_t found = search(k, mm, stack_limit, len + PMD_SIZE);
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
  if (len > TASK_SIZE) return -ENOMEM;
  if (flags & MAP_FIXED) {
    if (hugetlb && (hint & (size - 1))) return -EINVAL;
    if (hint > TASK_SIZE - len) return -ENOMEM;
    if (hint & ~PAGE_MASK) return -EINVAL;
    return security_mmap_addr(k, hint);
  }
  if (hugetlb) hint = (hint + size - 1) & ~(size - 1);
  if (hint != 0 && hint <= TASK_SIZE - len && hint >= k.profile.mmap_min_addr) {
    const vm_area_struct* const next = find_vma(mm, Vaddr(hint));
    if (!next || hint + len <= vm_start_gap(k, *next)) return static_cast<std::int64_t>(hint);
  }
  const std::uint64_t stack = k.current().rlim[RLIMIT_STACK_];
  if (hugetlb) {
    const std::int64_t found = search(k, mm, stack, len + size - PAGE_SIZE);
    if (found < 0) return found;
    const auto address = static_cast<std::uint64_t>(found);
    return static_cast<std::int64_t>((address + size - 1) & ~(size - 1));
  }
  const bool wants_huge = file ? file->f_op->area == AreaSearch::thp : (len & (PMD_SIZE - 1)) == 0;
  if (wants_huge) {
    const std::uint64_t offset = file ? pgoff << PAGE_SHIFT : 0;
    const std::int64_t address = thp_search(k, mm, stack, len, offset);
    if (address > 0) return address;
  }
  return search(k, mm, stack, len);
}

}  // namespace faultline
