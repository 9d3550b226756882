// faultline run: load, play, print; --trace, --report, --selfcheck.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#include "analysis/simulate.hpp"
#include "base/suggest.hpp"
#include "base/units.hpp"
#include "cli/arguments.hpp"
#include "cli/load_command.hpp"
#include "cli/output_file.hpp"
#include "cli/schedule_file.hpp"
#include "scenario/report.hpp"
#include "scenario/summary.hpp"

namespace faultline {

namespace {

volatile std::sig_atomic_t interrupted = 0;

extern "C" void on_interrupt(int) { interrupted = 1; }

bool use_colour(const std::string& color) {
  if (color == "always") return true;
  return color == "auto" && isatty(1) != 0;
}

bool same_twice(const Scenario& scenario, SimulateOptions options, const Simulation& first) {
  options.trace_path.clear();
  const Simulation second = simulate(scenario, options);
  if (second.digest == first.digest && second.exit_code == first.exit_code) return true;
  std::fprintf(stderr, "faultline: two runs of the same scenario differ: %s and %s\n",
               first.digest.c_str(), second.digest.c_str());
  return false;
}

int finish(const RunArguments& a, const Scenario& scenario, const SimulateOptions& options,
           const Simulation& run) {
  if (run.trace_error != 0) {
    std::fprintf(stderr, "%s: %s\n", a.trace.c_str(), std::strerror(run.trace_error));
    return 2;
  }
  if (a.selfcheck && !same_twice(scenario, options, run)) return 3;
  if (run.schedule_failed) {
    std::fprintf(stderr, "%s: %s%s\n", a.schedule.c_str(), run.result.reason.c_str(),
                 a.trace.empty() ? "" : "; the trace is incomplete");
    return 2;
  }
  if (!a.record_schedule.empty() &&
      !write_file(a.record_schedule, schedule_text(scenario, run.choices))) {
    return 2;
  }
  const ReportInput report{scenario, run.result, run.judgement, run.digest, scenario.schedule.seed};
  if (!a.report.empty() && !write_file(a.report, report_json(report))) return 2;
  std::string text;
  if (a.json) {
    text = report_json(report);
  } else if (a.trace != "-" && a.report != "-") {
    const SummaryInput summary{scenario, run.result, run.judgement, scenario.schedule.seed};
    text = summary_text(summary, use_colour(a.color) ? Paint::colour : Paint::plain);
  }
  return write_stdout(text) ? run.exit_code : 2;
}

}  // namespace

int run_command(const RunArguments& a) {
  const bool apart = outputs_are_apart(
      {{"--trace", a.trace}, {"--report", a.report}, {"--record-schedule", a.record_schedule}},
      {{"the scenario", a.scenario}, {"--schedule", a.schedule}});
  if (!apart) return 2;
  std::vector<Override> overrides;
  if (!collect_overrides(a, overrides)) return 2;
  SimulateOptions options;
  if (!a.max_time.empty()) {
    const auto time = parse_duration(a.max_time);
    if (!time.value) {
      std::fprintf(stderr, "--max-time %s: a duration like 5ms is wanted\n", a.max_time.c_str());
      return 2;
    }
    options.max_time = Nanos(*time.value);
  }
  const auto scenario = load_for_command(a.scenario, std::move(overrides), !a.schedule.empty());
  if (!scenario) return 2;
  if (!a.schedule.empty()) {
    auto choices = read_schedule(a.schedule, *scenario);
    if (!choices) return 2;
    options.choices = std::move(*choices);
  }
  if (!a.record_schedule.empty() && scenario->schedule.chooser == ChooserKind::timed) {
    std::fprintf(stderr, "--record-schedule: the chooser timed makes no choices; use another\n");
    return 2;
  }
  options.trace_path = a.trace;
  options.level = *parse_level(a.level);
  options.events = a.events;
  options.max_events = a.max_events;
  options.fault_parts = a.json || !a.report.empty();
  options.check_invariants = a.check_invariants;
  options.digest = a.selfcheck || a.json || !a.report.empty();
  options.interrupted = &interrupted;
  if (!a.events.empty() && EventMask::of_globs(a.events).none()) {
    std::fprintf(stderr, "--events %s: no event has such a name\n", a.events.c_str());
    return 2;
  }
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  const Simulation run = simulate(*scenario, options);
  if (!run.errors.empty()) {
    print_diagnostics(run.errors);
    return 2;
  }
  if (run.result.outcome == Outcome::interrupted && run.trace_error == 0) {
    std::fprintf(stderr, "faultline: interrupted after %llu events; %s\n",
                 static_cast<unsigned long long>(run.result.events),
                 a.trace.empty() ? "nothing was written" : "the trace is incomplete");
    return 130;
  }
  return finish(a, *scenario, options, run);
}

}  // namespace faultline
