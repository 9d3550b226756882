// Virtual time: spends, waits, timeouts, starts, limits, stops, and several engines side by side.
#include "engine/engine.hpp"

#include <atomic>
#include <thread>

#include "engine/fifo_mutex.hpp"
#include "few_cpus.hpp"
#include "rig.hpp"

namespace faultline {
namespace {

Path<void> spender(Rig& rig, int steps, Nanos cost) {
  for (int i = 0; i < steps; ++i) {
    co_await rig.engine.spend(cost);
    rig.note(std::to_string(i));
  }
}

Path<void> sleeper(Rig& rig, Nanos deadline) {
  const Wake wake = co_await rig.engine.block_until(deadline);
  rig.note(wake == Wake::timeout ? "timeout" : wake == Wake::woken ? "woken" : "signal");
}

TEST_CASE("tasks take turns by virtual time; at equal times in order of being scheduled") {
  Rig rig;
  rig.start(spender(rig, 3, Nanos(10)));
  rig.start(spender(rig, 2, Nanos(15)));
  CHECK(rig.engine.run() == Outcome::completed);
  // Both reach 30: task 1 was scheduled for it at 15, task 0 at 20.
  CHECK(rig.joined() == "0:0@10 1:0@15 0:1@20 1:1@30 0:2@30");
}

TEST_CASE("charged costs are paid at the next scheduling point") {
  Rig rig;
  const auto body = [](Rig& r) -> Path<void> {
    r.engine.charge(Nanos(3));
    r.engine.charge(Nanos(4));
    r.note("a");
    co_await r.engine.spend(Nanos(10));
    r.note("b");
    co_await r.engine.spend(Nanos(1));
    r.note("c");
  };
  rig.start(body(rig));
  rig.engine.run();
  CHECK(rig.joined() == "0:a@0 0:b@17 0:c@18");
}

TEST_CASE("a wait ends with its deadline, or before when woken; a late timer does nothing") {
  Rig rig;
  Task& early = rig.start(sleeper(rig, Nanos(50)));
  rig.start(sleeper(rig, Nanos(60)));
  Task& killed = rig.start(sleeper(rig, Nanos(1000)));
  const auto waker = [](Rig& r, Task& a, Task& b) -> Path<void> {
    co_await r.engine.spend(Nanos(20));
    r.engine.wake(a);
    r.engine.wake(a);
    r.engine.wake(b, Wake::signal);
    r.engine.wake(r.engine.current());
    co_await r.engine.spend(Nanos(100));
    r.note("end");
  };
  rig.start(waker(rig, early, killed));
  CHECK(rig.engine.run() == Outcome::completed);
  CHECK(rig.joined() == "0:woken@20 2:signal@20 1:timeout@60 3:end@120");
  CHECK(rig.engine.now() == Nanos(120));
}

TEST_CASE("a task may start later, and be started by another") {
  Rig rig;
  rig.start(spender(rig, 1, Nanos(1)), Nanos(100));
  const auto parent = [](Rig& r) -> Path<void> {
    co_await r.engine.spend(Nanos(7));
    r.engine.fork(r.engine.add_task(), [&r] { return spender(r, 1, Nanos(2)); });
    r.note("forked");
  };
  rig.start(parent(rig));
  CHECK(rig.engine.run() == Outcome::completed);
  CHECK(rig.joined() == "1:forked@7 2:0@9 0:0@101");
}

TEST_CASE("a task that ended spinning waits for a CPU when it is started anew") {
  Rig rig;
  const FewCpus one(rig.engine, 1, Nanos(1000));
  const auto spinner = [](Rig& r) -> Path<void> {
    co_await r.engine.spin_until(r.engine.now() + Nanos(5));
    r.note("spun");
  };
  const auto parent = [](Rig& r, Task& other) -> Path<void> {
    co_await r.engine.spend(Nanos(50));
    r.engine.fork(other, [&r] { return spender(r, 1, Nanos(2)); }, Nanos(100));
    co_await r.engine.spend(Nanos(200));
    r.note("free");
  };
  Task& first = rig.start(spinner(rig));
  rig.start(parent(rig, first));
  CHECK(rig.engine.run() == Outcome::completed);
  CHECK(rig.joined() == "0:spun@6 1:free@257 0:0@260");
}

TEST_CASE("at most max_events events happen; a run that needs no more completes") {
  // One start and n spends are n + 1 events, through the queue or not.
  for (const bool inline_spend : {true, false}) {
    for (const std::uint64_t most : {1u, 5u, 6u, 600u, 601u}) {
      EngineOptions options;
      options.max_events = most;
      options.inline_spend = inline_spend;
      Rig rig(options);
      rig.start(spender(rig, most > 10 ? 600 : 5, Nanos(1)));
      const bool enough = most == 6 || most == 601;
      CHECK(rig.engine.run() == (enough ? Outcome::completed : Outcome::limit));
      CHECK(rig.engine.events() == most);
      CHECK(rig.log.size() == most - 1);
    }
  }
}

TEST_CASE("nothing happens after max_time") {
  for (const auto chooser : {Chooser::timed, Chooser::sequential, Chooser::random}) {
    EngineOptions options = with_chooser(chooser);
    options.max_time = Nanos(30);
    Rig rig(options);
    rig.start(spender(rig, 10, Nanos(10)));
    CHECK(rig.engine.run() == Outcome::limit);
    CHECK(rig.joined() == "0:0@10 0:1@20 0:2@30");
    CHECK(rig.engine.now() == Nanos(30));
    Rig sleeping(options);
    sleeping.start(sleeper(sleeping, Nanos(31)));
    CHECK(sleeping.engine.run() == Outcome::limit);
    CHECK(sleeping.log.empty());
  }
}

TEST_CASE("time that would wrap stands still at its end") {
  Rig rig;
  rig.start(spender(rig, 3, Nanos(~0ULL / 2)));
  CHECK(rig.engine.run() == Outcome::completed);
  CHECK(rig.log.size() == 3);
  CHECK(rig.engine.now() == Nanos(~0ULL - 1));
}

TEST_CASE("an interrupt ends a run that would go on, without a suspension too") {
  for (const auto chooser : {Chooser::timed, Chooser::sequential, Chooser::random}) {
    std::atomic<bool> interrupt{false};
    EngineOptions options = with_chooser(chooser);
    options.interrupt = &interrupt;
    Rig rig(options);
    const auto endless = [](Rig& r, std::atomic<bool>& flag) -> Path<void> {
      for (int i = 0; true; ++i) {
        if (i == 10'000) flag = true;
        co_await r.engine.spend(Nanos(1));
      }
    };
    rig.start(endless(rig, interrupt));
    CHECK(rig.engine.run() == Outcome::interrupted);
    CHECK(rig.engine.events() > 10'000);
    CHECK(rig.engine.events() < 12'000);
  }
}

TEST_CASE("stop() ends the run at the task's next scheduling point, and the first reason stands") {
  for (const auto chooser : {Chooser::timed, Chooser::sequential, Chooser::random}) {
    Rig rig(with_chooser(chooser));
    const auto body = [](Rig& r) -> Path<void> {
      co_await r.engine.spend(Nanos(1));
      r.engine.stop(Outcome::deadlock, "first");
      r.engine.stop(Outcome::kernel_bug, "second");
      r.note("still here");
      co_await r.engine.spend(Nanos(1));
      r.note("gone");
    };
    rig.start(body(rig));
    CHECK(rig.engine.run() == Outcome::deadlock);
    CHECK(rig.engine.stop_reason() == "first");
    CHECK(rig.joined() == "0:still here@1");
  }
}

TEST_CASE("tasks that wait for ever are stuck; a task that was never started is not") {
  Rig rig;
  rig.engine.add_task();
  rig.start(spender(rig, 1, Nanos(1)));
  CHECK(rig.engine.run() == Outcome::completed);
  Rig stuck;
  stuck.start(sleeper(stuck, Nanos(~0ULL)));
  CHECK(stuck.engine.run() == Outcome::stuck);
}

TEST_CASE("the engine's mutex serves in order of arrival") {
  for (const auto chooser : {Chooser::timed, Chooser::sequential, Chooser::random}) {
    Rig rig(with_chooser(chooser, 3));
    FifoMutex mutex(rig.engine);
    std::vector<std::uint32_t> arrived, served;
    const auto body = [&](Rig& r, std::uint64_t at) -> Path<void> {
      for (int i = 0; i < 20; ++i) {
        co_await r.engine.spend(Nanos(at));
        arrived.push_back(r.engine.current().id.v);
        co_await mutex.lock();
        served.push_back(r.engine.current().id.v);
        CHECK(mutex.owner() == &r.engine.current());
        co_await r.engine.spend(Nanos(5));
        mutex.unlock();
      }
    };
    for (std::uint64_t i = 0; i < 5; ++i) rig.start(body(rig, 3 + i));
    CHECK(rig.engine.run() == Outcome::completed);
    CHECK(served == arrived);
    CHECK(served.size() == 100);
    CHECK(mutex.owner() == nullptr);
  }
}

std::string play_alone() {
  Rig rig;
  rig.start(spender(rig, 50, Nanos(10)));
  rig.start(spender(rig, 30, Nanos(17)));
  rig.engine.run();
  return rig.joined();
}

TEST_CASE("two engines do not disturb each other, nested in one thread or on two") {
  const std::string alone = play_alone();
  // One engine's task plays a whole other run between two of its steps.
  Rig rig;
  std::string inner;
  const auto outer = [&inner](Rig& r) -> Path<void> {
    co_await r.engine.spend(Nanos(5));
    inner = play_alone();
    r.note("outer");
    co_await r.engine.spend(Nanos(5));
    r.note("outer");
  };
  rig.start(outer(rig));
  rig.start(spender(rig, 1, Nanos(7)));
  CHECK(rig.engine.run() == Outcome::completed);
  CHECK(rig.joined() == "0:outer@5 1:0@7 0:outer@10");
  CHECK(inner == alone);

  std::string a, b;
  std::thread first([&] { a = play_alone(); });
  std::thread second([&] { b = play_alone(); });
  first.join();
  second.join();
  CHECK(a == alone);
  CHECK(b == alone);
}

}  // namespace
}  // namespace faultline
