// Registration, faults and their resolution. See the header. Who waits for a monitor waits for that
// task in the wait-for graph, whatever the task itself waits for.
#include "kernel/fs/userfaultfd.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "kernel/mm/memory.hpp"
#include "kernel/mm/memory_map.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/rmap.hpp"
#include "kernel/mm/vma_merge.hpp"

namespace faultline {

namespace {

userfaultfd_ctx& context_of(Kernel& k, mm_struct& mm) {
  if (!mm.uffd) {
    mm.uffd = std::make_shared<userfaultfd_ctx>();
    init_lock(mm.uffd->fault_pending_wqh, k.locks, k.cls.uffd_wqh, lock_id(LockOwner::uffd, mm.id));
  }
  return *mm.uffd;
}

bool aligned(Vaddr start, std::uint64_t len) {
  return ((start.v | len) & ~PAGE_MASK) == 0 && len != 0 && start.v + len > start.v;
}

// Whether [start, end) is mapped without a gap, and all of it anonymously.
bool all_anonymous(const mm_struct& mm, Vaddr start, Vaddr end) {
  for (Vaddr at = start; at < end;) {
    const vm_area_struct* const vma = vma_lookup(mm, at);
    if (!vma || !vma_is_anonymous(*vma)) return false;
    at = vma->vm_end;
  }
  return true;
}

HelperPath<std::int64_t> register_range(Kernel& k, mm_struct& mm, Vaddr start, Vaddr end) {
  if (!all_anonymous(mm, start, end)) co_return -EINVAL;
  for (Vaddr at = start; at < end;) {
    vm_area_struct* vma = vma_lookup(mm, at);
    const Vaddr stop = vma->vm_end < end ? vma->vm_end : end;
    const vm_flags_t flags = vma->vm_flags | VM_UFFD_MISSING;
    if (flags != vma->vm_flags) {
      const std::int64_t error = co_await vma_modify_flags(k, *vma, at, stop, flags, &vma);
      if (error) co_return error;
      co_await vma_start_write(k, *vma);
      vma->vm_flags = flags;
    }
    at = stop;
  }
  co_return 0;
}

// The VMA of one page, locked: by itself if it can be had so, else under mmap_lock.
HelperPath<vm_area_struct*> uffd_mfill_lock(Kernel& k, mm_struct& mm, Vaddr at, bool* by_vma) {
  *by_vma = false;
  if (k.profile.uffd_vma_lock) {
    vm_area_struct* const vma = co_await lock_vma_under_rcu(k, mm, at);
    *by_vma = vma && vma->anon_vma;
    if (*by_vma) co_return vma;
    if (vma) vma_end_read(*vma);  // it needs an anon_vma first, and that needs mmap_lock
  }
  co_await mmap_read_lock(k, mm);
  vm_area_struct* const vma = vma_lookup(mm, at);
  if (vma && vma_is_anonymous(*vma) && !vma->anon_vma) co_await __anon_vma_prepare(k, *vma);
  co_return vma;
}

// mfill_atomic_pte_copy()
HelperPath<std::int64_t> fill_page(Kernel& k, vm_area_struct& vma, Vaddr at, std::uint64_t value) {
  mm_struct& mm = *vma.vm_mm;
  k.might_alloc();
  const std::optional<Pfn> page = k.frames.alloc();
  if (!page) co_return -ENOMEM;
  k.engine.charge(k.costs.page_zero);
  k.dram.zero(page->v << PAGE_SHIFT, PAGE_SIZE);
  std::array<std::byte, sizeof(value)> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(value >> (8 * i));
  k.dram.store(page->v << PAGE_SHIFT, bytes);
  const pmd_ptr pmd = co_await walk_to_pmd(k, mm, at);
  std::int64_t error = !pmd ? -ENOMEM : pmd_leaf(*pmd) ? -EEXIST : 0;
  if (!error && pmd_none(*pmd)) {
    const vm_fault_t failed = co_await __pte_alloc(k, mm, pmd);
    if (failed) error = -ENOMEM;
  }
  if (error) {
    k.frames.put(*page);
    co_return error;
  }
  spinlock_t& ptl = pte_lockptr(k, mm, pmd);
  const pte_ptr pte = mm.pgtables->pte_offset(pmd, at);
  co_await spin_lock(ptl);
  const bool free = pte_none(*pte);
  if (free) {
    pte_t entry = pte_mkdirty(mk_pte(*page, vma.vm_page_prot));
    if (vma.vm_flags & VM_WRITE) entry = pte_mkwrite(entry);
    set_pte(pte, entry);
    note_pte_set(k, at, entry.v, 0);
    k.engine.charge(k.costs.pte_install);
    ++mm.rss.anon;
  } else {
    k.frames.put(*page);
  }
  spin_unlock(ptl);
  co_return free ? 0 : -EEXIST;
}

// mfill_atomic() of one page.
HelperPath<std::int64_t> mfill_page(Kernel& k, mm_struct& mm, Vaddr at, std::uint64_t value) {
  bool by_vma = false;
  vm_area_struct* const vma = co_await uffd_mfill_lock(k, mm, at, &by_vma);
  const bool registered = vma && (vma->vm_flags & VM_UFFD_MISSING);
  const std::int64_t error = registered ? co_await fill_page(k, *vma, at, value) : -ENOENT;
  if (by_vma) {
    vma_end_read(*vma);
  } else {
    mmap_read_unlock(k, mm);
  }
  co_return error;
}

// wake_userfault()
HelperPath<void> wake_faults(Kernel& k, userfaultfd_ctx& ctx, Vaddr start, std::uint64_t len) {
  co_await spin_lock(ctx.fault_pending_wqh);
  std::erase_if(ctx.faults, [&](const userfaultfd_ctx::Fault& fault) {
    const bool filled = start <= fault.address && fault.address < start + len;
    if (filled) k.engine.wake(*fault.task);
    return filled;
  });
  spin_unlock(ctx.fault_pending_wqh);
}

userfaultfd_ctx::Fault* next_fault(userfaultfd_ctx& ctx) {
  for (userfaultfd_ctx::Fault& fault : ctx.faults) {
    if (!fault.read) return &fault;
  }
  return nullptr;
}

bool waits(const userfaultfd_ctx& ctx, const Task& task) {
  return std::any_of(ctx.faults.begin(), ctx.faults.end(),
                     [&](const userfaultfd_ctx::Fault& fault) { return fault.task == &task; });
}

}  // namespace

Path<std::int64_t> userfaultfd_register(Kernel& k, Vaddr start, std::uint64_t len) {
  if (!aligned(start, len)) co_return -EINVAL;
  mm_struct& mm = *k.current().mm;
  context_of(k, mm);
  co_await mmap_write_lock(k, mm);
  const std::int64_t error = co_await register_range(k, mm, start, start + len);
  mmap_write_unlock(k, mm);
  co_return error;
}

Path<std::int64_t> userfaultfd_read(Kernel& k) {
  userfaultfd_ctx& ctx = context_of(k, *k.current().mm);
  Task& current = k.engine.current();
  ctx.monitor = &current;
  for (;;) {
    co_await spin_lock(ctx.fault_pending_wqh);
    userfaultfd_ctx::Fault* const fault = next_fault(ctx);
    if (fault) {
      fault->read = true;
      const Vaddr address = fault->address;
      spin_unlock(ctx.fault_pending_wqh);
      co_return static_cast<std::int64_t>(address.v);
    }
    ctx.reader = &current;
    spin_unlock(ctx.fault_pending_wqh);
    if (signal_pending(k.current())) co_return -ERESTARTSYS;
    current.sleep = SleepState::interruptible;
    const Wake why = co_await k.engine.block();
    current.sleep = SleepState::uninterruptible;
    ctx.reader = nullptr;
    if (why == Wake::signal) co_return -ERESTARTSYS;
  }
}

Path<std::int64_t> userfaultfd_copy(Kernel& k, Vaddr start, std::uint64_t len,
                                    std::uint64_t value) {
  if (!aligned(start, len)) co_return -EINVAL;
  mm_struct& mm = *k.current().mm;
  userfaultfd_ctx& ctx = context_of(k, mm);
  ctx.monitor = &k.engine.current();
  std::int64_t error = 0;
  std::uint64_t done = 0;
  for (; done < len && !error; done += PAGE_SIZE) {
    error = co_await mfill_page(k, mm, start + done, value);
  }
  if (error) done -= PAGE_SIZE;
  if (done) co_await wake_faults(k, ctx, start, done);
  co_return done ? static_cast<std::int64_t>(done) : error;
}

Path<vm_fault_t> handle_userfault(Kernel& k, vm_fault& vmf) {
  vm_area_struct& vma = *vmf.vma;
  mm_struct& mm = *vma.vm_mm;
  if (!(vmf.flags & FAULT_FLAG_ALLOW_RETRY)) co_return VM_FAULT_SIGBUS;
  userfaultfd_ctx& ctx = context_of(k, mm);
  Task& current = k.engine.current();
  co_await spin_lock(ctx.fault_pending_wqh);
  ctx.faults.push_back({&current, vmf.address, false});
  spin_unlock(ctx.fault_pending_wqh);
  if (vmf.flags & FAULT_FLAG_VMA_LOCK) {
    vma_end_read(vma);
  } else {
    mmap_read_unlock(k, mm);
  }
  if (ctx.reader) k.engine.wake(*ctx.reader);
  while (waits(ctx, current)) {
    if (ctx.monitor) k.locks.begin_task_wait(*ctx.monitor);
    co_await k.engine.block();
    if (ctx.monitor) k.locks.end_wait(current);
  }
  co_return VM_FAULT_RETRY;
}

}  // namespace faultline
