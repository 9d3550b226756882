// The verdicts of a run: every expectation of the scenario against what happened, which findings
// nobody expected, and the exit code that follows. Works from plain results; knows no scenario.
#pragma once

#include <cstdint>
#include <vector>

#include <faultline/scenario.hpp>

#include "scenario/expectations_sink.hpp"
#include "scenario/expectations_verdict.hpp"
#include "scenario/run_result.hpp"

namespace faultline {

/// What judge() looks at.
struct JudgeInput {
  const Scenario& scenario;
  const RunResult& result;
  const FinalState& state;
  const ExpectationSink& records;  ///< that has seen the whole run
  std::uint64_t lock_cycles = 0;   ///< strong cycles of the run's lock order
};

struct Judgement {
  /// Steps in order of task and index, then Scenario::expect in its order.
  std::vector<Verdict> verdicts;
  std::size_t of_steps = 0;            ///< how many of `verdicts` are of steps
  bool outcome_expected = true;        ///< completed, or an expectation that is met asks for it
  std::vector<bool> finding_expected;  ///< by index in RunResult::findings

  bool all_held() const;
};

/// Evaluates every expectation. Of a run expectation with `in`: "none" holds when it is not met,
/// "some" holds always, as one schedule cannot refute it.
Judgement judge(const JudgeInput& input);

/// The exit code of `run`: 0; 1 an expectation does not hold, the outcome is a deadlock, stuck or
/// kernel-bug that no expectation asks for, or there is a finding that none asks for; 4 a limit
/// ended the run and none asks for that; 130 it was interrupted.
/// A possible lock cycle ("lock-cycle") is always expected.
int exit_code(const RunResult& result, const Judgement& judgement);

}  // namespace faultline
