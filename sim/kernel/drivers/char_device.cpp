// The log of a described driver's calls, and the sleeps that its description asks for.
#include "kernel/drivers/char_device.hpp"

#include "kernel/kernel.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

namespace {

constexpr std::size_t most_kept = 1'000'000;

HookLock lock_seen(const Kernel& k, const LockBase& lock) {
  const Task& task = k.engine.current();
  const int at = k.locks.find_held(task, lock);
  if (at < 0) return HookLock::none;
  const HeldLock& held = k.locks.held(task)[static_cast<std::size_t>(at)];
  return held.mode == HoldMode::exclusive ? HookLock::write : HookLock::read;
}

HookVma vma_seen(const vm_area_struct& vma) {
  if (vma.detached || vma.unlinked) return HookVma::detached;
  const bool locked = vma.vm_lock_seq == vma.vm_mm->mm_lock_seq;
  return locked ? HookVma::write_locked : HookVma::attached;
}

const HookSleep& sleep_of(const CharDescription& d, HookKind kind) {
  switch (kind) {
    case HookKind::mmap_prepare:
    case HookKind::mmap:
      return d.sleep;
    case HookKind::mapped:
      return d.mapped.sleep;
    case HookKind::open:
      return d.open.sleep;
    case HookKind::close:
      return d.close.sleep;
    case HookKind::fault:
      return d.fault_sleep;
    case HookKind::may_split:
      return d.may_split.sleep;
    case HookKind::mremap:
      return d.mremap.sleep;
    case HookKind::mprotect:
      return d.mprotect.sleep;
    case HookKind::success_hook:
      return d.success_hook.sleep;
    case HookKind::error_hook:
      return d.error_hook.sleep;
    case HookKind::huge_fault:
      return d.huge_fault_sleep;
  }
  return d.sleep;
}

}  // namespace

HookCall& log_hook(Kernel& k, char_device& device, HookKind kind) {
  ++device.calls[static_cast<std::size_t>(kind)];
  const bool room = device.log.size() < most_kept;
  if (!room) ++device.log_dropped;
  HookCall& call = room ? device.log.emplace_back() : (device.not_kept = HookCall{});
  const Task& task = k.engine.current();
  call.seq = k.next_hook_seq++;
  call.kind = kind;
  call.task = task.id;
  call.step = task.position.step;
  if (const mm_struct* const mm = k.current().mm) call.mmap_lock = lock_seen(k, mm->mmap_lock);
  return call;
}

HookCall& log_hook(Kernel& k, char_device& device, HookKind kind, const vm_area_struct& vma) {
  HookCall& call = log_hook(k, device, kind);
  call.mmap_lock = lock_seen(k, vma.vm_mm->mmap_lock);
  call.start = vma.vm_start;
  call.end = vma.vm_end;
  call.pgoff = vma.vm_pgoff;
  call.private_data = vma.vm_private_data;
  if (vma.vm_file) call.i_mmap = lock_seen(k, vma.vm_file->f_inode->i_data.i_mmap_rwsem);
  call.vma = vma_seen(vma);
  return call;
}

HookCall& log_hook(Kernel& k, char_device& device, HookKind kind, const mm_struct& mm,
                   const file* vm_file, Vaddr start) {
  HookCall& call = log_hook(k, device, kind);
  call.mmap_lock = lock_seen(k, mm.mmap_lock);
  if (vm_file) call.i_mmap = lock_seen(k, vm_file->f_inode->i_data.i_mmap_rwsem);
  const vm_area_struct* const found = vma_lookup(mm, start);
  if (found) {
    call.vma = vma_seen(*found);
  } else {
    const bool stale = mm.stale_start <= start && start < mm.stale_end;
    call.vma = stale ? HookVma::detached : HookVma::not_in_tree;
  }
  return call;
}

HelperPath<void> hook_sleep(Kernel& k, const char_device& device, HookKind kind) {
  const HookSleep& sleep = sleep_of(*device.what, kind);
  if (sleep.duration.v == 0 || device.calls[static_cast<std::size_t>(kind)] != sleep.nth) co_return;
  co_await k.engine.block_until(k.now() + sleep.duration);
}

}  // namespace faultline
