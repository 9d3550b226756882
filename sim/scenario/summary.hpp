// What `faultline run` tells a person on stdout: the question, what happened step by step, what was
// found, and what of the expectations held. The JSON report has all of it in full.
#pragma once

#include <string>

#include "scenario/expectations.hpp"
#include "scenario/run_result.hpp"

namespace faultline {

struct SummaryInput {
  const Scenario& scenario;
  const RunResult& result;
  const Judgement& judgement;
  std::uint64_t seed = 1;  ///< that the run used
};

/// With ANSI colours or without.
enum class Paint : std::uint8_t { plain, colour };

/// Plain text of aligned columns, every line ended. More than 60 steps are shortened: the first 40
/// and 20 more that did not simply succeed, with a count of the others; likewise more than 60
/// expectations. Control characters of the scenario are printed as `?`.
std::string summary_text(const SummaryInput& input, Paint paint);

}  // namespace faultline
