// The JSON report of a run (`run --report`), format 1. Keys stand in the order of the format's
// description; each step, expectation and finding is one line, so that reports of big runs can be
// searched with line tools.
#pragma once

#include <string>
#include <string_view>

#include "scenario/expectations.hpp"
#include "scenario/run_result.hpp"

namespace faultline {

struct ReportInput {
  const Scenario& scenario;
  const RunResult& result;
  const Judgement& judgement;
  std::string_view digest;  ///< of the trace at level all, as text
  std::uint64_t seed = 1;   ///< that the run used
};

/// The whole document, with a newline at its end. Numbers are exact integers; times are ns. Always
/// valid JSON: bytes that are not UTF-8 become U+FFFD.
/// A step that failed or did not end has the value 0x0, and errno 0 unless it failed.
std::string report_json(const ReportInput& input);

}  // namespace faultline
