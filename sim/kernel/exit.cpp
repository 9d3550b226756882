// Leaving and tearing down an mm. Linux 6.12 kernel/exit.c exit_mm, exit_notify, mm/mmap.c
// exit_mmap. Left out: children that outlive their parent.
#include "kernel/exit.hpp"

#include "kernel/fs/open.hpp"
#include "kernel/mm/gup.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap.hpp"
#include "kernel/mm/mmap_4_13.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/vm_account.hpp"

namespace faultline {

// The mm has no user any more, so before 5.14 nothing was locked.
Path<void> exit_mmap(Kernel& k, mm_struct& mm) {
  // Threads that had nothing left to do are gone too: nobody looks at what is taken apart here.
  for (task_struct& t : k.tasks) {
    if (t.mm == &mm) t.mm = nullptr;
  }
  const bool locks = k.profile.exit_locks_mm;
  if (locks) co_await mmap_read_lock(k, mm);
  mmu_gather tlb;
  tlb.fullmm = true;
  vma_munmap_struct all;
  for (vm_area_struct* vma = find_vma(mm, Vaddr(0)); vma; vma = find_vma(mm, vma->vm_end)) {
    all.vmas.push_back(vma);
  }
  co_await unmap_vmas(k, tlb, all.vmas);
  if (locks) {
    mmap_read_unlock(k, mm);
    co_await mmap_write_lock(k, mm);
  }
  co_await free_pgtables(k, tlb, mm, all.vmas, Vaddr(0), Vaddr(0), locks);
  co_await tlb_finish_mmu(k, mm, tlb);
  for (vm_area_struct* const vma : all.vmas) {
    vm_stat_account(mm, vma->vm_flags, -static_cast<std::int64_t>(vma_pages(*vma)));
    if (vma->vm_flags & VM_LOCKED) mm.locked_vm -= vma_pages(*vma);
    if (vma->vm_flags & VM_ACCOUNT) vm_unacct_memory(k, vma_pages(*vma));
    vma->detached = true;
    if (k.profile.mmap_region == MmapRegion::unmaps_first) {
      co_await v4_13::remove_vma(k, *vma);
      continue;
    }
    if (vma->vm_ops && vma->vm_ops->close) co_await vma_close(k, *vma);
    remove_vma(k, *vma);
  }
  mm.mm_mt.clear();
  mm.map_count = 0;
  k.trace<Event::exit_mmap>(mm.id);
  if (locks) mmap_write_unlock(k, mm);
}

// acct_collect(): the size of the process for its record.
static Path<void> acct_collect(Kernel& k) {
  mm_struct& mm = *k.current().mm;
  co_await mmap_read_lock(k, mm);
  k.engine.charge(k.costs.vma_lookup * mm.map_count);
  mmap_read_unlock(k, mm);
}

static Path<void> exit_mm(Kernel& k, ExitScope scope) {
  mm_struct& mm = *k.current().mm;
  // The C library's list of robust futexes, and a thread's id that is to be cleared.
  if (mm.set_child_tid.v != 0 || scope == ExitScope::thread) might_fault(k);
  co_await mmap_read_lock(k, mm);
  k.current().mm = nullptr;
  mmap_read_unlock(k, mm);
  if (--mm.mm_users == 0) co_await exit_mmap(k, mm);
}

// exit_notify(): SIGCHLD, which the parent ignores, and a waiting parent is woken.
static void exit_notify(Kernel& k, ChildCode code) {
  task_struct& current = k.current();
  if (const task_struct* const parent = current.parent) {
    k.trace<Event::signal_generate>(SIGCHLD, 0, static_cast<int>(code),
                                    std::string_view(parent->comm), parent->pid, 1, 1);
  }
  if (current.wait_chldexit) k.engine.wake(*current.wait_chldexit);
}

Path<void> do_exit(Kernel& k, ChildCode code, ExitScope scope) {
  task_struct& current = k.current();
  const bool group_dead = !current.mm || current.mm->mm_users == 1;
  if (current.mm) {
    if (group_dead && k.profile.process_accounting) co_await acct_collect(k);
    const std::uint32_t mm_id = current.mm->id;
    co_await exit_mm(k, scope);
    if (group_dead) release_pins(k, mm_id);  // exit_files(): a driver's file goes
    if (group_dead) exit_files(k);
  }
  if (!current.task_works.empty()) co_await task_work_run(k);
  current.exited = true;
  if (!group_dead) {
    const bool seen = scope == ExitScope::thread && k.engine.timed();
    if (seen) k.cpus.trace_switch(k.engine.current(), "X");  // nobody waits for a thread
    co_return;
  }
  exit_notify(k, code);
  if (k.engine.timed()) k.cpus.trace_switch(k.engine.current(), "Z");
}

}  // namespace faultline
