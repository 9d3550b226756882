// A played run against the reference's.
#pragma once

#include <string>
#include <vector>

#include "analysis/simulate.hpp"
#include "run_scenario.hpp"

namespace faultline {

/// What differs, one line each.
std::vector<std::string> compare_run(const Json& run, const PlannedRun& plan,
                                     const Scenario& scenario, const RunResult& result);

}  // namespace faultline
