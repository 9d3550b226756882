// Leaving and tearing down an mm. Linux 6.12 kernel/exit.c exit_mm, mm/mmap.c exit_mmap. Left out:
// robust futexes, reaping, accounting, closing of descriptors.
#include "kernel/exit.hpp"

#include "kernel/fs/open.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/vm_account.hpp"

namespace faultline {

Path<void> exit_mmap(Kernel& k, mm_struct& mm) {
  co_await mmap_read_lock(k, mm);
  mmu_gather tlb;
  tlb.fullmm = true;
  vma_munmap_struct all;
  for (const auto& [end, vma] : mm.mm_mt) all.vmas.push_back(vma);
  co_await unmap_vmas(k, tlb, all.vmas);
  mmap_read_unlock(k, mm);
  co_await mmap_write_lock(k, mm);
  co_await free_pgtables(k, tlb, mm, all.vmas, Vaddr(0), Vaddr(0));
  co_await tlb_finish_mmu(k, mm, tlb);
  for (vm_area_struct* const vma : all.vmas) {
    vm_stat_account(mm, vma->vm_flags, -static_cast<std::int64_t>(vma_pages(*vma)));
    if (vma->vm_flags & VM_ACCOUNT) vm_unacct_memory(k, vma_pages(*vma));
    vma->detached = true;
    if (vma->vm_ops && vma->vm_ops->close) co_await vma_close(k, *vma);
    remove_vma(k, *vma);
  }
  mm.mm_mt.clear();
  mm.map_count = 0;
  k.trace<Event::exit_mmap>(mm.id);
  mmap_write_unlock(k, mm);
}

static Path<void> exit_mm(Kernel& k) {
  mm_struct& mm = *k.current().mm;
  co_await mmap_read_lock(k, mm);
  mmap_read_unlock(k, mm);
  if (--mm.mm_users == 0) co_await exit_mmap(k, mm);
  k.current().mm = nullptr;
}

Path<void> do_exit(Kernel& k) {
  k.current().exited = true;
  if (k.current().mm) co_await exit_mm(k);
  if (!k.current().task_works.empty()) co_await task_work_run(k);
}

}  // namespace faultline
