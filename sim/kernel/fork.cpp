// Duplicating a process: see the header.
#include "kernel/fork.hpp"

#include <cerrno>

#include "kernel/arch/x86/access.hpp"
#include "kernel/mm/khugepaged.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/tlb.hpp"
#include "kernel/mm/vm_account.hpp"
#include "kernel/mm/vma_merge.hpp"

namespace faultline {

static files_struct& dup_fd(Kernel& k, const files_struct& old) {
  files_struct& copy = k.file_tables.emplace_back(old);
  for (file* const open : copy.fd) {
    if (open) ++open->f_count;
  }
  return copy;
}

// One VMA and what it maps, both processes' locks held.
static Path<std::int64_t> dup_vma(Kernel& k, mm_struct& mm, vm_area_struct& original) {
  const bool charged = original.vm_flags & VM_ACCOUNT;
  if (charged && vm_enough_memory(k, *original.vm_mm, vma_pages(original)) != 0) {
    co_return -ENOMEM;
  }
  vm_area_struct* const made = co_await vm_area_dup(k, original, mm);
  if (!made) {
    if (charged) vm_unacct_memory(k, vma_pages(original));
    co_return -ENOMEM;
  }
  vm_area_struct& copy = *made;
  if (copy.vm_flags & VM_WIPEONFORK) {
    copy.anon_vma = nullptr;
  } else {
    co_await anon_vma_fork(k, copy, original);
  }
  co_await vma_start_write(k, copy);
  copy.vm_flags &= ~VM_LOCKED_MASK;
  mm.mm_mt.insert(copy);
  copy.unlinked = false;
  ++mm.map_count;
  k.engine.charge(k.costs.vma_change);
  if (copy.vm_ops && copy.vm_ops->open) co_await copy.vm_ops->open(k, copy);
  co_await vma_link_file(k, copy, &original);
  if (copy.vm_flags & VM_WIPEONFORK) co_return 0;
  const std::int64_t error = co_await copy_page_range(k, copy, original);
  co_return error;
}

static HelperPath<std::int64_t> dup_vmas(Kernel& k, mm_struct& mm, mm_struct& old) {
  k.might_alloc();  // the tree as a whole
  for (vm_area_struct* vma = find_vma(old, Vaddr(0)); vma; vma = find_vma(old, vma->vm_end)) {
    co_await vma_start_write(k, *vma);
    if (vma->vm_flags & VM_DONTCOPY) {
      vm_stat_account(mm, vma->vm_flags, -static_cast<std::int64_t>(vma_pages(*vma)));
      continue;
    }
    const std::int64_t error = co_await dup_vma(k, mm, *vma);
    if (error) co_return error;
  }
  co_return 0;
}

// The new mm goes as it is, and exit_mmap() takes off what each of its VMAs has counted.
static void count_vmas(mm_struct& mm) {
  mm.total_vm = mm.data_vm = mm.exec_vm = mm.stack_vm = 0;
  for (vm_area_struct* vma = find_vma(mm, Vaddr(0)); vma; vma = find_vma(mm, vma->vm_end)) {
    vm_stat_account(mm, vma->vm_flags, static_cast<std::int64_t>(vma_pages(*vma)));
  }
}

static Path<std::int64_t> dup_mmap(Kernel& k, mm_struct& mm, mm_struct& old) {
  co_await percpu_down_read(k.dup_mmap_sem);
  bool taken = false;
  co_await mmap_write_lock(k, old, &taken);
  if (!taken) {
    percpu_up_read(k.dup_mmap_sem);
    co_return -EINTR;
  }
  co_await mmap_write_lock_nested(k, mm);
  mm.total_vm = old.total_vm;
  mm.data_vm = old.data_vm;
  mm.exec_vm = old.exec_vm;
  mm.stack_vm = old.stack_vm;
  mm.set_child_tid = old.set_child_tid;
  const std::int64_t error = co_await dup_vmas(k, mm, old);
  if (error) count_vmas(mm);
  if (!error) ksm_fork(k, mm, old);
  if (!error) khugepaged_fork(k, mm, old);
  mmap_write_unlock_nested(k, mm);
  // What is shared from now on must not be written through a translation from before.
  co_await flush_tlb_range(k, old, Vaddr(0), Vaddr(~0ULL), PAGE_SHIFT, true);
  mmap_write_unlock(k, old);
  percpu_up_read(k.dup_mmap_sem);
  co_return error;
}

Path<std::int64_t> kernel_clone(Kernel& k, task_struct& child) {
  task_struct& current = k.current();
  k.might_alloc();  // task_struct, files, signal state, mm
  mm_struct& mm = k.new_mm();
  const std::int64_t error = co_await dup_mmap(k, mm, *current.mm);
  if (error) {
    co_await exit_mmap(k, mm);
    co_return error;
  }
  k.might_alloc();  // the pid
  child.mm = &mm;
  mm.mm_users = 1;
  child.files = &dup_fd(k, *current.files);
  child.parent = &current;
  child.exited = child.reaped = false;
  k.engine.charge(k.costs.vma_change);
  co_return child.pid.v;
}

Path<void> schedule_tail(Kernel& k) {
  const Vaddr tid = k.current().mm->set_child_tid;
  if (tid.v != 0) {
    might_fault(k);
    const UserPage page = co_await uaccess_page(k, tid, true, "__put_user_4");
    if (page.ok) {
      const auto pid = static_cast<std::uint32_t>(k.current().pid.v);
      std::array<std::byte, 4> bytes;
      for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<std::byte>(pid >> (8 * i));
      write_phys(k, page.phys, bytes);
    }
  }
}

Path<std::int64_t> kernel_wait4(Kernel& k, task_struct& child) {
  task_struct& current = k.current();
  if (child.parent != &current || child.reaped) co_return -ECHILD;
  Engine& engine = k.engine;
  while (!child.exited) {
    if (signal_pending(current)) co_return -ERESTARTSYS;
    child.wait_chldexit = &engine.current();
    k.locks.begin_task_wait(engine.task(child.id));
    engine.current().sleep = SleepState::interruptible;
    co_await engine.block();
    engine.current().sleep = SleepState::uninterruptible;
    k.locks.end_wait(engine.current());
  }
  child.reaped = true;
  if (k.profile.copies_annotate) might_fault(k);  // the status
  co_return child.pid.v;
}

}  // namespace faultline
