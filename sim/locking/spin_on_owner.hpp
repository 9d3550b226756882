// Optimistic spinning, shared by rwsem and mutex: a newcomer keeps its CPU while the owner runs,
// and may take the lock ahead of sleeping waiters. Spinners stand in a queue (the kernel's
// osq_lock) of which only the first looks at the lock. Linux 6.12 kernel/locking/osq_lock.c and the
// two users.
#pragma once

#include "locking/rwsem.hpp"

namespace faultline {

/// Whether another task waits for the CPU of `task`: then it does not spin.
bool need_resched(const Engine& engine, const Task& task);

/// Whether `lock` has an exclusive owner that runs on a CPU, so that its release may be near.
bool owner_on_cpu(const SleepingLock& lock);

/// Queues the current task as a spinner and waits for its turn. False if it had to give up its
/// place because its CPU is wanted.
HelperPath<bool> osq_lock(Engine& engine, SleepingLock& lock, Waiter& node);
/// Leaves the queue of spinners; the next one has its turn.
void osq_unlock(SleepingLock& lock, Waiter& node);

/// Waits on the CPU until the lock was released, its owner lost its CPU, this CPU is wanted, or
/// `deadline`.
HelperPath<void> spin_on_owner(Engine& engine, SleepingLock& lock, Nanos deadline);

/// Tells the first spinner that the lock or its owner may have changed.
void notify_spinner(SleepingLock& lock);

/// Wakes a sleeping waiter at the cost of the current task; a spinning one at none.
void wake_waiter(SleepingLock& lock, Waiter& waiter);

}  // namespace faultline
