// Limits and counters of mapped memory. Linux 6.12 mm/mmap.c, mm/mlock.c, mm/util.c.
#include "kernel/mm/vm_account.hpp"

#include <cerrno>

#include "kernel/fs/hugetlbfs.hpp"

namespace faultline {

namespace {

std::uint64_t pages_of_limit(std::uint64_t bytes) {
  return bytes == RLIM_INFINITY_ ? ~0ULL : bytes >> PAGE_SHIFT;
}

std::uint64_t plus(std::uint64_t n, std::int64_t delta) {
  return n + static_cast<std::uint64_t>(delta);
}

}  // namespace

bool is_data_mapping(vm_flags_t flags) {
  return (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) == VM_WRITE;
}

bool is_exec_mapping(vm_flags_t flags) {
  return (flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) == VM_EXEC;
}

bool may_expand_vm(Kernel& k, const mm_struct& mm, vm_flags_t flags, std::int64_t npages) {
  const auto& rlim = k.current().rlim;
  if (plus(mm.total_vm, npages) > pages_of_limit(rlim[RLIMIT_AS_])) return false;
  return !is_data_mapping(flags) || plus(mm.data_vm, npages) <= pages_of_limit(rlim[RLIMIT_DATA_]);
}

void vm_stat_account(mm_struct& mm, vm_flags_t flags, std::int64_t npages) {
  mm.total_vm = plus(mm.total_vm, npages);
  if (is_exec_mapping(flags)) {
    mm.exec_vm = plus(mm.exec_vm, npages);
  } else if (flags & VM_GROWSDOWN) {
    mm.stack_vm = plus(mm.stack_vm, npages);
  } else if (is_data_mapping(flags)) {
    mm.data_vm = plus(mm.data_vm, npages);
  }
}

int vm_enough_memory(Kernel& k, const mm_struct&, std::uint64_t pages) {
  k.vm_committed_as += pages;
  const std::uint64_t ram = k.frames.total();
  bool enough = false;
  switch (k.profile.overcommit) {
    case OvercommitMode::always:
      enough = true;
      break;
    case OvercommitMode::guess:  // only what can never be had is refused
      enough = pages <= ram;
      break;
    case OvercommitMode::never:
      enough = k.vm_committed_as < ram * k.profile.overcommit_ratio / 100;
      break;
  }
  if (enough) return 0;
  k.vm_committed_as -= pages;
  return -ENOMEM;
}

void vm_unacct_memory(Kernel& k, std::uint64_t pages) { k.vm_committed_as -= pages; }

bool accountable_mapping(const file* file, vm_flags_t flags) {
  if (file && is_file_hugepages(*file)) return false;
  return (flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) == VM_WRITE;
}

bool can_do_mlock(Kernel& k) {
  const task_struct& current = k.current();
  return current.rlim[RLIMIT_MEMLOCK_] != 0 || capable(current, CAP_IPC_LOCK);
}

bool mlock_future_ok(Kernel& k, const mm_struct& mm, vm_flags_t flags, std::uint64_t bytes) {
  const task_struct& current = k.current();
  if (!(flags & VM_LOCKED) || capable(current, CAP_IPC_LOCK)) return true;
  return (bytes >> PAGE_SHIFT) + mm.locked_vm <= pages_of_limit(current.rlim[RLIMIT_MEMLOCK_]);
}

}  // namespace faultline
