// Little scripts for lock tests. A script is a list of words that one task plays; each acquisition
// is noted as TASK:WORD@TIME. Words: `@T` sleep until T, `N` work for N, `zN` sleep for N, `y` let
// others that are due go first; `L+` and `L-` take and give back the lock L exclusively, `L<` and
// `L>` shared, `L?` and `L/` try so (noted with = or !), `L_` downgrade, `L*` take killably; `=T`
// note whether task T works, spins or sleeps; `kT` send a signal to task T, `eT` wait for its end.
#pragma once

#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "engine/engine.hpp"
#include "locking/mutex.hpp"
#include "locking/percpu_rwsem.hpp"
#include "locking/rwsem.hpp"
#include "locking/semaphore.hpp"
#include "locking/spinlock.hpp"

namespace faultline {

struct LockRig {
  explicit LockRig(EngineOptions options = {}, LockCosts costs = {})
      : engine(tracer, std::move(options)), locks(engine, costs) {}

  Tracer tracer;
  Engine engine;
  LockContext locks;
  std::string log;
  rw_semaphore sem;            // R
  rw_semaphore sem2;           // S
  mutex mtx;                   // M
  mutex mtx2;                  // N
  spinlock_t spin;             // P
  rwlock_t rwl;                // Q
  percpu_rw_semaphore percpu;  // C
  semaphore bin;               // B
  std::vector<std::vector<Task*>> enders;
  std::vector<bool> signalled;

  void note(const std::string& what) {
    if (!log.empty()) log += ' ';
    log += std::to_string(engine.current().id.v);
    log += ':';
    log += what;
    log += '@';
    log += std::to_string(engine.now().v);
  }
  void init() {
    const auto prepare = [this](LockBase& lock, const char* name, LockType kind, unsigned n) {
      init_lock(lock, locks, locks.lock_class(name, kind), lock_id(1, 1, n));
    };
    prepare(sem, "R", LockType::rwsem, 0);
    prepare(sem2, "S", LockType::rwsem, 1);
    prepare(mtx, "M", LockType::mutex, 2);
    prepare(mtx2, "N", LockType::mutex, 3);
    prepare(spin, "P", LockType::spinlock, 4);
    prepare(rwl, "Q", LockType::rwlock, 5);
    prepare(percpu, "C", LockType::percpu_rwsem, 6);
    prepare(bin, "B", LockType::bitlock, 7);
  }
};

inline FramePool& frame_pool(LockRig& rig) { return rig.engine.frames(); }

inline Path<bool> lock_word(LockRig& rig, char lock, char how) {
  const auto pick = [how](char exclusive) { return how == exclusive; };
  switch (lock) {
    case 'R':
    case 'S': {
      rw_semaphore& sem = lock == 'R' ? rig.sem : rig.sem2;
      bool taken = true;
      if (pick('+')) co_await down_write(sem);
      if (pick('<')) co_await down_read(sem);
      if (pick('?')) taken = co_await down_write_trylock(sem);
      if (pick('/')) taken = co_await down_read_trylock(sem);
      if (pick('*')) taken = co_await down_write_killable(sem);
      if (pick('-')) CHECK(up_write(sem));
      if (pick('>')) CHECK(up_read(sem));
      if (pick('_')) CHECK(downgrade_write(sem));
      co_return taken;
    }
    case 'M':
    case 'N': {
      mutex& m = lock == 'M' ? rig.mtx : rig.mtx2;
      bool taken = true;
      if (pick('+')) co_await mutex_lock(m);
      if (pick('?')) taken = co_await mutex_trylock(m);
      if (pick('-')) CHECK(mutex_unlock(m));
      co_return taken;
    }
    case 'P': {
      bool taken = true;
      if (pick('+')) co_await spin_lock(rig.spin);
      if (pick('?')) taken = co_await spin_trylock(rig.spin);
      if (pick('-')) CHECK(spin_unlock(rig.spin));
      co_return taken;
    }
    case 'Q': {
      if (pick('+')) co_await write_lock(rig.rwl);
      if (pick('<')) co_await read_lock(rig.rwl);
      if (pick('-')) CHECK(write_unlock(rig.rwl));
      if (pick('>')) CHECK(read_unlock(rig.rwl));
      co_return true;
    }
    case 'C': {
      bool taken = true;
      if (pick('+')) co_await percpu_down_write(rig.percpu);
      if (pick('<')) co_await percpu_down_read(rig.percpu);
      if (pick('/')) taken = co_await percpu_down_read_trylock(rig.percpu);
      if (pick('-')) CHECK(percpu_up_write(rig.percpu));
      if (pick('>')) CHECK(percpu_up_read(rig.percpu));
      co_return taken;
    }
    default: {
      bool taken = true;
      if (pick('+')) co_await down(rig.bin);
      if (pick('?')) taken = co_await down_trylock(rig.bin);
      if (pick('-')) CHECK(up(rig.bin));
      co_return taken;
    }
  }
}

inline const char* doing(const Task& task) {
  if (task.state == TaskState::done) return "done";
  if (task.state != TaskState::blocked) return "works";
  return task.spinning ? "spins" : "sleeps";
}

inline Path<void> time_word(LockRig& rig, std::string word) {
  Engine& engine = rig.engine;
  const std::string digits = word.substr(word[0] >= '0' && word[0] <= '9' ? 0 : 1);
  const std::uint64_t n = digits.empty() ? 0 : std::stoull(digits);
  switch (word[0]) {
    case '@':
      co_await engine.block_until(Nanos(n));
      break;
    case 'z':
    case 'y':
      co_await engine.block_until(engine.now() + Nanos(n));
      break;
    case '=':
      rig.note(digits + doing(engine.task(TaskId(static_cast<std::uint32_t>(n)))));
      break;
    case 'k': {
      Task& task = engine.task(TaskId(static_cast<std::uint32_t>(n)));
      rig.signalled[n] = true;
      if (task.wait_is_signalable) engine.wake(task, Wake::signal);
      break;
    }
    case 'e':
      rig.enders[n].push_back(&engine.current());
      rig.locks.begin_task_wait(engine.task(TaskId(static_cast<std::uint32_t>(n))));
      co_await engine.block();
      rig.locks.end_wait(engine.current());
      break;
    default:
      co_await engine.spend(Nanos(n));
      break;
  }
}

inline Path<void> play(LockRig& rig, std::string script) {
  std::istringstream words(script);
  std::string word;
  while (words >> word) {
    if (word[0] < 'A' || word[0] > 'Z') {
      co_await time_word(rig, word);
      continue;
    }
    const bool taken = co_await lock_word(rig, word[0], word[1]);
    const bool tried = word[1] == '?' || word[1] == '/';
    const bool takes = std::string("+<*_?/").find(word[1]) != std::string::npos;
    if (takes) rig.note(word + (tried || !taken ? (taken ? "=" : "!") : ""));
    if (!taken) break;
  }
  for (Task* const waiter : rig.enders[rig.engine.current().id.v]) rig.engine.wake(*waiter);
}

/// Starts one task per script and plays them.
inline Outcome play_all(LockRig& rig, const std::vector<std::string>& scripts) {
  rig.init();
  rig.enders.resize(scripts.size());
  rig.signalled.resize(scripts.size());
  rig.locks.set_signal_oracle({&rig,
                               [](void* self, const Task& task) -> bool {
                                 return static_cast<LockRig*>(self)->signalled[task.id.v];
                               },
                               nullptr});
  for (const auto& script : scripts) {
    Task& task = rig.engine.add_task();
    rig.engine.start(task, play(rig, script));
  }
  return rig.engine.run();
}

/// What is noted when all scripts come to their ends.
inline std::string played(const std::vector<std::string>& scripts, EngineOptions options = {}) {
  LockRig rig(std::move(options));
  const Outcome outcome = play_all(rig, scripts);
  CHECK(outcome == Outcome::completed);
  CHECK(rig.locks.blocked().empty());
  return rig.log;
}

}  // namespace faultline
