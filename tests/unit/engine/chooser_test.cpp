// Who runs next without virtual time: sequential, random and replayed runs; Shared<T>; positions.
#include <set>

#include "rig.hpp"

namespace faultline {
namespace {

Path<void> spender(Rig& rig, int steps) {
  for (int i = 0; i < steps; ++i) {
    co_await rig.engine.spend(Nanos(10));
    rig.note(std::to_string(i));
  }
}

TEST_CASE("sequential: the running task goes on until it blocks, though it woke another") {
  Rig rig(with_chooser(Chooser::sequential));
  const auto sleeps = [](Rig& r) -> Path<void> {
    r.note("sleeps");
    co_await r.engine.block();
    r.note("woken");
  };
  const auto wakes = [](Rig& r, Task& first) -> Path<void> {
    r.engine.wake(first);
    co_await r.engine.spend(Nanos(10));
    r.note("goes on");
    co_await r.engine.block_until(r.engine.now() + Nanos(100));
    r.note("timer");
  };
  Task& first = rig.start(sleeps(rig));
  rig.start(wakes(rig, first));
  rig.start(spender(rig, 2));
  CHECK(rig.engine.run() == Outcome::completed);
  // When task 1 blocks, the first runnable in order of declaration is task 0; the timer of 1 is due
  // at 110 and waits until 2 has ended, because nothing else moves the clock so far.
  CHECK(rig.joined() == "0:sleeps@0 1:goes on@10 0:woken@10 2:0@20 2:1@30 1:timer@110");
}

TEST_CASE("sequential: a timer that is due is enabled when the running task blocks") {
  Rig rig(with_chooser(Chooser::sequential));
  const auto sleeps = [](Rig& r) -> Path<void> {
    co_await r.engine.block_until(Nanos(15));
    r.note("timer");
  };
  rig.start(sleeps(rig));
  rig.start(spender(rig, 3));
  rig.start(spender(rig, 1));
  rig.engine.run();
  CHECK(rig.joined() == "1:0@10 1:1@20 1:2@30 0:timer@30 2:0@40");
}

std::string random_run(std::uint64_t seed, std::vector<std::uint32_t>* choices = nullptr) {
  Rig rig(with_chooser(Chooser::random, seed));
  for (int i = 0; i < 3; ++i) rig.start(spender(rig, 3));
  CHECK(rig.engine.run() == Outcome::completed);
  CHECK(rig.engine.now() == Nanos(90));  // the costs of all steps, one after the other
  if (choices) *choices = rig.engine.choices();
  return rig.joined();
}

TEST_CASE("random: the seed decides, and every order is possible") {
  CHECK(random_run(5) == random_run(5));
  std::set<std::string> orders;
  for (std::uint64_t seed = 1; seed <= 20'000; ++seed) {
    std::vector<std::uint32_t> choices;
    random_run(seed, &choices);
    std::string order;
    for (const auto c : choices) order += static_cast<char>('0' + c);
    orders.insert(order);
  }
  // Three tasks of four steps each (a start and three spends): 12! / 4!^3 = 34650 orders, of which
  // 20000 runs must meet many; two that are alike are rare.
  CHECK(orders.size() > 10'000);
}

TEST_CASE("random: with two tasks of two steps all six orders occur") {
  std::set<std::string> orders;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Rig rig(with_chooser(Chooser::random, seed));
    rig.start(spender(rig, 1));
    rig.start(spender(rig, 1));
    rig.engine.run();
    std::string order;
    for (const auto c : rig.engine.choices()) order += static_cast<char>('0' + c);
    orders.insert(order);
  }
  CHECK(orders == std::set<std::string>{"0011", "0101", "0110", "1001", "1010", "1100"});
}

TEST_CASE("random: a timer is enabled when due, or when nothing else is") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Rig rig(with_chooser(Chooser::random, seed));
    const auto sleeps = [](Rig& r) -> Path<void> {
      co_await r.engine.block_until(Nanos(25));
      r.note("timer");
    };
    rig.start(sleeps(rig));
    rig.start(spender(rig, 4));
    rig.engine.run();
    std::size_t at = 0;
    for (std::size_t i = 0; i < rig.log.size(); ++i) {
      if (rig.log[i].find("timer") != std::string::npos) at = i;
    }
    CHECK(at >= 2);  // steps 0 and 1 end at 10 and 20; the step that passes 25 goes first
    CHECK(rig.log.size() == 5);
  }
}

TEST_CASE("replay: a recorded list of choices plays the same run") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    EngineOptions options = with_chooser(Chooser::replay);
    const std::string expected = random_run(seed, &options.choices);
    Rig rig(options);
    for (int i = 0; i < 3; ++i) rig.start(spender(rig, 3));
    CHECK(rig.engine.run() == Outcome::completed);
    CHECK(rig.joined() == expected);
    CHECK(rig.engine.choices() == options.choices);
  }
}

TEST_CASE(
    "replay: after the last choice the first runnable goes on; an impossible choice ends it") {
  EngineOptions options = with_chooser(Chooser::replay);
  options.choices = {1, 1};
  Rig rig(options);
  rig.start(spender(rig, 1));
  rig.start(spender(rig, 2));
  CHECK(rig.engine.run() == Outcome::completed);
  CHECK(rig.engine.choices() == std::vector<std::uint32_t>{1, 1, 0, 0, 1});
  CHECK_FALSE(rig.engine.schedule_failed());

  options.choices = {0, 0, 0};
  Rig bad(options);
  bad.start(spender(bad, 1));
  bad.start(spender(bad, 1));
  bad.engine.run();
  CHECK(bad.engine.schedule_failed());
  CHECK(bad.engine.stop_reason().find("choice 2") != std::string::npos);
}

Path<void> add_one(Rig& rig, Shared<int>& x) {
  const int seen = co_await x.load();
  co_await x.store(seen + 1);
}

TEST_CASE("Shared: no scheduling point in a timed or sequential run, one in a random run") {
  for (const auto chooser : {Chooser::timed, Chooser::sequential}) {
    Rig rig(with_chooser(chooser));
    Shared<int> x(rig.engine, 0);
    for (int i = 0; i < 3; ++i) rig.start(add_one(rig, x));
    rig.engine.run();
    CHECK(x.peek() == 3);
    CHECK(rig.engine.events() == 3);
  }
  std::set<int> results;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Rig rig(with_chooser(Chooser::random, seed));
    Shared<int> x(rig.engine, 0);
    for (int i = 0; i < 2; ++i) rig.start(add_one(rig, x));
    rig.engine.run();
    results.insert(x.peek());
  }
  CHECK(results == std::set<int>{1, 2});  // the lost update is found
}

TEST_CASE("a position is what the step has observed: loads and wake reasons, in order") {
  const auto position = [](int initial, bool woken) {
    Rig rig(with_chooser(Chooser::random, 1));
    Shared<int> x(rig.engine, initial);
    const auto body = [](Rig& r, Shared<int>& s) -> Path<void> {
      r.engine.current().position.begin_step(4);
      co_await s.load();
      co_await r.engine.block_until(Nanos(100));
    };
    Task& task = rig.start(body(rig, x));
    const auto waker = [](Rig& r, Task& t) -> Path<void> {
      while (t.state != TaskState::blocked) co_await r.engine.spend(Nanos(1));
      r.engine.wake(t);
    };
    if (woken) rig.start(waker(rig, task));
    rig.engine.run();
    CHECK(task.position.step == 4);
    return task.position.observed;
  };
  CHECK(position(1, true) == position(1, true));
  CHECK(position(1, true) != position(2, true));
  CHECK(position(1, true) != position(1, false));
  Position p;
  p.observe(1);
  p.observe(2);
  Position q;
  q.observe(2);
  q.observe(1);
  CHECK(p.observed != q.observed);
}

}  // namespace
}  // namespace faultline
