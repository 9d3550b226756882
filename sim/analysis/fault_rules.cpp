// The rules, each asked at the record that can show it to be broken. What a task holds is asked of
// the locking layer, which has it before the record of a release and after that of an acquisition.
#include "analysis/fault_rules.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/bug.hpp"
#include "kernel/mm/vma.hpp"

namespace faultline {

std::string_view fault_rule_name(FaultRule rule) {
  switch (rule) {
    case FaultRule::unmap_under_rmap:
      return "unmap-under-rmap";
    case FaultRule::fault_in_locked_vma:
      return "fault-in-locked-vma";
    case FaultRule::fault_lock_kept:
      return "fault-lock-kept";
    case FaultRule::io_under_fault_lock:
      return "io-under-fault-lock";
    case FaultRule::copy_under_inode_lock:
      return "copy-under-inode-lock";
    case FaultRule::lock_under_ilock:
      return "lock-under-ilock";
    case FaultRule::dax_entry_order:
      return "dax-entry-order";
    case FaultRule::lock_left:
      return "lock-left";
  }
  FL_BUG("unknown rule");
}

namespace {

const HeldStack& held_by(const Kernel& k, TaskId task) { return k.locks.held(k.engine.task(task)); }

bool is_fault_lock(const Kernel& k, const LockBase& lock) {
  return lock.cls == k.cls.mmap_lock || lock.cls == k.cls.mmap_lock_nested ||
         lock.cls == k.cls.vm_lock;
}

unsigned fault_locks(const Kernel& k, TaskId task) {
  unsigned n = 0;
  for (const HeldLock& h : held_by(k, task)) n += is_fault_lock(k, *h.lock);
  return n;
}

constexpr std::uint64_t lock_mode_try = 1;  // in the flags of a lock record

bool is_ilock(const Kernel& k, const LockBase& lock) {
  return lock.cls == k.cls.ilock || lock.cls == k.cls.ilock_second;
}

bool is_mmaplock(const Kernel& k, const LockBase& lock) {
  return lock.cls == k.cls.invalidate_lock || lock.cls == k.cls.invalidate_lock_second;
}

bool holds_ilock(const Kernel& k, TaskId task) {
  const HeldStack& held = held_by(k, task);
  return std::any_of(held.begin(), held.end(), [&](const auto& h) { return is_ilock(k, *h.lock); });
}

// Whether a lock record is about this class.
bool names(const Kernel& k, const Record& r, LockClassId cls) {
  return r.arg[2] == k.locks.class_info(cls).printed.v;
}

// The VMA of `mm` whose lock this is; null if it is none's.
const vm_area_struct* vma_of(const mm_struct& mm, const LockBase& lock) {
  for (const vm_area_struct* v = find_vma(mm, Vaddr(0)); v; v = find_vma(mm, v->vm_end)) {
    if (&v->vm_lock == &lock) return v;
  }
  return nullptr;
}

// Why a fault of this task may not be served now; "" if it may.
std::string unserved(const Kernel& k, TaskId task) {
  const mm_struct* const mm = k.tasks[task.v].mm;
  if (!mm) return "";
  bool any = false;
  for (const HeldLock& h : held_by(k, task)) {
    any = any || is_fault_lock(k, *h.lock);
    if (h.lock->cls != k.cls.vm_lock || h.mode != HoldMode::shared) continue;
    const vm_area_struct* const vma = vma_of(*mm, *h.lock);
    if (!vma) return "a fault is served from a VMA that the process does not have";
    if (vma->vm_lock_seq == mm->mm_lock_seq) {
      return fmt::format("a fault is served from the VMA at {:#x}, which is write-locked",
                         vma->vm_start.v);
    }
  }
  return any ? "" : "a fault is served without a fault lock";
}

// A freeze keeps its locks until the thaw, a scenario's own locks are its own affair.
bool may_stay(const LockBase& lock) {
  const auto owner = static_cast<LockOwner>(lock.id >> 56);
  return owner == LockOwner::scenario || owner == LockOwner::super;
}

}  // namespace

FaultRules::Function FaultRules::function(std::uint64_t symbol) {
  if (symbol >= functions_.size()) functions_.resize(symbol + 1, Function::unknown);
  Function& known = functions_[symbol];
  if (known != Function::unknown) return known;
  const std::string_view name = symbols_.text(SymbolId(static_cast<std::uint32_t>(symbol)));
  const bool unmaps = name == "do_vmi_munmap" || name == "do_munmap";
  known = unmaps                      ? Function::do_vmi_munmap
          : name == "handle_mm_fault" ? Function::handle_mm_fault
                                      : Function::other;
  return known;
}

std::optional<FaultRules::Broken> FaultRules::call(const Kernel& k, const Record& r) {
  switch (function(r.arg[0])) {
    case Function::do_vmi_munmap:
      for (const HeldLock& h : held_by(k, r.task)) {
        if (h.lock->cls != k.cls.i_mmap_rwsem) continue;
        return Broken{FaultRule::unmap_under_rmap,
                      "an unmapping begins with an i_mmap_rwsem held, which it will want"};
      }
      break;
    case Function::handle_mm_fault: {
      if (r.task.v >= fault_locks_.size()) fault_locks_.resize(r.task.v + 1);
      fault_locks_[r.task.v].push_back(fault_locks(k, r.task));
      const std::string why = unserved(k, r.task);
      if (!why.empty()) return Broken{FaultRule::fault_in_locked_vma, why};
      break;
    }
    case Function::unknown:
    case Function::other:
      break;
  }
  return std::nullopt;
}

std::optional<FaultRules::Broken> FaultRules::ret(const Kernel& k, const Record& r) {
  if (function(r.arg[0]) != Function::handle_mm_fault) return std::nullopt;
  if (r.task.v >= fault_locks_.size() || fault_locks_[r.task.v].empty()) return std::nullopt;
  const unsigned before = fault_locks_[r.task.v].back();
  fault_locks_[r.task.v].pop_back();
  const vm_fault_t result{static_cast<std::uint32_t>(r.arg[2])};
  const bool gone = bool(result & (VM_FAULT_RETRY | VM_FAULT_COMPLETED));
  const unsigned wanted = gone ? 0 : before;
  const unsigned now = fault_locks(k, r.task);
  if (now == wanted) return std::nullopt;
  return Broken{FaultRule::fault_lock_kept,
                fmt::format("a fault returns {} with {} fault locks held, not {}",
                            gone ? "RETRY or COMPLETED" : "a result", now, wanted)};
}

std::optional<FaultRules::Broken> FaultRules::wants(const Kernel& k, const Record& r) {
  const LockClasses& cls = k.cls;
  if (r.event == Event::sim_bitlock_acquire) {
    if (!names(k, r, cls.dax_entry)) return std::nullopt;
    for (const HeldLock& h : held_by(k, r.task)) {
      const bool other = h.lock->cls == cls.dax_entry && h.lock->id != r.arg[0];
      if (!other && !is_ilock(k, *h.lock)) continue;
      return Broken{FaultRule::dax_entry_order, fmt::format("a DAX entry is locked with {} held",
                                                            k.locks.class_of(*h.lock).name)};
    }
    return std::nullopt;
  }
  const bool tries = r.arg[1] & lock_mode_try;
  const bool io = names(k, r, cls.i_rwsem), mmap = names(k, r, cls.invalidate_lock);
  if ((io || mmap) && !tries && holds_ilock(k, r.task)) {
    return Broken{FaultRule::lock_under_ilock, io ? "an IOLOCK is wanted under an ILOCK"
                                                  : "an MMAPLOCK is wanted under an ILOCK"};
  }
  // The proposal of 2017 does so on purpose; the order of locks shows what comes of it.
  if (k.profile.map_bit == MapBit::direct || !io || fault_locks(k, r.task) == 0)
    return std::nullopt;
  return Broken{FaultRule::io_under_fault_lock, "an IOLOCK is wanted under a fault lock"};
}

std::optional<FaultRules::Broken> FaultRules::on_record(const Kernel& k, const Record& r) {
  switch (r.event) {
    case Event::sim_call:
      return call(k, r);
    case Event::sim_ret:
      return ret(k, r);
    case Event::lock_acquire:
    case Event::sim_bitlock_acquire:
      return wants(k, r);
    case Event::page_fault_kernel:
      for (const HeldLock& h : held_by(k, r.task)) {
        if (!is_ilock(k, *h.lock) && !is_mmaplock(k, *h.lock)) continue;
        return Broken{
            FaultRule::copy_under_inode_lock,
            fmt::format("a user page is faulted in with {} held", k.locks.class_of(*h.lock).name)};
      }
      break;
    case Event::sim_step_done:
      for (const HeldLock& h : held_by(k, r.task)) {
        if (may_stay(*h.lock)) continue;
        return Broken{FaultRule::lock_left, fmt::format("a step is over, but {} is held",
                                                        k.locks.class_of(*h.lock).name)};
      }
      break;
    default:
      break;
  }
  return std::nullopt;
}

}  // namespace faultline
