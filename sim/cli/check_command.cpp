// faultline check: plays every scenario below the given paths and compares golden traces
// (NAME.trace.zst or NAME.trace beside NAME.json). --update writes them anew. --junit writes the
// result for CI, --coverage says what of Faultline nothing has used.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <thread>
#include <vector>

#include "analysis/simulate.hpp"
#include "base/bug.hpp"
#include "cli/arguments.hpp"
#include "cli/coverage.hpp"
#include "cli/golden.hpp"
#include "cli/junit.hpp"
#include "cli/load_command.hpp"
#include "cli/output_file.hpp"

namespace faultline {

namespace fs = std::filesystem;

namespace {

struct Checked {
  fs::path path{};
  int code = 0;           ///< as an exit code
  std::string message{};  ///< one line or more, why it is not 0
  Coverage coverage{};
};

bool collect(const std::string& path, std::vector<Checked>& out) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (fs::is_directory(status)) {
    for (auto it = fs::recursive_directory_iterator(path, error);
         !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
      const std::string name = it->path().filename().string();
      const bool scenario =
          it->path().extension() == ".json" && name.find(".schema.json") == std::string::npos;
      if (it->is_regular_file() && scenario) out.push_back({it->path()});
    }
    return !error;
  }
  if (!fs::exists(status)) {
    std::fprintf(stderr, "%s: no such file or folder\n", path.c_str());
    return false;
  }
  out.push_back({path});
  return true;
}

void check_one(const CheckArguments& a, Checked& c) {
  const auto scenario = load_for_command(c.path.string(), {});
  if (!scenario) {
    c.code = 2;
    c.message = "the scenario is not valid";
    return;
  }
  std::string trace;
  SimulateOptions options;
  options.trace_text = &trace;
  if (a.coverage) {
    c.coverage.add(*scenario);
    options.watcher = sink_ref(c.coverage);
  }
  options.check_invariants = a.check_invariants;
  const Simulation run = simulate(*scenario, options);
  if (!run.errors.empty()) {
    c.code = 2;
    for (const Diagnostic& d : run.errors) c.message += to_string(d) + "\n";
    return;
  }
  c.code = run.exit_code == 0 ? 0 : 1;
  for (const Verdict& v : run.judgement.verdicts) {
    if (!v.held) c.message += v.detail + "\n";
  }
  for (std::size_t i = 0; i < run.result.findings.size(); ++i) {
    if (run.judgement.finding_expected[i]) continue;
    const Finding& finding = run.result.findings[i];
    c.message += "unexpected " + finding.kind + ": " + finding.text + "\n";
  }
  if (c.code != 0 && c.message.empty()) c.message = "the run did not end as expected\n";
  const GoldenResult golden = compare_golden(c.path.string(), trace, a.update);
  if (golden.state == GoldenState::differs || golden.state == GoldenState::unreadable ||
      (golden.state == GoldenState::missing && a.require_golden)) {
    c.code = std::max(c.code, 1);
    c.message += golden.message + "\n";
  }
}

std::string result_text(const CheckArguments& a, const std::vector<Checked>& all) {
  std::string text;
  std::size_t failed = 0;
  for (const Checked& c : all) {
    text += fmt::format("{} {}\n", c.code == 0 ? "ok    " : "FAILED", c.path.string());
    if (c.code == 0) continue;
    ++failed;
    text += c.message;
    if (!c.message.empty() && c.message.back() != '\n') text += '\n';
  }
  text += fmt::format("{} scenarios, {} failed\n", all.size(), failed);
  if (a.coverage) {
    Coverage sum;
    for (const Checked& c : all) sum.add(c.coverage);
    text += sum.text();
  }
  return text;
}

}  // namespace

int check_command(const CheckArguments& a) {
  std::vector<Checked> all;
  for (const std::string& path : a.paths) {
    if (!collect(path, all)) return 2;
  }
  std::sort(all.begin(), all.end(),
            [](const Checked& x, const Checked& y) { return x.path < y.path; });
  if (all.empty()) {
    std::fprintf(stderr, "no scenarios there\n");
    return 2;
  }
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < all.size(); i = next++) {
      try {
        check_one(a, all[i]);
      } catch (const InternalError& e) {
        all[i].code = 3;
        all[i].message = "a defect of Faultline itself: " + e.what +
                         "\nreproduce with: faultline run " + all[i].path.string();
      } catch (const std::exception& e) {
        all[i].code = 3;
        all[i].message =
            fmt::format("a defect of Faultline itself: {}\nreproduce with: faultline run {}",
                        e.what(), all[i].path.string());
      }
    }
  };
  std::vector<std::thread> threads;
  for (unsigned j = 1; j < a.jobs; ++j) threads.emplace_back(work);
  work();
  for (std::thread& t : threads) t.join();
  int code = 0;
  for (const Checked& c : all) code = std::max(code, c.code);
  if (!write_stdout(result_text(a, all))) code = std::max(code, 2);
  if (a.junit.empty()) return code;
  std::vector<JunitCase> cases;
  for (const Checked& c : all) cases.push_back({c.path.string(), c.code, c.message});
  return write_file(a.junit, junit_xml(cases)) ? code : std::max(code, 2);
}

}  // namespace faultline
