// Random programs over all kinds of locks, under all choosers and on few or many CPUs. Whatever
// they do: holders exclude each other as the modes say; programs that take locks in one order
// complete (no wake-up is lost); those that do not complete or end in a deadlock whose reported
// cycle is one.
#include "base/rng.hpp"
#include "lock_rig.hpp"
#include "unit/engine/few_cpus.hpp"

namespace faultline {
namespace {

constexpr std::string_view kinds = "RMSPNQCB";  // spin locks amid sleeping ones: fine without RT

bool can_share(char lock) { return std::string_view("RSQC").find(lock) != std::string_view::npos; }
bool is_spin(char lock) { return lock == 'P' || lock == 'Q'; }

// Counts holders independently of the locks' own accounts.
struct Holders {
  std::map<char, int> readers;
  std::map<char, int> writers;

  void take(char lock, bool shared) {
    ++(shared ? readers : writers)[lock];
    REQUIRE(writers[lock] + (readers[lock] != 0 ? 1 : 0) <= 1);
  }
  void drop(char lock, bool shared) { --(shared ? readers : writers)[lock]; }
};

struct Program {
  LockRig& rig;
  Holders& holders;
  Rng rng;
  int rounds;
  bool ordered;
};

Path<void> pause(LockRig& rig, Program& p, bool may_sleep) {
  const std::uint64_t n = p.rng.below(4) == 0 ? p.rng.below(30'000) : p.rng.below(40);
  if (may_sleep && p.rng.below(3) == 0) {
    co_await rig.engine.block_until(rig.engine.now() + Nanos(n));
  } else {
    co_await rig.engine.spend(Nanos(n));
  }
}

Path<void> take_one(LockRig& rig, Program& p, char lock, bool shared) {
  const bool tries = p.rng.below(6) == 0 && (lock != 'Q') && !(lock == 'C' && !shared);
  bool taken = false;
  while (tries && !taken) {
    taken = co_await lock_word(rig, lock, shared ? '/' : '?');
    if (p.rng.below(2) == 0) break;
  }
  if (!taken) co_await lock_word(rig, lock, shared ? '<' : '+');
  p.holders.take(lock, shared);
}

Path<void> random_program(LockRig& rig, Program p) {
  for (int round = 0; round < p.rounds; ++round) {
    std::string held;
    std::string shared;
    bool spins = false;
    const std::size_t wanted = 1 + p.rng.below(3);
    std::size_t least = 0;
    while (held.size() < wanted) {
      const std::size_t i =
          p.ordered ? least + p.rng.below(kinds.size() - least) : p.rng.below(kinds.size());
      const char lock = kinds[i];
      if (held.find(lock) != std::string::npos) continue;
      if (spins && !is_spin(lock)) break;  // no sleeping lock under a spin lock
      const bool reads = can_share(lock) && p.rng.below(2) == 0;
      co_await take_one(rig, p, lock, reads);
      held += lock;
      if (reads) shared += lock;
      spins = spins || is_spin(lock);
      least = i + 1;
      co_await pause(rig, p, !spins);
      if (lock == 'R' && !reads && p.rng.below(4) == 0) {
        co_await lock_word(rig, 'R', '_');
        p.holders.drop('R', false);
        p.holders.take('R', true);
        shared += 'R';
      }
      if (least == kinds.size()) break;
    }
    while (!held.empty()) {
      const std::size_t i = p.rng.below(held.size());
      const char lock = held[i];
      const bool reads = shared.find(lock) != std::string::npos;
      p.holders.drop(lock, reads);
      co_await lock_word(rig, lock, reads ? '>' : '-');
      held.erase(i, 1);
      const bool spin_left = held.find_first_of("PQ") != std::string::npos;
      if (p.rng.below(3) == 0) co_await pause(rig, p, !spin_left);
    }
    co_await pause(rig, p, true);
  }
}

struct Setting {
  Chooser chooser;
  std::size_t cpus;
};

// Each member holds (or stands in the queue of) what the one before it wants; the first follows the
// last.
void check_cycle(const std::vector<DeadlockMember>& cycle) {
  REQUIRE_FALSE(cycle.empty());
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    const DeadlockMember& member = cycle[i];
    const DeadlockMember& before = cycle[(i + cycle.size() - 1) % cycle.size()];
    REQUIRE(before.wants.lock);
    if (member.held.lock) {
      CHECK(member.held.lock == before.wants.lock);
      CHECK((member.held.mode == HoldMode::exclusive || before.wants.mode == HoldMode::exclusive));
    } else {
      CHECK(member.wants.lock == before.wants.lock);
      CHECK(member.wants.mode == HoldMode::exclusive);
    }
  }
}

Outcome run_random(std::uint64_t seed, const Setting& setting, bool ordered) {
  EngineOptions options;
  options.chooser = setting.chooser;
  options.seed = seed;
  options.max_events = 200'000;
  LockRig rig(options, LockCosts{Nanos(seed % 3), Nanos(seed % 50), Nanos(seed % 7)});
  std::optional<FewCpus> cpus;
  if (setting.cpus != 0) cpus.emplace(rig.engine, setting.cpus, Nanos(3000));
  rig.init();
  Holders holders;
  Rng rng(seed);
  const std::size_t tasks = 2 + rng.below(6);
  for (std::size_t i = 0; i < tasks; ++i) {
    const Program program{rig, holders, Rng(rng.next()), ordered ? 12 : 5, ordered};
    rig.engine.start(rig.engine.add_task(), random_program(rig, program));
  }
  const Outcome outcome = rig.engine.run();
  if (outcome == Outcome::deadlock) check_cycle(rig.locks.deadlock());
  if (outcome == Outcome::completed) {
    CHECK(rig.locks.blocked().empty());
    for (const LockBase* lock : {static_cast<LockBase*>(&rig.sem), static_cast<LockBase*>(&rig.mtx),
                                 static_cast<LockBase*>(&rig.percpu)}) {
      CHECK(lock->waiting == 0);
    }
  }
  return outcome;
}

TEST_CASE("random programs that take locks in one order always complete") {
  for (const Setting& setting :
       {Setting{Chooser::timed, 0}, Setting{Chooser::timed, 1}, Setting{Chooser::timed, 2},
        Setting{Chooser::timed, 3}, Setting{Chooser::sequential, 0}, Setting{Chooser::random, 0}}) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
      INFO("seed " << seed << ", chooser " << static_cast<int>(setting.chooser) << ", CPUs "
                   << setting.cpus);
      REQUIRE(run_random(seed, setting, true) == Outcome::completed);
    }
  }
}

TEST_CASE("random programs in any order complete or end in a deadlock that is one") {
  int deadlocks = 0;
  for (const Setting& setting : {Setting{Chooser::timed, 0}, Setting{Chooser::timed, 2},
                                 Setting{Chooser::sequential, 0}, Setting{Chooser::random, 0}}) {
    for (std::uint64_t seed = 1; seed <= 400; ++seed) {
      INFO("seed " << seed << ", chooser " << static_cast<int>(setting.chooser) << ", CPUs "
                   << setting.cpus);
      const Outcome outcome = run_random(seed, setting, false);
      if (outcome == Outcome::deadlock) ++deadlocks;
      REQUIRE((outcome == Outcome::completed || outcome == Outcome::deadlock));
    }
  }
  CHECK(deadlocks > 50);
}

}  // namespace
}  // namespace faultline
