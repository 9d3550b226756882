// Who gets how much of a CPU: slices in turn, their length by nice value. Expected shares are those
// of the weights 1024 (nice 0) and 335 (nice 5).
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

}  // namespace faultline
