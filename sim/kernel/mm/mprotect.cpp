// mprotect(2): checks and VMAs.
#include "kernel/mm/mprotect.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/vm_account.hpp"
#include "kernel/mm/vma_merge.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t PROT_SEM_ = 0x8;
constexpr std::uint64_t grows = PROT_GROWSDOWN | PROT_GROWSUP;

vm_flags_t calc_vm_prot_bits(std::uint64_t prot) {
  vm_flags_t vm = 0;
  if (prot & PROT_READ) vm |= VM_READ;
  if (prot & PROT_WRITE) vm |= VM_WRITE;
  if (prot & PROT_EXEC) vm |= VM_EXEC;
  return vm;
}

// The errno of arguments that are wrong whatever is mapped; 1: nothing to do.
int check_arguments(std::uint64_t start, std::uint64_t len, std::uint64_t prot) {
  if ((prot & grows) == grows) return -EINVAL;
  if (start & ~PAGE_MASK) return -EINVAL;
  if (len == 0) return 1;
  const std::uint64_t end = start + ((len + PAGE_SIZE - 1) & PAGE_MASK);
  if (end <= start) return -ENOMEM;
  const std::uint64_t known = PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM_;
  return prot & ~grows & ~known ? -EINVAL : 0;
}

// Charges a private mapping that becomes writable, and counts it against the limits.
int charge_writable(Kernel& k, const mm_struct& mm, vm_flags_t old_flags, std::uint64_t pages,
                    vm_flags_t* flags, std::uint64_t* charged) {
  const auto npages = static_cast<std::int64_t>(pages);
  if (!may_expand_vm(k, mm, *flags, npages) && may_expand_vm(k, mm, old_flags, npages)) {
    return -ENOMEM;
  }
  if (old_flags & (VM_ACCOUNT | VM_WRITE | VM_HUGETLB | VM_SHARED | VM_NORESERVE)) return 0;
  if (vm_enough_memory(k, mm, pages) != 0) return -ENOMEM;
  *charged = pages;
  *flags |= VM_ACCOUNT;
  return 0;
}

}  // namespace

// mprotect_fixup(): [start, end) lies in `vma`. The VMA that covers it afterwards in `out`.
static Path<std::int64_t> mprotect_fixup(Kernel& k, mmu_gather& tlb, vm_area_struct& old,
                                         Vaddr start, Vaddr end, vm_flags_t flags,
                                         vm_area_struct** out) {
  mm_struct& mm = *old.vm_mm;
  const vm_flags_t old_flags = old.vm_flags;
  const std::uint64_t pages = (end - start) >> PAGE_SHIFT;
  *out = &old;
  if (flags == old_flags) co_return 0;
  std::uint64_t charged = 0;
  if (flags & VM_WRITE) {
    const int error = charge_writable(k, mm, old_flags, pages, &flags, &charged);
    if (error) co_return error;
  } else if ((old_flags & VM_ACCOUNT) && vma_is_anonymous(old) && !old.anon_vma) {
    flags &= ~VM_ACCOUNT;  // never written: nothing was used of what was promised
  }
  const std::int64_t error = co_await vma_modify_flags(k, old, start, end, flags, out);
  if (error) {
    vm_unacct_memory(k, charged);
    co_return error;
  }
  vm_area_struct& vma = **out;
  co_await vma_start_write(k, vma);
  vma.vm_flags = flags;
  vma_set_page_prot(vma);
  co_await change_protection(k, tlb, vma, start, end);
  if ((old_flags & VM_ACCOUNT) && !(flags & VM_ACCOUNT)) vm_unacct_memory(k, pages);
  // A locked private mapping is broken out now, so that its stores never fault.
  if ((old_flags & (VM_WRITE | VM_SHARED | VM_LOCKED)) == VM_LOCKED && (flags & VM_WRITE)) {
    co_await populate_vma_page_range(k, vma, &start, end, nullptr);
  }
  vm_stat_account(mm, old_flags, -static_cast<std::int64_t>(pages));
  vm_stat_account(mm, flags, static_cast<std::int64_t>(pages));
  co_return 0;
}

// The loop over the VMAs of the range. An error ends it; what was changed stays so.
static HelperPath<std::int64_t> protect_range(Kernel& k, mmu_gather& tlb, mm_struct& mm,
                                              Vaddr start, Vaddr end, std::uint64_t prot) {
  vm_area_struct* vma = find_vma_intersection(mm, start, end);
  if (prot & PROT_GROWSDOWN) {
    vma = find_vma(mm, start);
    if (!vma || vma->vm_start >= end) co_return -ENOMEM;
    if (!(vma->vm_flags & VM_GROWSDOWN)) co_return -EINVAL;
    start = vma->vm_start;
  } else {
    if (!vma || vma->vm_start > start) co_return -ENOMEM;
    if (prot & PROT_GROWSUP) co_return -EINVAL;  // nothing grows upwards on this machine
  }
  Vaddr done = start;
  while (vma && done < end) {
    if (vma->vm_start > done) co_return -ENOMEM;
    const vm_flags_t flags = calc_vm_prot_bits(prot) | (vma->vm_flags & ~VM_ACCESS_FLAGS);
    // What may be allowed at most stands four bits higher.
    if (flags & ~(flags >> 4) & VM_ACCESS_FLAGS) co_return -EACCES;
    const Vaddr stop = std::min(vma->vm_end, end);
    if (vma->vm_ops && vma->vm_ops->mprotect) {
      const std::int64_t error = co_await vma->vm_ops->mprotect(k, *vma, done, stop, flags);
      if (error) co_return error;
    }
    // A merge that was begun and refused leaves the iterator before the VMA: it comes once more.
    const bool again = flags != vma->vm_flags &&
                       vma_merge_rewinds(k, *vma, merge_request(*vma, done, stop, flags));
    vm_area_struct* changed = nullptr;
    const std::int64_t error = co_await mprotect_fixup(k, tlb, *vma, done, stop, flags, &changed);
    if (error) co_return error;
    if (again) continue;
    done = std::max(stop, changed->vm_end);
    vma = find_vma_intersection(mm, done, end);
  }
  co_return done < end ? -ENOMEM : 0;
}

Path<std::int64_t> do_mprotect_pkey(Kernel& k, std::uint64_t start, std::uint64_t len,
                                    std::uint64_t prot) {
  const int wrong = check_arguments(start, len, prot);
  if (wrong) co_return wrong < 0 ? wrong : 0;
  const Vaddr end(start + ((len + PAGE_SIZE - 1) & PAGE_MASK));
  mm_struct& mm = *k.current().mm;
  bool taken = false;
  co_await mmap_write_lock(k, mm, &taken);
  if (!taken) co_return -EINTR;
  mmu_gather tlb;
  const std::int64_t result = co_await protect_range(k, tlb, mm, Vaddr(start), end, prot);
  co_await tlb_finish_mmu(k, mm, tlb);
  mmap_write_unlock(k, mm);
  co_return result;
}

}  // namespace faultline
