// Compares what Faultline does with what a real Linux kernel did. Each folder under cases/ holds a
// scenario and a real kernel's traces of the same program; the scenario is played with the built
// program, both sides are reduced to the events view and the locks view, and must agree line by
// line, per step. Each case names the profile of the kernel it was recorded on: cases/ has those of
// 6.12, cases-7.1/ those of 7.1. On 6.12 the events were recorded on a distribution's build, the
// locks on one with lock debugging and little else, so each case is played as each of the two.
// Cases under extra/ are reported and may differ. Usage: conformance_tests FAULTLINE DIRECTORY
// [CASE...]. Exit code 0 when all agree.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "analysis/trace_diff.hpp"
#include "analysis/views.hpp"

namespace fs = std::filesystem;
using namespace faultline;

namespace {

constexpr std::size_t max_allowed_names = 25;

struct Setup {
  std::string faultline;
  fs::path directory;
  fs::path work;
  std::vector<std::string> only;  // names of cases; empty: all
  std::vector<std::string> allow;
};

/// Directories below `parent`, by name.
std::vector<fs::path> cases_in(const Setup& setup, const char* parent) {
  std::vector<fs::path> found;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(setup.directory / parent, missing)) {
    const auto name = entry.path().filename().string();
    const auto& only = setup.only;
    const bool wanted = only.empty() || std::find(only.begin(), only.end(), name) != only.end();
    if (entry.is_directory() && wanted) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// Reads allow.txt; complains and returns false when it is not what it may be.
bool read_allow_list(Setup& setup) {
  std::ifstream file(setup.directory / "allow.txt");
  if (!file) return true;
  bool good = true;
  for (std::string line; std::getline(file, line);) {
    line.erase(std::find(line.begin(), line.end(), '#'), line.end());
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.pop_back();
    if (line.empty()) continue;
    if (!is_view_name(line)) {
      std::printf("allow.txt: '%s' is no event and no lock of a view\n", line.c_str());
      good = false;
    }
    setup.allow.push_back(line);
  }
  if (setup.allow.size() > max_allowed_names) {
    std::printf("allow.txt: %zu names, at most %zu are allowed\n", setup.allow.size(),
                max_allowed_names);
    good = false;
  }
  return good;
}

/// Plays a scenario; returns the exit code, or nothing when the program could not be started or was
/// killed.
std::optional<int> play(const Setup& setup, const fs::path& scenario, ViewKind kind,
                        const fs::path& trace, const fs::path& log) {
  // Distributions build process accounting; the 7.1 was one build for both.
  const bool distribution =
      kind == ViewKind::events && scenario.parent_path().parent_path().filename() == "cases";
  const char* const build = distribution ? "process_accounting=true" : "process_accounting=false";
  std::fflush(stdout);  // or the child would write our buffer once more
  const pid_t child = fork();
  if (child == 0) {
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) _exit(126);
    execl(setup.faultline.c_str(), "faultline", "run", scenario.c_str(), "--trace", trace.c_str(),
          "--set", build, static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return std::nullopt;
  return WEXITSTATUS(status);
}

void print_file(const fs::path& path) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) std::printf("    %s\n", line.c_str());
}

/// Compares one view; prints its line, and the differences if there are any.
bool compare(const Setup& setup, const fs::path& folder, const fs::path& trace, ViewKind kind) {
  const std::string view = kind == ViewKind::events ? "events" : "locks";
  const auto reference = folder / (folder.filename().string() + "." + view + ".txt");
  DiffOptions options;
  options.view = kind;
  options.allow = setup.allow;
  const auto result = diff_traces(reference.string(), trace.string(), options);
  // A view without lines would agree with anything: both files must have been understood.
  const bool good = result.same && result.equal > 0;
  std::printf("  %-6s %s: %llu lines agree", view.c_str(), good ? "same" : "DIFFERENT",
              static_cast<unsigned long long>(result.equal));
  for (const auto& [name, count] : result.allowed) {
    std::printf("; dropped %s: %llu", name.c_str(), static_cast<unsigned long long>(count));
  }
  std::printf("\n");
  if (!good) std::printf("%s", diff_text(result, reference.string(), trace.string()).c_str());
  return good;
}

/// Plays the case as the build that a view was recorded on, and compares that view.
bool run_view(const Setup& setup, const fs::path& folder, ViewKind kind) {
  const auto name = folder.filename().string() + (kind == ViewKind::events ? ".events" : ".locks");
  const auto trace = setup.work / (name + ".trace");
  const auto log = setup.work / (name + ".log");
  const auto code = play(setup, folder / "scenario.json", kind, trace, log);
  if (!code || *code != 0) {
    std::printf("  faultline run ended with %s:\n",
                code ? std::to_string(*code).c_str() : "a signal");
    print_file(log);
    if (!code || *code == 2 || *code == 3 || !fs::exists(trace)) return false;
  }
  return compare(setup, folder, trace, kind) && code == 0;
}

bool run_case(const Setup& setup, const fs::path& folder) {
  std::printf("%s\n", folder.filename().string().c_str());
  const bool events = run_view(setup, folder, ViewKind::events);
  const bool locks = run_view(setup, folder, ViewKind::locks);
  return events && locks;
}

int run(const Setup& setup) {
  auto cases = cases_in(setup, "cases");
  const auto later = cases_in(setup, "cases-7.1");
  cases.insert(cases.end(), later.begin(), later.end());
  std::size_t agreed = 0;
  for (const auto& folder : cases) agreed += run_case(setup, folder) ? 1 : 0;
  const auto extra = cases_in(setup, "extra");
  std::size_t extra_agreed = 0;
  if (!extra.empty()) std::printf("\nbeyond what must agree:\n");
  for (const auto& folder : extra) extra_agreed += run_case(setup, folder) ? 1 : 0;
  std::printf(
      "\n%zu of %zu cases agree in both views; of the others %zu of %zu; %zu names are on "
      "the allow list\n",
      agreed, cases.size(), extra_agreed, extra.size(), setup.allow.size());
  if (cases.empty() && extra.empty()) std::printf("there are no such cases\n");
  return agreed == cases.size() && cases.size() + extra.size() > 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char* argv[]) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: conformance_tests FAULTLINE DIRECTORY [CASE...]\n");
    return 2;
  }
  Setup setup{argv[1], argv[2], {}, {argv + 3, argv + argc}, {}};
  std::string work = (fs::temp_directory_path() / "conformance.XXXXXX").string();
  if (!mkdtemp(work.data())) {
    std::perror(work.c_str());
    return 2;
  }
  setup.work = work;
  const int code = read_allow_list(setup) ? run(setup) : 1;
  std::error_code ignored;
  if (code == 0) {
    fs::remove_all(setup.work, ignored);
  } else {
    std::printf("traces are in %s\n", work.c_str());
  }
  return code;
}
