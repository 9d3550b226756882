// faultline crash: plays a scenario and tells what a power cut after each of its steps would leave.
// The scenario's expectations are not judged: they are about the run, and hold or not in `run`.
#include <algorithm>

#include <fmt/format.h>

#include "analysis/simulate.hpp"
#include "cli/arguments.hpp"
#include "cli/load_command.hpp"
#include "cli/output_file.hpp"
#include "scenario/cut_report.hpp"
#include "scenario/report.hpp"
#include "scenario/report_words.hpp"

namespace faultline {

namespace {

constexpr std::size_t most_lines = 8;

bool is_broken(const CutResult& cut) { return !cut.findings.empty(); }

std::string text_of(const Scenario& scenario, const RunResult& result) {
  std::string text = cuts_text(scenario, result.cuts, most_lines);
  const auto broken = std::count_if(result.cuts.begin(), result.cuts.end(), is_broken);
  if (result.outcome != Outcome::completed) {
    text += fmt::format("the run ended as {}: {}\n", outcome_text(result.outcome), result.reason);
  }
  return text + fmt::format("{} of {} power cuts break a promise\n", broken, result.cuts.size());
}

}  // namespace

int crash_command(const RunArguments& a) {
  if (!outputs_are_apart({{"--report", a.report}}, {{"the scenario", a.scenario}})) return 2;
  std::vector<Override> overrides;
  if (!collect_overrides(a, overrides)) return 2;
  const auto scenario = load_for_command(a.scenario, std::move(overrides));
  if (!scenario) return 2;
  SimulateOptions options;
  options.cut_after_each_step = true;
  options.digest = a.json || !a.report.empty();
  const Simulation run = simulate(*scenario, options);
  if (!run.errors.empty()) {
    print_diagnostics(run.errors);
    return 2;
  }
  const ReportInput report{*scenario, run.result, run.judgement, run.digest,
                           scenario->schedule.seed};
  if (!a.report.empty() && !write_file(a.report, report_json(report))) return 2;
  if (!write_stdout(a.json ? report_json(report) : text_of(*scenario, run.result))) return 2;
  const auto& cuts = run.result.cuts;
  return std::any_of(cuts.begin(), cuts.end(), is_broken) ? 1 : 0;
}

}  // namespace faultline
