// faultline locks: the lock order of traces and scenarios together. A scenario is played first; in
// a folder its golden trace beside it is then left out, which would only count the same run twice.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>

#include "analysis/lock_baseline.hpp"
#include "analysis/lock_report.hpp"
#include "analysis/simulate.hpp"
#include "analysis/trace_files.hpp"
#include "cli/arguments.hpp"
#include "cli/load_command.hpp"
#include "cli/output_file.hpp"

namespace faultline {

namespace fs = std::filesystem;

namespace {

// What the survey reads of a run; everything else would only be written to be skipped.
constexpr const char* wanted_events = "lock_*,sim_lock_*,sim_bitlock_*,sim_call,sim_ret,sim_step";

bool is_scenario(const std::string& name) {
  return name.ends_with(".json") && !name.ends_with(".schema.json");
}

// Whether a JSON file in a folder is meant as a scenario: it has tasks.
bool has_tasks(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  return text.find("\"tasks\"") != text.npos;
}

// Scenarios and traces that `paths` name, in order.
std::vector<std::string> inputs(const LocksArguments& a, std::vector<Diagnostic>& problems,
                                std::vector<Diagnostic>& left_out) {
  std::vector<std::string> all;
  for (const std::string& path : a.paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      for (auto& file : trace_files({path}, problems, left_out)) all.push_back(std::move(file));
      continue;
    }
    std::set<std::string> found;
    for (auto it = fs::recursive_directory_iterator(path, error);
         !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
      const std::string name = it->path().string();
      const bool baseline = !a.baseline.empty() && fs::equivalent(it->path(), a.baseline, error);
      error.clear();
      if (!it->is_regular_file() || !is_scenario(name) || baseline) continue;
      if (has_tasks(name)) {
        found.insert(name);
      } else {
        left_out.push_back({Complaint::input, name, 0, 0, {}, "left out: no scenario"});
      }
    }
    std::vector<Diagnostic> none;
    for (auto& file : trace_files({path}, none, left_out)) {
      const auto stem = file.substr(0, file.find(".trace", file.rfind('/') + 1));
      if (!found.contains(stem + ".json")) found.insert(std::move(file));
    }
    if (found.empty()) problems.push_back({Complaint::input, path, 0, 0, {}, "no trace is here"});
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

bool survey_scenario(const LocksArguments& a, const std::string& path, LockSurvey& survey) {
  std::vector<Override> overrides;
  if (!a.chooser.empty()) overrides.push_back({"/schedule/chooser", a.chooser});
  const auto scenario = load_for_command(path, std::move(overrides));
  if (!scenario) return false;
  std::string text;
  SimulateOptions options;
  options.trace_text = &text;
  options.events = wanted_events;
  options.lock_order = false;
  const Simulation run = simulate(*scenario, options);
  print_diagnostics(run.errors);
  if (!run.errors.empty()) return false;
  survey.begin_trace(path);
  auto line = [&](const TraceLine& l) { survey.line(l); };
  survey.end_trace(read_trace_text(text, path, line_sink(line)).info);
  return true;
}

bool survey_trace(const std::string& path, LockSurvey& survey) {
  survey.begin_trace(path);
  auto line = [&](const TraceLine& l) {
    survey.line(l);
    return true;
  };
  bool inferred = false;
  const TraceResult result = read_trace_and_locks(path, line_sink(line), &inferred);
  print_diagnostics(result.diagnostics);
  survey.end_trace(result.info, inferred);
  return result.usable();
}

// 0, 1 with new dependencies, 2 with a complaint. `diff` points into the report.
int baseline(const LocksArguments& a, const LockReport& report, std::optional<BaselineDiff>& diff) {
  if (a.update) return write_file(a.baseline, baseline_text(report)) ? 0 : 2;
  std::ifstream file(a.baseline, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "%s: cannot be read; --update writes it\n", a.baseline.c_str());
    return 2;
  }
  const std::string old(std::istreambuf_iterator<char>(file), {});
  auto compared = compare_baseline(old, a.baseline, report);
  if (const auto* const error = std::get_if<Diagnostic>(&compared)) {
    print_diagnostics({*error});
    return 2;
  }
  diff = std::move(std::get<BaselineDiff>(compared));
  return diff->added.empty() ? 0 : 1;
}

}  // namespace

int locks_command(const LocksArguments& a) {
  if (a.update && a.baseline.empty()) {
    std::fprintf(stderr, "--update needs --baseline FILE\n");
    return 2;
  }
  std::vector<Diagnostic> problems;
  std::vector<Diagnostic> left_out;
  const std::vector<std::string> files = inputs(a, problems, left_out);
  print_diagnostics(left_out);
  print_diagnostics(problems);
  bool good = problems.empty();
  LockSurvey survey({!a.as_lockdep, false});
  for (const std::string& file : files) {
    good &= is_scenario(file) ? survey_scenario(a, file, survey) : survey_trace(file, survey);
  }
  if (!good) return 2;
  const LockReport report = lock_report(survey);
  std::optional<BaselineDiff> diff;
  const int compared = a.baseline.empty() ? 0 : baseline(a, report, diff);
  if (compared == 2) return 2;
  const std::string difference = diff ? baseline_diff_text(*diff) : std::string();
  std::string text;
  if (a.json) {
    text = lock_report_json(report, diff ? &*diff : nullptr);
  } else if (a.dot) {
    text = lock_report_dot(report, diff ? &*diff : nullptr);
  } else {
    text = lock_report_text(report);
  }
  // Machine-readable forms stay one document, which has the difference too.
  if (a.json || a.dot) {
    std::fputs(difference.c_str(), stderr);
  } else {
    text += text.ends_with('\n') && !difference.empty() ? "\n" + difference : difference;
  }
  if (!write_stdout(text)) return 2;
  return report.clean() && compared == 0 ? 0 : 1;
}

}  // namespace faultline
