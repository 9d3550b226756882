// Locks that a scenario declares by itself, without a kernel path around them: for playing lock
// protocols. Each is one of the modelled primitives; the verbs lock, unlock, downgrade and init act
// on them.
#pragma once

#include <deque>
#include <string>
#include <variant>
#include <vector>

#include <faultline/scenario.hpp>

#include "kernel/kernel.hpp"
#include "locking/mutex.hpp"
#include "locking/percpu_rwsem.hpp"
#include "locking/rwsem.hpp"
#include "locking/spinlock.hpp"

namespace faultline {

/// What came of an operation that cannot wait. Misuse that the records show (a release or downgrade
/// of what is not held, initialising what is) is left to those who watch the order of locks.
struct LockVerdict {
  bool ok = true;
  std::string wrong;                 ///< misuse that no record shows
  std::string kind = "kernel-warn";  ///< of the finding about it
};

class GenericLocks {
 public:
  GenericLocks(const Scenario& scenario, Kernel& k);

  /// 0, or -EBUSY for a trylock that failed.
  Path<std::int64_t> lock(Kernel& k, const LockArgs& args);
  LockVerdict unlock(Kernel& k, LockRef lock);
  LockVerdict downgrade(Kernel& k, LockRef lock);
  LockVerdict init(Kernel& k, LockRef lock);
  LockBase& base(LockRef lock);

 private:
  using Lock =
      std::variant<mutex, rw_semaphore, rwlock_t, spinlock_t, percpu_rw_semaphore, LockBase>;
  HelperPath<bool> lock_shared(Kernel& k, const LockArgs& args);
  HelperPath<void> annotation(Kernel& k, const LockArgs& args);
  void prepare(Kernel& k, LockRef lock);
  void announce(Kernel& k, LockRef lock, const LockArgs& args);
  void check_wait_context(Kernel& k, const LockArgs& args);

  const Scenario& scenario_;
  std::deque<Lock> locks_;
  std::vector<bool> special_;  ///< the last record about the lock said recursive or nested
};

}  // namespace faultline
