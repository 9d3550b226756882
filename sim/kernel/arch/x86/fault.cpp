// do_user_addr_fault: the per-VMA lock first, mmap_lock as the fallback. Linux 6.12
// arch/x86/mm/fault.c and mm/memory.c lock_mm_and_find_vma.
#include "kernel/arch/x86/fault.hpp"

#include "kernel/mm/expand_stack.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

void force_sig_fault(Kernel& k, int sig, int code, Vaddr address) {
  task_struct& current = k.current();
  k.trace<Event::signal_generate>(sig, 0, code, std::string_view(current.comm), current.pid, 0, 0);
  k.engine.charge(k.costs.signal_delivery);
  if (!current.pending_signal) current.pending_signal = PendingSignal{sig, code, address};
}

bool access_error(std::uint32_t error_code, const vm_area_struct& vma) {
  if (error_code & X86_PF_WRITE) return !(vma.vm_flags & VM_WRITE);
  if (error_code & X86_PF_PROT) return true;
  return !(vma.vm_flags & VM_ACCESS_FLAGS);
}

bool bad_area_nosemaphore(Kernel& k, FaultMode mode, Vaddr address, int code) {
  if (mode == FaultMode::user) force_sig_fault(k, SIGSEGV, code, address);
  return mode == FaultMode::user;
}

// A stack has to grow, which needs mmap_lock for writing: there is no upgrade, so it is dropped and
// everything is looked at again.
static HelperPath<vm_area_struct*> grow_stack(Kernel& k, mm_struct& mm, Vaddr address) {
  mmap_read_unlock(k, mm);
  bool taken = false;
  co_await mmap_write_lock(k, mm, &taken);
  if (!taken) co_return nullptr;
  vm_area_struct* const vma = find_vma(mm, address);
  bool found = vma && vma->vm_start <= address;
  if (vma && !found && (vma->vm_flags & VM_GROWSDOWN)) {
    const std::int64_t error = co_await expand_downwards(k, *vma, address);
    found = error == 0;
  }
  if (found) {
    mmap_write_downgrade(k, mm);
    co_return vma;
  }
  mmap_write_unlock(k, mm);
  co_return nullptr;
}

static Path<vm_area_struct*> lock_mm_and_find_vma(Kernel& k, mm_struct& mm, Vaddr address) {
  k.locks.try_then_wait(mm.mmap_lock, HoldMode::shared);
  bool taken = co_await mmap_read_trylock(k, mm);
  if (!taken) co_await mmap_read_lock(k, mm, &taken);
  if (!taken) co_return nullptr;
  k.engine.charge(k.costs.vma_lookup);
  vm_area_struct* vma = find_vma(mm, address);
  if (vma && vma->vm_start <= address) co_return vma;
  if (!vma || !(vma->vm_flags & VM_GROWSDOWN)) {
    mmap_read_unlock(k, mm);
    co_return nullptr;
  }
  vma = co_await grow_stack(k, mm, address);
  co_return vma;
}

bool fault_error(Kernel& k, FaultMode mode, Vaddr address, vm_fault_t fault) {
  if (mode == FaultMode::uaccess) return false;
  // pagefault_out_of_memory(): a single allocation has failed; the access faults again.
  if ((fault & VM_FAULT_OOM) && k.inject.armed()) return true;
  if (fault & VM_FAULT_OOM) {
    // Re-executing the access would fault again for ever: nobody frees memory here.
    force_sig_fault(k, SIGKILL, 0, address);
  } else if (fault & (VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE)) {
    force_sig_fault(k, SIGBUS, BUS_MCEERR_AR, address);
  } else if (fault & VM_FAULT_SIGBUS) {
    force_sig_fault(k, SIGBUS, BUS_ADRERR, address);
  } else if (fault & VM_FAULT_SIGSEGV) {
    force_sig_fault(k, SIGSEGV, SEGV_MAPERR, address);
  } else {
    k.engine.stop(Outcome::kernel_bug, "a page fault ended with an error that has no signal");
  }
  return true;
}

// The fault is to be tried again, but a signal that is pending comes first: a program has it
// delivered before it makes the access anew, the kernel itself only looks for one that kills.
static bool fault_signal_pending(Kernel& k, vm_fault_t fault, FaultMode mode) {
  const task_struct& current = k.current();
  if (!(fault & VM_FAULT_RETRY)) return false;
  return fatal_signal_pending(current) || (mode == FaultMode::user && signal_pending(current));
}

enum class Attempt : std::uint8_t { done, retry, bad_access, signal };

// Steps 11 to 13: the fault under mmap_lock, until it no longer asks for a retry.
static HelperPath<Attempt> fault_under_mmap_lock(Kernel& k, Vaddr address, std::uint32_t error_code,
                                                 FaultMode mode, std::uint32_t flags,
                                                 vm_fault_t* fault) {
  mm_struct& mm = *k.current().mm;
  for (;;) {
    vm_area_struct* const vma = co_await lock_mm_and_find_vma(k, mm, address);
    if (!vma) co_return Attempt::retry;
    if (access_error(error_code, *vma)) {
      mmap_read_unlock(k, mm);
      co_return Attempt::bad_access;
    }
    *fault = co_await handle_mm_fault(k, *vma, address, flags);
    if (fault_signal_pending(k, *fault, mode)) co_return Attempt::signal;
    if (*fault & VM_FAULT_COMPLETED) co_return Attempt::done;
    if (!(*fault & VM_FAULT_RETRY)) break;
    flags |= FAULT_FLAG_TRIED;
  }
  mmap_read_unlock(k, mm);
  co_return Attempt::done;
}

static Path<bool> do_user_addr_fault(Kernel& k, Vaddr address, std::uint32_t error_code,
                                     FaultMode mode, vm_fault_t* fault) {
  if (!k.current().mm) co_return bad_area_nosemaphore(k, mode, address, SEGV_MAPERR);
  std::uint32_t flags = FAULT_FLAG_DEFAULT;
  if (error_code & X86_PF_WRITE) flags |= FAULT_FLAG_WRITE;
  if (error_code & X86_PF_INSTR) flags |= FAULT_FLAG_INSTRUCTION;
  if (mode == FaultMode::user) flags |= FAULT_FLAG_USER;

  Attempt attempt = Attempt::retry;
  if (mode == FaultMode::user && k.profile.per_vma_lock) {
    // Under the lock of the VMA alone, if it can be had at once.
    vm_area_struct* const vma = co_await lock_vma_under_rcu(k, *k.current().mm, address);
    if (vma && access_error(error_code, *vma)) {
      vma_end_read(*vma);
      attempt = Attempt::bad_access;
    } else if (vma) {
      *fault = co_await handle_mm_fault(k, *vma, address, flags | FAULT_FLAG_VMA_LOCK);
      if (!(*fault & (VM_FAULT_RETRY | VM_FAULT_COMPLETED))) vma_end_read(*vma);
      if (!(*fault & VM_FAULT_RETRY)) attempt = Attempt::done;
    }
    const bool major = bool(*fault & VM_FAULT_MAJOR);
    if (attempt == Attempt::retry && major) flags |= FAULT_FLAG_TRIED;
    if (vma && fault_signal_pending(k, *fault, mode)) attempt = Attempt::signal;
  }
  if (attempt == Attempt::retry) {
    attempt = co_await fault_under_mmap_lock(k, address, error_code, mode, flags, fault);
    if (attempt == Attempt::retry) {
      *fault = VM_FAULT_SIGSEGV;
      co_return bad_area_nosemaphore(k, mode, address, SEGV_MAPERR);
    }
  }
  // A program goes back and gets its signal; the kernel's own access is given up.
  if (attempt == Attempt::signal) co_return mode == FaultMode::user;
  if (attempt == Attempt::bad_access) {
    *fault = VM_FAULT_SIGSEGV;
    co_return bad_area_nosemaphore(k, mode, address, SEGV_ACCERR);
  }
  if (*fault & VM_FAULT_ERROR) co_return fault_error(k, mode, address, *fault);
  co_return true;
}

static void note_fault(task_struct& current, Vaddr address, vm_fault_t fault, Nanos duration) {
  ++current.faults_in_step;
  current.last_fault.address = address;
  current.last_fault.result = fault;
  current.last_fault.duration = duration;
  if (current.faults.size() < task_struct::max_fault_records) {
    current.faults.push_back(current.last_fault);
  }
}

// Hands on the path of one of the two entries: it has no frame of its own.
static Path<bool> handle_page_fault(Kernel& k, Vaddr address, std::uint32_t error_code,
                                    FaultMode mode, vm_fault_t* fault) {
  if (k.profile.fault_entry == FaultEntry::do_page_fault) {
    return v4_13::__do_page_fault(k, address, error_code, mode, fault);
  }
  return do_user_addr_fault(k, address, error_code, mode, fault);
}

HelperPath<bool> exc_page_fault(Kernel& k, Vaddr address, std::uint32_t error_code, FaultMode mode,
                                std::uint64_t ip) {
  const Nanos start = k.now();
  co_await k.engine.spend(k.costs.exception_entry);
  k.cpus.of(k.engine.current()).tlb.page_fault(k.current().mm ? k.current().mm->id : 1, address);
  if (mode == FaultMode::user) {
    k.trace<Event::page_fault_user>(address, ip, error_code);
  } else {
    k.trace<Event::page_fault_kernel>(address, ip, error_code);
  }
  vm_fault_t fault;
  k.current().last_fault.leaf_order = ~0u;
  const bool ok = co_await handle_page_fault(k, address, error_code, mode, &fault);
  co_await k.engine.spend(k.costs.exception_exit);
  note_fault(k.current(), address, fault, k.now() - start);
  co_return ok;
}

}  // namespace faultline
