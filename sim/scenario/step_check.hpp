// Whether a step came to what the scenario expects of it. A step of which nothing is expected may
// fail or die by a signal: that is a result like any other.
#pragma once

#include <optional>

#include <faultline/scenario.hpp>

#include "scenario/expectations_verdict.hpp"
#include "scenario/run_result.hpp"

namespace faultline {

/// The verdict on one step; nothing if neither `expect` nor `xfail` speaks of it. A step that did
/// not end meets no expectation. `xfail` turns the verdict round; without an `expect`, what it
/// announces as failing is plain success (no errno, no signal).
std::optional<Verdict> check_step(const Scenario& scenario, StepRef step, const StepResult& result,
                                  const FinalState& state);

}  // namespace faultline
