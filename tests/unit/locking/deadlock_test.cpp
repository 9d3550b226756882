// The wait-for graph: which cycles end a run, when, and what is said of them.
#include "lock_rig.hpp"
#include "unit/engine/few_cpus.hpp"

namespace faultline {
namespace {

// "TASK holds LOCK wants LOCK" of each member; `-` for nothing.
std::string told(LockRig& rig, const std::vector<DeadlockMember>& cycle) {
  std::string text;
  for (const auto& member : cycle) {
    const auto name = [&rig](const LockBase* lock) {
      return lock ? rig.locks.class_of(*lock).name : std::string("-");
    };
    text += (text.empty() ? "" : ", ") + std::to_string(member.task.v) + " holds " +
            name(member.held.lock) + " wants " +
            (member.wants.on ? "step of " + std::to_string(member.wants.on->id.v)
                             : name(member.wants.lock));
  }
  return text;
}

struct Ended {
  Outcome outcome;
  std::uint64_t time;
  std::string cycle;
  bool operator==(const Ended&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Ended& e) {
  return out << static_cast<int>(e.outcome) << " at " << e.time << ": " << e.cycle;
}

Ended ended(const std::vector<std::string>& scripts) {
  LockRig rig;
  const Outcome outcome = play_all(rig, scripts);
  return {outcome, rig.engine.now().v, told(rig, rig.locks.deadlock())};
}

TEST_CASE("two tasks, two mutexes in opposite order") {
  CHECK(ended({"M+ z10 N+", "N+ z20 M+", "1000"}) ==
        Ended{Outcome::deadlock, 20, "0 holds M wants N, 1 holds N wants M"});
}

TEST_CASE("three tasks in a ring, of different kinds of lock, one of them spinning") {
  CHECK(ended({"M+ 10 R+", "R+ 20 P+", "P+ 30 M+", "1000"}) ==
        Ended{Outcome::deadlock, 30, "0 holds M wants R, 1 holds R wants P, 2 holds P wants M"});
}

TEST_CASE("a task that wants what it holds") {
  CHECK(ended({"M+ 5 M+", "1000"}) == Ended{Outcome::deadlock, 5, "0 holds M wants M"});
  CHECK(ended({"P+ 5 P+", "1000"}) == Ended{Outcome::deadlock, 5, "0 holds P wants P"});
  CHECK(ended({"R+ 5 R<", "1000"}) == Ended{Outcome::deadlock, 5, "0 holds R wants R"});
  CHECK(ended({"B+ 5 B+", "1000"}) == Ended{Outcome::deadlock, 5, "0 holds B wants B"});
  CHECK(ended({"C+ 5 C<", "1000"}) == Ended{Outcome::deadlock, 5, "0 holds C wants C"});
  // A writer that holds it shared spins for its time first, being able to tell nothing.
  CHECK(ended({"R< 5 R+", "1000000"}) == Ended{Outcome::deadlock, 10505, "0 holds R wants R"});
}

TEST_CASE("a reader behind a queued writer, which waits for that reader") {
  CHECK(ended({"R< z50000 R<", "@10 R+", "100000"}) ==
        Ended{Outcome::deadlock, 50000, "1 holds - wants R, 0 holds R wants R"});
  // The same through a second lock: reader 2 stands behind writer 1, which waits for reader 0,
  // which waits for the mutex of reader 2.
  CHECK(ended({"R< z50000 M+", "@10 R+", "M+ z40000 R<", "100000"}) ==
        Ended{Outcome::deadlock, 50000, "2 holds M wants R, 1 holds - wants R, 0 holds R wants M"});
  CHECK(ended({"C< z500 C<", "@10 C+", "100000"}) ==
        Ended{Outcome::deadlock, 500, "1 holds - wants C, 0 holds C wants C"});
  CHECK(ended({"Q< 500 Q<", "@10 Q+", "100000"}) ==
        Ended{Outcome::deadlock, 500, "1 holds - wants Q, 0 holds Q wants Q"});
}

TEST_CASE("a writer needs all readers to go: any of them on the cycle is a deadlock") {
  CHECK(ended({"M+ z50000 R+", "R< z200000 R>", "R< z90000 M+", "400000"}) ==
        Ended{Outcome::deadlock, 90000, "0 holds M wants R, 2 holds R wants M"});
}

TEST_CASE("waits that somebody will end are no deadlock") {
  // Readers of both locks in opposite order; a holder that works; one that sleeps with a timeout.
  CHECK(ended({"R< z10 S< S> R>", "S< z20 R< R> S>"}).outcome == Outcome::completed);
  CHECK(ended({"M+ 100 M-", "N+ z10 M+ M- N-", "@20 N+ N-"}).outcome == Outcome::completed);
  CHECK(ended({"M+ z1000 M-", "N+ M+ M- N-", "@20 N+ N-"}).outcome == Outcome::completed);
}

TEST_CASE("a killable wait in the cycle: the run goes on until nothing else can happen") {
  const std::vector<std::string> scripts{"M+ z20 R*", "R+ z40 M+", "z1000"};
  LockRig rig;
  CHECK(play_all(rig, scripts) == Outcome::stuck);
  CHECK(rig.engine.now() == Nanos(1000));
  CHECK(rig.locks.deadlock().empty());
  CHECK(told(rig, rig.locks.final_cycle()) == "1 holds R wants M, 0 holds M wants R");
  CHECK(told(rig, rig.locks.deadlock()) == told(rig, rig.locks.final_cycle()));
  // A signal that comes in time breaks it.
  LockRig killed;
  play_all(killed, {"M+ z20 R*", "R+ z40 M+ M- R-", "@500 k0"});
  CHECK(killed.log == "0:M+@0 1:R+@0 0:R*!@500");
  CHECK(killed.locks.final_cycle().empty());
}

TEST_CASE("who knows that no signal can come has the deadlock at once") {
  LockRig rig;
  rig.init();
  rig.enders.resize(3);
  rig.locks.set_signal_oracle({nullptr, nullptr, [](void*, const Task&) { return false; }});
  for (const char* script : {"M+ z20 R*", "R+ z40 M+", "z1000"}) {
    Task& task = rig.engine.add_task();
    rig.engine.start(task, play(rig, script));
  }
  CHECK(rig.engine.run() == Outcome::deadlock);
  CHECK(rig.engine.now() == Nanos(40));
}

TEST_CASE("a cycle through a wait for a step counts when nothing else can happen") {
  LockRig rig;
  CHECK(play_all(rig, {"M+ e1", "z10 M+", "z1000"}) == Outcome::stuck);
  CHECK(rig.engine.now() == Nanos(1000));
  CHECK(told(rig, rig.locks.final_cycle()) == "1 holds - wants M, 0 holds M wants step of 1");
  // Two tasks that wait for each other's steps; a third that waits for one of them is not on it.
  LockRig mutual;
  CHECK(play_all(mutual, {"e1", "e2", "e1"}) == Outcome::stuck);
  CHECK(told(mutual, mutual.locks.final_cycle()) ==
        "2 holds - wants step of 1, 1 holds - wants step of 2");
}

TEST_CASE("tasks that wait for what nobody will do are stuck, not deadlocked") {
  LockRig rig;
  // Task 0 ends with the mutex held; task 1 waits for it, task 2 for task 1.
  CHECK(play_all(rig, {"M+", "z10 M+", "e1"}) == Outcome::stuck);
  CHECK(rig.locks.final_cycle().empty());
  CHECK(rig.locks.blocked().size() == 2);
}

// On one CPU a task that was woken stands in the run queue while another goes on.
struct OneCpu {
  LockRig rig;
  FewCpus cpu{rig.engine, 1, Nanos(1'000'000)};
};

TEST_CASE("a reader that was granted the lock but has not run yet waits for nobody") {
  // When task 3 releases R, readers 1 and 0 are granted. Task 1 runs first and wants the mutex of
  // 0, while writer 2 is queued on R, which 1 holds: no cycle, for 0 does not stand behind 2 any
  // more.
  OneCpu one;
  CHECK(play_all(one.rig, {"N+ z20 R< R> N-", "M+ z10 R< N+ N- R> M-", "@30 R+ R-",
                           "R+ z100 R-"}) == Outcome::completed);
}

TEST_CASE("a writer that holds nothing closes a cycle when it waits again") {
  // Task 3 steals R before the woken writer 1 runs, then wants the mutex of task 2, which stands
  // behind 1 in the queue of R. Only when 1 has lost and waits again is nobody left to go on.
  OneCpu one;
  CHECK(play_all(one.rig, {"R+ z100000 R-", "@10 R+", "M+ z20 R<", "@100001 R< M+"}) ==
        Outcome::deadlock);
  CHECK(told(one.rig, one.rig.locks.deadlock()) ==
        "3 holds R wants M, 2 holds M wants R, 1 holds - wants R");
}

TEST_CASE("the call path of each member is kept") {
  LockRig rig;
  play_all(rig, {"M+ z10 N+", "N+ z20 M+"});
  const auto& cycle = rig.locks.deadlock();
  REQUIRE(cycle.size() == 2);
  CHECK(rig.engine.calls().path(cycle[0].held.calls) == std::vector<std::string>{"lock_word"});
  CHECK(rig.engine.calls().path(cycle[0].wants.calls) ==
        std::vector<std::string>{"lock_word", "mutex_lock_slowpath"});
}

}  // namespace
}  // namespace faultline
