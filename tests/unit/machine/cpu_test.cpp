// Who gets how much of a CPU: slices in turn, their length by nice value. Expected shares are those
// of the weights 1024 (nice 0) and 335 (nice 5). Real-time tasks come first, as sched(7) says.
#include "catch.hpp"

#include "machine/cpu.hpp"

namespace faultline {
namespace {

struct Machine {
  Machine()
      : engine(tracer, limited()), costs(make_costs(DEFAULT_PRESET)), cpus(engine, 1, costs) {}
  static EngineOptions limited() {
    EngineOptions options;
    options.max_time = Nanos(1'000'000'000);
    return options;
  }
  Tracer tracer;
  Engine engine;
  Costs costs;
  Cpus cpus;
  std::uint64_t worked[2] = {};
};

FramePool& frame_pool(Machine& machine) { return machine.engine.frames(); }

Path<void> works(Machine& machine, int n) {
  for (;;) {
    co_await machine.engine.spend(Nanos(10'000));
    ++machine.worked[n];
  }
}

double share_of_first(int nice_of_second) {
  Machine m;
  for (int n = 0; n < 2; ++n) {
    Task& task = m.engine.add_task();
    m.cpus.allow(task, {0});
    m.engine.start(task, works(m, n));
  }
  m.cpus.set_attr(m.engine.task(TaskId(1)), {SchedPolicy::normal, nice_of_second});
  CHECK(m.engine.run() == Outcome::limit);
  return static_cast<double>(m.worked[0]) / static_cast<double>(m.worked[0] + m.worked[1]);
}

}  // namespace

TEST_CASE("a CPU is shared by the weights of nice values") {
  CHECK(share_of_first(0) == Approx(0.5).margin(0.02));
  CHECK(share_of_first(5) == Approx(1024.0 / (1024 + 335)).margin(0.02));
  CHECK(share_of_first(-5) == Approx(1024.0 / (1024 + 3121)).margin(0.02));
}

namespace {

// Tasks of one length that begin one after another; in which order they end.
struct Race {
  explicit Race(std::uint32_t count)
      : costs(make_costs(DEFAULT_PRESET)), cpus(engine, count, costs) {}
  Tracer tracer;
  Engine engine{tracer, EngineOptions{}};
  Costs costs;
  Cpus cpus;
  std::vector<std::uint32_t> ended;
  std::vector<std::uint32_t> on;  // on which CPU, in the same order

  void add(SchedAttr attr, Nanos start, Nanos length, std::vector<std::uint32_t> allowed);
};

FramePool& frame_pool(Race& race) { return race.engine.frames(); }

Path<void> works_for(Race& race, std::uint32_t id, Nanos length) {
  for (Nanos done{}; done < length; done += Nanos(1000)) co_await race.engine.spend(Nanos(1000));
  race.ended.push_back(id);
  race.on.push_back(race.engine.current().cpu.v);
}

void Race::add(SchedAttr attr, Nanos start, Nanos length, std::vector<std::uint32_t> allowed) {
  Task& task = engine.add_task();
  cpus.allow(task, std::move(allowed));
  cpus.set_attr(task, attr);
  engine.start(task, works_for(*this, task.id.v, length), start);
}

constexpr SchedAttr normal{}, fifo_1{SchedPolicy::fifo, 1}, fifo_9{SchedPolicy::fifo, 9},
    rr_9{SchedPolicy::rr, 9};
constexpr Nanos ms(1'000'000);

}  // namespace

TEST_CASE("a real-time task preempts what is below it at once, and nothing of its own priority") {
  Race race(1);
  race.add(normal, Nanos(0), ms * 5, {0});
  race.add(fifo_1, Nanos(100), ms * 200, {0});
  race.add(fifo_9, Nanos(200), ms * 200, {0});
  race.add(fifo_9, Nanos(300), ms * 1, {0});
  race.add(fifo_1, Nanos(400), ms * 1, {0});
  CHECK(race.engine.run() == Outcome::completed);
  // Who was preempted goes on before its equals that came later.
  CHECK(race.ended == std::vector<std::uint32_t>{2, 3, 1, 4, 0});
}

TEST_CASE("SCHED_RR tasks of one priority take turns of 100 ms") {
  Race race(1);
  race.add(rr_9, Nanos(0), ms * 250, {0});
  race.add(rr_9, Nanos(0), ms * 150, {0});
  race.add(rr_9, Nanos(0), ms * 90, {0});
  CHECK(race.engine.run() == Outcome::completed);
  CHECK(race.ended == std::vector<std::uint32_t>{2, 1, 0});
}

TEST_CASE("a woken real-time task goes where it can run at once") {
  Race race(2);
  race.add(fifo_9, Nanos(0), ms * 5, {0});
  race.add(normal, Nanos(0), ms * 5, {1});
  race.add(normal, Nanos(0), ms * 5, {1});
  race.add(fifo_1, Nanos(100), ms * 1, {});
  CHECK(race.engine.run() == Outcome::completed);
  CHECK(race.ended.front() == 3);
  CHECK(race.on.front() == 1);
}

TEST_CASE("a woken normal task waits for the slice, unless the rules say otherwise") {
  for (const bool preempts : {false, true}) {
    Race race(1);
    if (preempts) race.cpus.set_rules({Nanos(1000), WakePlacement::least_loaded});
    race.add(normal, Nanos(0), ms * 2, {0});
    race.add(normal, ms, Nanos(1000), {0});
    CHECK(race.engine.run() == Outcome::completed);
    CHECK(race.ended.front() == (preempts ? 1 : 0));
  }
}

TEST_CASE("affine placement takes the next idle CPU and otherwise stays") {
  for (const auto placement : {WakePlacement::least_loaded, WakePlacement::affine}) {
    Race race(3);
    race.cpus.set_rules({Nanos(0), placement});
    race.add(normal, Nanos(0), ms * 4, {0});
    race.add(normal, Nanos(0), ms * 1, {1});
    race.add(normal, Nanos(100), Nanos(1000), {});
    CHECK(race.engine.run() == Outcome::completed);
    CHECK(race.ended.front() == 2);
    CHECK(race.on.front() == 2);  // the only idle one
  }
}

}  // namespace faultline
