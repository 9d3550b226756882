// How fast the whole simulator is: DAX PTE write faults on written extents, one task walking 1 GiB,
// without records and with the text trace of everything written to /dev/null; accesses that hit the
// TLB; and the start of the program on a small scenario. Rates are per CPU second; the targets are
// those that make a simulated fault cheaper than a real one.
#include <fmt/format.h>

#include "scenario_rate.hpp"

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

constexpr double faults = 262144;
constexpr double accesses = 20e6;

}  // namespace

int main() {
  const Scenario walk = bench::load(
      scenario_text(R"({ "store": { "at": "map", "count": 262144, "stride": "4KiB" } })"));
  const Scenario hits =
      bench::load(scenario_text(R"({ "load": { "at": "map", "count": 20000000, "stride": 0 } })"));
  const SimulateOptions off = bench::quiet();
  SimulateOptions on;
  SimulateOptions traced = bench::quiet();
  traced.trace_path = "/dev/null";
  const auto medians = bench::medians({
      [&] { return bench::rate(walk, off, faults); },
      [&] { return bench::rate(walk, on, faults); },
      [&] { return bench::rate(walk, traced, faults); },
      [&] { return bench::rate(hits, off, accesses); },
  });
  // The peer's column is the rate that is asked for.
  bench::Table table;
  table.row("DAX write faults, no records; wanted", medians[0], 1e6, 1);
  table.row("DAX write faults, order of locks watched", medians[1], 1e6, 0);
  table.row("DAX write faults, text trace of all; wanted", medians[2], 60e3, 1);
  table.row("accesses that hit the TLB; wanted", medians[3], 20e6, 1);
  return table.exit_code();
}
