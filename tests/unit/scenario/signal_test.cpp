// What signals do to a task that runs, sleeps or waits for a lock. Expected values are those of
// kill(2), signal(7) and of the places of Linux 6.12 that look for a fatal signal.
#include <cerrno>
#include <csignal>

#include <fmt/format.h>

#include "scenario/world.hpp"
#include "unit/scenario/load_helper.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

// "victim" plays `steps`, with handlers for `handled`; "killer" sends it `signal` after 10 us.
RunResult play(const char* steps, const char* signal, const char* handled = "{}") {
  constexpr const char* frame = R"({{"format": 1, "machine": {{"cpus": 2}}, "tasks": {{
    "victim": {{"cpu": 0, "signals": {}, "steps": [{}]}},
    "killer": {{"cpu": 1, "steps": [{{"compute": {{"for": "10us"}}}},
      {{"kill": {{"task": "victim", "signal": {}}}}}]}}}}}})";
  const Scenario scenario = good(fmt::format(fmt::runtime(frame), handled, steps, signal));
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  REQUIRE(world.errors().empty());
  return world.run();
}

const char* const sleeps = R"({"sleep": {"for": "1s"}}, {"id": "next", "compute": {"for": "1us"}})";
const char* const computes = R"({"compute": {"for": "1s"}}, {"id": "next", "sleep": {"for": 1}})";

}  // namespace

TEST_CASE("the default action of most signals ends a task wherever it is") {
  for (const char* const steps : {sleeps, computes}) {
    for (const char* const signal :
         {"\"SIGTERM\"", "\"SIGKILL\"", "\"SIGUSR1\"", "\"SIGBUS\"", "34"}) {
      INFO(steps << signal);
      const RunResult run = play(steps, signal);
      CHECK(run.outcome == Outcome::completed);
      CHECK(run.time < Nanos(100'000));
      CHECK(run.steps[0][0].state == StepState::done);
      CHECK(run.steps[0][0].signal.has_value());
      CHECK(run.steps[0][1].state == StepState::not_reached);
    }
  }
}

TEST_CASE("signals that are ignored by default change nothing") {
  for (const char* const signal :
       {"\"SIGCHLD\"", "\"SIGURG\"", "\"SIGWINCH\"", "\"SIGCONT\"", "0"}) {
    const RunResult run = play(sleeps, signal);
    CHECK(run.time >= Nanos(1'000'000'000));
    CHECK_FALSE(run.steps[0][0].signal);
    CHECK(run.steps[0][1].state == StepState::done);
  }
}

TEST_CASE("a handler interrupts a sleep and delays a computation") {
  const char* const handled = R"({"SIGTERM": "skip"})";
  const RunResult slept = play(sleeps, "\"SIGTERM\"", handled);
  CHECK(slept.time < Nanos(100'000));
  CHECK(slept.steps[0][0].result == -EINTR);
  CHECK(slept.steps[0][1].state == StepState::done);

  const RunResult worked = play(computes, "\"SIGTERM\"", handled);
  const StepResult& step = worked.steps[0][0];
  CHECK_FALSE(step.failed);
  CHECK(step.end - step.start > Nanos(1'000'000'000));
  CHECK(worked.steps[0][1].state == StepState::done);
}

TEST_CASE("SIGKILL has no handler") {
  const RunResult run = play(sleeps, "\"SIGKILL\"", R"({"SIGKILL": "skip"})");
  CHECK(run.steps[0][1].state == StepState::not_reached);
}

TEST_CASE("a process without steps left is torn down by a signal") {
  const char* const maps = R"({"id": "map", "mmap": {"length": "4KiB", "prot": 3, "flags": 34}},
    {"store": {"at": "map"}})";
  constexpr const char* frame = R"({{"format": 1, "machine": {{"cpus": 2}}, "tasks": {{
    "victim": {{"cpu": 0, "steps": [{}]}}, "killer": {{"cpu": 1, "steps": [
      {{"compute": {{"for": "1ms"}}}}, {{"kill": {{"task": "victim", "signal": "SIGTERM"}}}},
      {{"compute": {{"for": "1ms"}}}},
      {{"kill": {{"task": "victim", "signal": "SIGTERM"}}}}]}}}}}})";
  const Scenario scenario = good(fmt::format(fmt::runtime(frame), maps));
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  const RunResult run = world.run();
  CHECK(run.outcome == Outcome::completed);
  CHECK(world.kernel().mms.front().map_count == 0);
  CHECK(run.steps[1][3].result == 0);  // a zombie takes any signal
}

TEST_CASE("all threads of a process die of a signal to one") {
  const Scenario scenario = good(R"({"format": 1, "machine": {"cpus": 3}, "tasks": {
    "one": {"cpu": 0, "process": "p", "steps": [{"compute": {"for": "1s"}}]},
    "two": {"cpu": 1, "process": "p", "steps": [{"sleep": {"for": "1s"}}]},
    "killer": {"cpu": 2, "steps": [{"compute": {"for": "10us"}},
      {"kill": {"task": "one", "signal": "SIGQUIT"}}]}}})");
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  const RunResult run = world.run();
  CHECK(run.outcome == Outcome::completed);
  CHECK(run.time < Nanos(100'000));
  CHECK(world.kernel().tasks[0].exited);
  CHECK(world.kernel().tasks[1].exited);
}

TEST_CASE("kill refuses what is no signal and who is not there") {
  const Scenario scenario = good(R"({"format": 1, "machine": {"cpus": 1}, "tasks": {
    "child": {"parent": "killer", "steps": []},
    "killer": {"steps": [{"kill": {"task": "child", "signal": 0}},
      {"kill": {"task": "killer", "signal": 65}}, {"fork": {"child": "child"}},
      {"kill": {"task": "child", "signal": "SIGKILL"}}, {"wait": {"task": "child"}},
      {"kill": {"task": "child", "signal": 0}}]}}})");
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  const RunResult run = world.run();
  CHECK(run.outcome == Outcome::completed);
  CHECK(run.steps[1][0].result == -ESRCH);
  CHECK(run.steps[1][1].result == -EINVAL);
  CHECK(run.steps[1][3].result == 0);
  CHECK(run.steps[1][5].result == -ESRCH);
}

TEST_CASE("a deadlock that a kill can end is none until that has passed") {
  const auto text = [](const char* last) {
    return fmt::format(R"({{"format": 1, "machine": {{"cpus": 3}},
      "locks": {{"A": {{"type": "mutex"}}, "B": {{"type": "mutex"}}}}, "tasks": {{
      "one": {{"cpu": 0, "steps": [{{"lock": {{"name": "A"}}}}, {{"compute": {{"for": "5us"}}}},
        {{"lock": {{"name": "B"}}}}]}},
      "two": {{"cpu": 1, "steps": [{{"lock": {{"name": "B"}}}}, {{"compute": {{"for": "5us"}}}},
        {{"lock": {{"name": "A"}}}}]}},
      "killer": {{"cpu": 2, "steps": [{{"compute": {{"for": "1ms"}}}}{}]}}}}}})",
                       last);
  };
  for (const char* const last : {"", R"(, {"kill": {"task": "one", "signal": "SIGKILL"}})"}) {
    const Scenario scenario = good(text(last));
    Tracer tracer;
    World world(scenario, tracer, WorldOptions{});
    // These waits are uninterruptible: no signal ends them.
    CHECK(world.run().outcome == Outcome::deadlock);
  }
}
