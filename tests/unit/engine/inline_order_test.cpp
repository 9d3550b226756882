// A spend that advances the clock without suspending must leave the order of events as the queue
// has it. Random programs of spends, sleeps, wake-ups, charges and nested calls are played with and
// without that shortcut, on an unlimited machine and under a policy that lends few CPUs for short
// slices; everything that the tasks saw must be the same.
#include "base/rng.hpp"
#include "few_cpus.hpp"
#include "rig.hpp"

namespace faultline {
namespace {

enum class Verb : std::uint8_t { spend, sleep, wait, wake, charge, call, pin };

struct Step {
  Verb verb;
  std::uint64_t n;
};

using Program = std::vector<Step>;

Path<void> play_step(Rig& rig, Step step) {
  Engine& engine = rig.engine;
  switch (step.verb) {
    case Verb::spend:
      co_await engine.spend(Nanos(step.n % 7));
      break;
    case Verb::sleep:
      co_await engine.block_until(engine.now() + Nanos(step.n % 9));
      break;
    case Verb::wait: {
      const Wake wake = co_await engine.block_until(engine.now() + Nanos(5 + step.n % 50));
      rig.note(wake == Wake::woken ? "woken" : "timeout");
      break;
    }
    case Verb::wake:
      engine.wake(engine.task(TaskId(static_cast<std::uint32_t>(step.n % engine.task_count()))));
      break;
    case Verb::charge:
      engine.charge(Nanos(step.n % 4));
      break;
    case Verb::call: {
      const Step first{Verb::spend, step.n};
      const Step second{Verb::sleep, step.n / 8};
      co_await play_step(rig, first);
      co_await play_step(rig, second);
      break;
    }
    case Verb::pin:
      engine.current().preempt_count ^= 1;
      break;
  }
}

Path<void> play(Rig& rig, Program program) {
  for (const Step step : program) {
    co_await play_step(rig, step);
    rig.note(std::to_string(static_cast<int>(step.verb)));
  }
}

struct Played {
  std::string log;
  Outcome outcome;
  std::uint64_t time;
  std::uint64_t events;
  bool operator==(const Played&) const = default;
};

Played run(const std::vector<Program>& programs, bool inline_spend, std::size_t cpus,
           std::uint64_t max_events) {
  EngineOptions options;
  options.inline_spend = inline_spend;
  options.max_events = max_events;
  Rig rig(options);
  std::optional<FewCpus> few;
  if (cpus != 0) few.emplace(rig.engine, cpus, Nanos(11));
  for (const Program& program : programs) rig.start(play(rig, program));
  const Outcome outcome = rig.engine.run();
  return {rig.joined(), outcome, rig.engine.now().v, rig.engine.events()};
}

TEST_CASE("advancing the clock without suspending keeps the order of the queue") {
  std::size_t notes = 0;
  for (std::uint64_t seed = 1; seed <= 600; ++seed) {
    Rng rng(seed);
    std::vector<Program> programs(1 + rng.below(6));
    for (auto& program : programs) {
      for (std::uint64_t i = 4 + rng.below(30); i != 0; --i) {
        // Spends are what this is about: half of all steps.
        const bool spend = rng.below(2) == 0;
        program.push_back({spend ? Verb::spend : static_cast<Verb>(rng.below(7)), rng.next()});
      }
    }
    const std::uint64_t max_events = seed % 5 == 0 ? 1 + rng.below(60) : ~0ULL;
    for (const std::size_t cpus : {0u, 1u, 2u}) {
      const Played with = run(programs, true, cpus, max_events);
      const Played without = run(programs, false, cpus, max_events);
      INFO("seed " << seed << ", CPUs " << cpus);
      REQUIRE(with.log == without.log);
      REQUIRE(with == without);
      if (max_events == ~0ULL) REQUIRE(with.outcome == Outcome::completed);
      notes += with.log.size();
    }
  }
  CHECK(notes > 100'000);
}

}  // namespace
}  // namespace faultline
