// What a real Linux 7.1.5 with a test driver did, run by run: errno, VMAs, counters, every page
// touched, references of pages, and the order of the driver's callbacks with the locks they saw.
// devices.json describes the test driver's devices in the scenario format; each run of results.json
// is played as a scenario of its own and must agree. Runs that need a verb which is not built yet
// are counted and left out. Usage: mmap_prepare_tests DIRECTORY [CASE/SCENARIO]. Exit code 0 when
// all agree.
#include <cstdio>
#include <fstream>

#include "run_compare.hpp"
#include "run_scenario.hpp"
#include "scenario/load.hpp"

namespace {

using namespace faultline;

Json read_json(const std::string& path) {
  std::ifstream file(path);
  return Json::parse(file, nullptr, false);
}

// Plays one run; the number of differences, or -1 if it cannot be played.
int play(const Json& devices, const Json& run, const std::string& name) {
  PlannedRun plan = plan_run(devices, run);
  if (!plan.buildable) return -1;
  LoadInput input;
  input.text = plan.scenario.dump();
  input.file = name;
  LoadResult loaded = load_scenario(std::move(input));
  if (const auto* const errors = std::get_if<std::vector<Diagnostic>>(&loaded)) {
    for (const Diagnostic& d : *errors) std::printf("%s\n", to_string(d).c_str());
    return 1;
  }
  const Scenario& scenario = std::get<Scenario>(loaded);
  SimulateOptions options;
  options.lock_order = false;
  const Simulation simulation = simulate(scenario, options);
  const std::vector<std::string> wrong = compare_run(run, plan, scenario, simulation.result);
  for (const std::string& line : wrong) std::printf("%s: %s\n", name.c_str(), line.c_str());
  return static_cast<int>(wrong.size());
}

}  // namespace

int main(int argc, char* argv[]) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: mmap_prepare_tests DIRECTORY [CASE/SCENARIO]\n");
    return 2;
  }
  const std::string directory = argv[1];
  const Json devices = read_json(directory + "/devices.json");
  const Json results = read_json(directory + "/results.json");
  std::size_t agreed = 0, differed = 0, unbuilt = 0;
  for (const Json& run : results["runs"]) {
    const std::string name = run["case"].get<std::string>() + "/" +
                             run["scenario"].get<std::string>() + " " +
                             run["type"].get<std::string>() + " " + run["prot"].get<std::string>();
    if (argc > 2 && name.find(argv[2]) == std::string::npos) continue;
    const int wrong = play(devices, run, name);
    ++(wrong < 0 ? unbuilt : wrong == 0 ? agreed : differed);
  }
  std::printf("%zu runs agree, %zu differ, %zu need verbs that are not built\n", agreed, differed,
              unbuilt);
  return differed == 0 && agreed > 0 ? 0 : 1;
}
