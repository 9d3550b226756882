// What a process may map, and what the system has promised. Linux 6.12 mm/mmap.c (may_expand_vm,
// vm_stat_account), mm/mlock.c (can_do_mlock, mlock_future_ok), mm/util.c (__vm_enough_memory).
// Left out: the reserves of overcommit mode "never", and swap.
#pragma once

#include "kernel/kernel.hpp"

namespace faultline {

/// Whether `npages` more pages with these flags stay within RLIMIT_AS and RLIMIT_DATA. `npages` may
/// be negative: what is replaced counts less.
bool may_expand_vm(Kernel& k, const mm_struct& mm, vm_flags_t flags, std::int64_t npages);
/// Which of an mm's counters a mapping with these flags is in; a stack is in neither.
bool is_data_mapping(vm_flags_t flags);
bool is_exec_mapping(vm_flags_t flags);
/// Adds `npages` (may be negative) to total_vm and to the counter of their kind.
void vm_stat_account(mm_struct& mm, vm_flags_t flags, std::int64_t npages);

/// Charges `pages` of memory that may have to be found later. 0, or -ENOMEM with nothing charged.
int vm_enough_memory(Kernel& k, const mm_struct& mm, std::uint64_t pages);
void vm_unacct_memory(Kernel& k, std::uint64_t pages);
/// Whether a mapping is charged: private, writable, not MAP_NORESERVE, not of huge pages.
bool accountable_mapping(const file* file, vm_flags_t flags);

bool can_do_mlock(Kernel& k);
/// Whether `bytes` more may be locked, if these flags lock at all.
bool mlock_future_ok(Kernel& k, const mm_struct& mm, vm_flags_t flags, std::uint64_t bytes);

}  // namespace faultline
