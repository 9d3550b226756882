// __do_page_fault of Linux 4.13 arch/x86/mm/fault.c: no lock per VMA, so every fault takes
// mmap_sem, and a handler may ask for a retry once. Left out: kernel addresses, growing stacks
// (refused as unmapped), protection keys, kprobes.
#include "kernel/arch/x86/fault.hpp"
#include "kernel/mm/memory.hpp"
#include "kernel/mm/mmap_lock.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline::v4_13 {

// The VMA of the access with mmap_sem held; null without it after a signal or a short copy is due.
static HelperPath<vm_area_struct*> find_good_area(Kernel& k, mm_struct& mm, Vaddr address,
                                                  std::uint32_t error_code, int* code) {
  // A lock validator counts nothing for the try; what happens when it fails is a dependency.
  k.locks.try_then_wait(mm.mmap_lock, HoldMode::shared);
  const bool taken = co_await mmap_read_trylock(k, mm);
  if (!taken) co_await mmap_read_lock(k, mm);
  k.engine.charge(k.costs.vma_lookup);
  vm_area_struct* const vma = vma_lookup(mm, address);
  if (vma && !access_error(error_code, *vma)) co_return vma;
  *code = vma ? SEGV_ACCERR : SEGV_MAPERR;
  mmap_read_unlock(k, mm);
  co_return nullptr;
}

Path<bool> __do_page_fault(Kernel& k, Vaddr address, std::uint32_t error_code, FaultMode mode,
                           vm_fault_t* fault) {
  if (!k.current().mm) co_return bad_area_nosemaphore(k, mode, address, SEGV_MAPERR);
  mm_struct& mm = *k.current().mm;
  std::uint32_t flags = FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE;
  if (mode == FaultMode::user) flags |= FAULT_FLAG_USER;
  if (error_code & X86_PF_WRITE) flags |= FAULT_FLAG_WRITE;
  if (error_code & X86_PF_INSTR) flags |= FAULT_FLAG_INSTRUCTION;
  for (;;) {
    int code = 0;
    vm_area_struct* const vma = co_await find_good_area(k, mm, address, error_code, &code);
    if (!vma) {
      *fault = VM_FAULT_SIGSEGV;
      co_return bad_area_nosemaphore(k, mode, address, code);
    }
    *fault = co_await handle_mm_fault(k, *vma, address, flags);
    if (!(*fault & VM_FAULT_RETRY)) break;
    // mmap_sem is released. A second retry goes back to the access, which faults anew.
    const bool once_more = (flags & FAULT_FLAG_ALLOW_RETRY) && !fatal_signal_pending(k.current());
    if (!once_more) co_return mode == FaultMode::user;
    flags = (flags & ~FAULT_FLAG_ALLOW_RETRY) | FAULT_FLAG_TRIED;
  }
  if (!(*fault & VM_FAULT_COMPLETED)) mmap_read_unlock(k, mm);
  if (*fault & VM_FAULT_ERROR) co_return fault_error(k, mode, address, *fault);
  co_return true;
}

}  // namespace faultline::v4_13
