// Mutex, spin locks, per-CPU rwsem and semaphore, rule by rule as lock_rig.hpp's scripts; expected
// orders follow from the rules of Linux 6.12 kernel/locking/ told above each.
#include "lock_rig.hpp"

namespace faultline {
namespace {

TEST_CASE("mutex: sleepers are served first come, first served") {
  CHECK(played({"M+ z100 M-", "@20 M+ z10 M-", "@10 M+ z10 M-", "@30 M?"}) ==
        "0:M+@0 3:M?!@30 2:M+@100 1:M+@110");
}

TEST_CASE(
    "mutex: a newcomer spins while the owner runs and beats the sleepers; not while it sleeps") {
  CHECK(played({"M+ z100 100 M-", "@10 M+ M-", "@150 M+ M-", "@160 =1", "@160 =2"}) ==
        "0:M+@0 3:1sleeps@160 4:2spins@160 2:M+@200 1:M+@200");
  CHECK(played({"M+ 100 z100 M-", "@10 M+ M-", "@20 M+ M-", "@110 =1", "@110 =2"}) ==
        "0:M+@0 3:1sleeps@110 4:2sleeps@110 1:M+@200 2:M+@200");
}

TEST_CASE("mutex: a first waiter that was woken and beaten gets the lock next") {
  // Task 2 steals at 100 (due before the wake-up of task 1). Task 1, beaten once, asks for the
  // lock: at 200 it is passed on, and neither task 3 nor a trylock at the same moment gets it.
  CHECK(played({"M+ z100 M-", "@10 M+ z10 M-", "@100 M+ z100 M-", "@200 M+ M-", "@200 M?"}) ==
        "0:M+@0 2:M+@100 4:M?!@200 1:M+@200 3:M+@210");
}

TEST_CASE("mutex: a beaten first waiter spins if the owner runs") {
  CHECK(played({"M+ z100 M-", "@10 M+ z10 M-", "@100 M+ 100 M-", "@150 =1"}) ==
        "0:M+@0 2:M+@100 3:1spins@150 1:M+@200");
}

TEST_CASE("spin lock: strictly by arrival, and whoever waits keeps its CPU") {
  CHECK(played({"P+ 100 P-", "@20 P+ 10 P-", "@10 P+ 10 P-", "@30 P?", "@40 =1", "@100 y P+ P-"}) ==
        "0:P+@0 3:P?!@30 4:1spins@40 2:P+@100 1:P+@110 5:P+@120");
}

TEST_CASE("spin locks forbid preemption while held or waited for, and allow it afterwards") {
  LockRig rig;
  rig.init();
  const auto body = [](LockRig& r) -> Path<void> {
    Task& task = r.engine.current();
    co_await spin_lock(r.spin);
    co_await read_lock(r.rwl);
    CHECK(task.preempt_count == 2);
    co_await r.engine.spend(Nanos(10));
    read_unlock(r.rwl);
    spin_unlock(r.spin);
    CHECK(task.preempt_count == 0);
    co_await write_lock(r.rwl);
    CHECK(task.preempt_count == 1);
    write_unlock(r.rwl);
    CHECK(task.preempt_count == 0);
    co_await down_write(r.sem);
    co_await r.engine.spend(Nanos(10));
    up_write(r.sem);
    co_await mutex_lock(r.mtx);
    co_await r.engine.spend(Nanos(10));
    mutex_unlock(r.mtx);
    CHECK(task.preempt_count == 0);
  };
  for (int i = 0; i < 4; ++i) rig.engine.start(rig.engine.add_task(), body(rig));
  CHECK(rig.engine.run() == Outcome::completed);
}

TEST_CASE("rwlock: one queue for readers and writers, in order of arrival") {
  CHECK(played({"Q< 100 Q>", "@10 Q+ 10 Q-", "@20 Q< 10 Q>", "@30 Q< 10 Q>", "@40 Q+ Q-",
                "@50 Q< Q>"}) == "0:Q<@0 1:Q+@100 2:Q<@110 3:Q<@110 4:Q+@120 5:Q<@120");
}

TEST_CASE("percpu rwsem: a writer keeps new readers out and waits until the old ones are gone") {
  CHECK(played({"C< z100 C>", "@5 C< z50 C>", "@10 C+ z10 C-", "@20 C< C>", "@30 C/"}) ==
        "0:C<@0 1:C<@5 4:C/!@30 2:C+@100 3:C<@110");
}

TEST_CASE("percpu rwsem: one queue; a release wakes readers until one writer has been woken") {
  // The writers 3 and 5 wait behind readers; on release at 100 the readers 1 and 2 go in, writer 3
  // is woken and then waits for them; reader 4 and writer 5 stay queued.
  CHECK(played({"C+ z100 C-", "@10 C< z30 C>", "@20 C< z20 C>", "@30 C+ z10 C-", "@40 C< z10 C>",
                "@50 C+ C-"}) == "0:C+@0 1:C<@100 2:C<@100 3:C+@130 4:C<@140 5:C+@150");
}

TEST_CASE("semaphore: the releaser hands over to the first waiter; nobody steals") {
  CHECK(played({"B+ z100 B-", "@20 B+ z10 B-", "@10 B+ z10 B-", "@100 B?", "@130 B? B-"}) ==
        "0:B+@0 3:B?!@100 2:B+@100 1:B+@110 4:B?=@130");
}

TEST_CASE("costs: an attempt costs before it is made, a wake-up is paid by the waker") {
  LockCosts costs{Nanos(2), Nanos(30), Nanos(5)};
  LockRig rig({}, costs);
  // Task 0: 2 for the attempt. At 2 + 100 it unlocks: 2 for that and 30 for the wake-up of task 1,
  // paid with its next spend of 1: 135. Task 1 gets the lock at once.
  CHECK(play_all(rig, {"M+ z100 M- 1 =1", "@10 M+ z50 M-"}) == Outcome::completed);
  CHECK(rig.log == "0:M+@2 1:M+@102 0:1sleeps@135");
  LockRig spinning({}, costs);
  // A spinner is not woken, it sees the release: the handover of a spin lock costs the spinner.
  CHECK(play_all(spinning, {"P+ 100 P- 1 =1", "@10 P+ 1 =0"}) == Outcome::completed);
  CHECK(spinning.log == "0:P+@2 1:P+@102 0:1works@105 1:0done@108");
}

}  // namespace
}  // namespace faultline
