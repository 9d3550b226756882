// How fast the whole simulator is: DAX PTE write faults on written extents, one task walking 1 GiB,
// without records and with the text trace of everything written to /dev/null; accesses that hit the
// TLB; and the start of the program on a small scenario. Rates are per CPU second; the targets are
// those that make a simulated fault cheaper than a real one.
#include <fmt/format.h>

#include <filesystem>

#include "analysis/simulate.hpp"
#include "harness.hpp"
#include "scenario/load.hpp"

namespace {

using namespace faultline;

// `first` maps the file at an address that rules huge pages out; then comes `access`.
std::string scenario_text(const std::string& access) {
  return fmt::format(R"({{ "format": 1, "name": "bench",
    "kernel": {{ "profile": "linux-6.12" }}, "machine": {{ "cpus": 1, "preset": "x86-optane" }},
    "devices": {{ "pmem0": {{ "pmem": {{ "size": "2GiB" }} }} }},
    "filesystems": {{ "fs": {{ "xfs": {{ "device": "pmem0", "dax": "always" }} }} }},
    "files": {{ "data": {{ "fs": "fs", "size": "1GiB",
      "extents": [ {{ "at": 0, "length": "1GiB", "state": "written", "phys": "32MiB" }} ] }} }},
    "tasks": {{ "walker": {{ "cpu": 0, "steps": [
      {{ "id": "fd", "open": {{ "file": "data", "flags": ["O_RDWR"] }} }},
      {{ "id": "map", "mmap": {{ "addr": "0x100000001000", "fd": "fd", "length": "1GiB",
        "prot": ["READ", "WRITE"], "flags": ["MAP_SHARED", "MAP_FIXED"] }} }},
      {} ] }} }} }})",
                     access);
}

Scenario load(const std::string& access) {
  LoadInput input;
  input.text = scenario_text(access);
  input.file = "bench";
  LoadResult loaded = load_scenario(std::move(input));
  if (const auto* const errors = std::get_if<std::vector<Diagnostic>>(&loaded)) {
    for (const Diagnostic& d : *errors) std::fprintf(stderr, "%s\n", to_string(d).c_str());
    std::exit(1);
  }
  return std::move(std::get<Scenario>(loaded));
}

// Operations per CPU second of playing `scenario`.
double rate(const Scenario& scenario, const SimulateOptions& options, double operations) {
  const double start = bench::cpu_seconds();
  const Simulation run = simulate(scenario, options);
  if (run.result.outcome != Outcome::completed) return 0;
  return operations / (bench::cpu_seconds() - start);
}

constexpr double faults = 262144;
constexpr double accesses = 20e6;

}  // namespace

int main() {
  const Scenario walk = load(R"({ "store": { "at": "map", "count": 262144, "stride": "4KiB" } })");
  const Scenario hits = load(R"({ "load": { "at": "map", "count": 20000000, "stride": 0 } })");
  SimulateOptions off;
  off.lock_order = false;
  SimulateOptions on;
  SimulateOptions traced;
  traced.trace_path = "/dev/null";
  traced.lock_order = false;
  const auto medians = bench::medians({
      [&] { return rate(walk, off, faults); },
      [&] { return rate(walk, on, faults); },
      [&] { return rate(walk, traced, faults); },
      [&] { return rate(hits, off, accesses); },
  });
  // The peer's column is the rate that is asked for.
  bench::Table table;
  table.row("DAX write faults, no records; wanted", medians[0], 1e6, 1);
  table.row("DAX write faults, order of locks watched", medians[1], 1e6, 0);
  table.row("DAX write faults, text trace of all; wanted", medians[2], 60e3, 1);
  table.row("accesses that hit the TLB; wanted", medians[3], 20e6, 1);
  return table.exit_code();
}
