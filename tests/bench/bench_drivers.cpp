// How fast mappings of drivers are: map_kernel_pages_full of 512 pages, mapped and unmapped again
// by one task without records. Rates are per CPU second; the target is what is asked for.
#include "scenario_rate.hpp"

namespace {

constexpr const char* text = R"({ "format": 1, "name": "bench",
  "kernel": { "profile": "linux-7.1" }, "machine": { "cpus": 1 },
  "devices": { "d": { "char": { "hook": "mmap_prepare", "pages": { "count": 512 },
    "action": { "type": "map_kernel_pages_full" } } } },
  "files": { "dev": { "type": "char", "device": "d" } },
  "tasks": { "mapper": { "cpu": 0, "steps": [
    { "id": "fd", "open": { "file": "dev", "flags": ["O_RDWR"] } },
    { "repeat": { "times": 10000, "steps": [
      { "id": "map", "mmap": { "addr": "0x100000000000", "length": "2MiB", "fd": "fd",
        "prot": ["READ", "WRITE"], "flags": ["MAP_SHARED", "MAP_FIXED"] } },
      { "munmap": { "addr": "0x100000000000", "length": "2MiB" } } ] } } ] } } })";
constexpr double mappings = 10000;

}  // namespace

int main() {
  const faultline::Scenario scenario = bench::load(text);
  const auto medians =
      bench::medians({[&] { return bench::rate(scenario, bench::quiet(), mappings); }});
  bench::Table table;
  table.row("mmap + munmap of 512 kernel pages; wanted", medians[0], 20e3, 1);
  return table.exit_code();
}
