// Fabricated results of runs, for tests of what is made from them: verdicts, report, summary.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "load_helper.hpp"
#include "scenario/expectations.hpp"
#include "trace/tracer.hpp"

namespace faultline::test {

/// A final state that says what the test put into it.
class FakeState final : public FinalState {
 public:
  std::vector<FinalExtent> all_extents;
  FinalPte entry;
  std::uint64_t entry_at = 0;  ///< the only address that has `entry`
  std::map<std::uint64_t, std::uint64_t> words;
  const RunResult* result = nullptr;

  std::vector<FinalExtent> extents(FileRef) const override { return all_extents; }
  FinalPte pte(ProcessRef, std::uint64_t address) const override {
    return address == entry_at ? entry : FinalPte{};
  }
  std::uint64_t content(FileRef, std::uint64_t at) const override {
    const auto word = words.find(at);
    return word == words.end() ? 0 : word->second;
  }
  std::optional<std::uint64_t> address(const AddressRef& ref) const override {
    if (ref.is_number()) return ref.offset;
    const StepResult& step = result->steps[ref.step.task.v][ref.step.index];
    if (step.state != StepState::done || step.failed) return std::nullopt;
    return static_cast<std::uint64_t>(step.result) + ref.offset;
  }
};

inline StepResult done(std::int64_t value) {
  StepResult step;
  step.state = StepState::done;
  step.result = value;
  return step;
}

inline StepResult failed(int err) {
  StepResult step = done(-err);
  step.failed = true;
  return step;
}

inline StepResult killed(int sig, int code) {
  StepResult step = done(0);
  step.signal = PendingSignal{sig, code, Vaddr(0x1000)};
  return step;
}

inline StepResult faulted(std::uint64_t count, vm_fault_t result, unsigned order) {
  StepResult step = done(0);
  step.fault_count = count;
  step.last_fault = {Vaddr(0x7f0000001000), result, order, Nanos(1500)};
  step.faults.assign(std::min<std::uint64_t>(count, 64), step.last_fault);
  return step;
}

/// A scenario, a result of it to fill in, and everything that judging needs.
struct Fabricated {
  Scenario scenario;
  RunResult result;
  FakeState state;
  Tracer tracer;
  ExpectationSink sink;

  explicit Fabricated(const std::string& text)
      : scenario(good(text)), sink(scenario, tracer.symbols()) {
    for (const TaskSpec& task : scenario.tasks) {
      result.steps.emplace_back(task.steps.size(), done(0));
      tracer.set_task(TaskId(static_cast<std::uint32_t>(result.steps.size() - 1)), task.name, 1);
    }
    state.result = &result;
    if (!sink.mask().none()) tracer.add_sink(sink_ref(sink), sink.mask());
  }

  Judgement judgement(std::uint64_t lock_cycles = 0) {
    return judge({scenario, result, state, sink, lock_cycles});
  }
  /// The only verdict.
  Verdict verdict(std::uint64_t lock_cycles = 0) {
    const Judgement all = judgement(lock_cycles);
    REQUIRE(all.verdicts.size() == 1);
    return all.verdicts[0];
  }
  int code() { return exit_code(result, judgement()); }
};

/// The design's example: one task seals a file and stores to it, another tries to punch a hole.
inline const char* sealed_scenario = R"({
  "format": 1, "name": "fallocate_is_refused_while_sealed",
  "doc": ["One task seals a DAX file with MAP_DIRECT and stores to it;",
          "another tries to punch a hole."],
  "devices": { "pmem0": { "pmem": { "size": "64MiB" } } },
  "filesystems": { "scratch": { "xfs": { "device": "pmem0", "dax": "always" } } },
  "files": { "log": { "fs": "scratch", "size": "8MiB" } },
  "tasks": {
    "writer": { "steps": [
      { "id": "fd",  "open":  { "file": "log", "flags": ["O_RDWR"] } },
      { "id": "map", "mmap": { "fd": "fd", "length": "8MiB", "prot": ["READ", "WRITE"],
                               "flags": ["MAP_SHARED"] } },
      { "id": "st1", "store": { "at": "map+4KiB" } },
      { "id": "st2", "store": { "at": "map+6MiB" }, "expect": { "signal": "SIGBUS" } } ] },
    "puncher": { "steps": [
      { "id": "fd", "open": { "file": "log", "flags": ["O_RDWR"] } },
      { "id": "punch", "after": ["writer.map"],
        "pwrite": { "fd": "fd", "at": "64KiB", "length": "64KiB" },
        "expect": { "errno": "ETXTBSY" } } ] } },
  "expect": [ { "outcome": "completed" }, { "lock_cycles": "none" } ]
})";

/// Two tasks, two locks, each task wanting the other's.
inline Finding two_locks_deadlock() {
  Finding finding;
  finding.kind = "deadlock";
  finding.text = "left and right wait for each other";
  finding.locks = {
      {"A", 0, 0x0300000000000001, "exclusive", "left", "held", {"sys_write", "take_a"}},
      {"B", 1, 0x0300000000000002, "shared", "left", "wanted", {"sys_write", "take_b"}},
      {"B", 1, 0x0300000000000002, "exclusive", "right", "held", {"sys_read", "take_b"}},
      {"A", 0, 0x0300000000000001, "exclusive", "right", "wanted", {}},
  };
  return finding;
}

inline const char* two_tasks = R"({"format": 1, "name": "two", "tasks": {
"left": {"steps": [{"id": "go", "fence": {}}]}, "right": {"steps": [{"id": "go", "fence": {}}]}})";

}  // namespace faultline::test
