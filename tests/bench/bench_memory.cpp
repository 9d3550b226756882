// Faults on other memory than DAX files, many CPUs at once, and what a present page costs in
// memory: anonymous pages, a warm page cache one page a fault, 64 tasks that fault in one process,
// munmap of a page that 64 CPUs may have cached. Rates are per CPU second, without records.
#include <sys/resource.h>

#include "scenario_rate.hpp"

namespace {

using namespace faultline;

constexpr double pages = 262144;
constexpr double cached_pages = 65536;
constexpr double shootdowns = 20000;

// `value`: what the stores leave in the pages; zeros if empty.
std::string anonymous(double touched, const std::string& value) {
  return fmt::format(R"({{ "format": 1, "name": "bench",
    "kernel": {{ "profile": "linux-6.12", "set": {{ "mm.thp": "never" }} }},
    "machine": {{ "cpus": 1, "preset": "x86-dram" }},
    "tasks": {{ "walker": {{ "cpu": 0, "steps": [
      {{ "id": "map", "mmap": {{ "length": "4GiB", "prot": ["READ", "WRITE"],
        "flags": ["MAP_PRIVATE", "MAP_ANONYMOUS"] }} }},
      {{ "store": {{ "at": "map", "count": {}, "stride": "4KiB"{} }} }} ] }} }} }})",
                     static_cast<std::uint64_t>(touched), value);
}

// Read once through the cache; `last` comes then.
std::string cached(const std::string& last) {
  return fmt::format(R"({{ "format": 1, "name": "bench",
    "kernel": {{ "profile": "linux-6.12", "set": {{ "mm.fault_around_bytes": 4096 }} }},
    "machine": {{ "cpus": 1, "preset": "x86-dram" }},
    "devices": {{ "vda": {{ "block": {{ "size": "1GiB" }} }} }},
    "filesystems": {{ "fs": {{ "xfs": {{ "device": "vda", "dax": "never" }} }} }},
    "files": {{ "data": {{ "fs": "fs", "size": "256MiB",
      "extents": [ {{ "at": 0, "length": "256MiB", "state": "written", "phys": "32MiB" }} ] }} }},
    "tasks": {{ "walker": {{ "cpu": 0, "steps": [
      {{ "id": "fd", "open": {{ "file": "data", "flags": ["O_RDWR"] }} }},
      {{ "id": "first", "mmap": {{ "fd": "fd", "length": "256MiB", "prot": ["READ"],
        "flags": ["MAP_SHARED"] }} }},
      {{ "load": {{ "at": "first", "count": 65536, "stride": "4KiB" }} }},
      {{ "id": "map", "mmap": {{ "fd": "fd", "length": "256MiB", "prot": ["READ"],
        "flags": ["MAP_SHARED"] }} }}
      {} ] }} }} }})",
                     last);
}

std::string tasks_of_one_process(const std::string& first, const std::string& others) {
  std::string tasks =
      fmt::format(R"("t0": {{ "cpu": 0, "process": "p", "steps": [ {} ] }})", first);
  for (int cpu = 1; cpu < 64; ++cpu) {
    tasks += fmt::format(R"(, "t{0}": {{ "cpu": {0}, "process": "p", "steps": [ {1} ] }})", cpu,
                         fmt::format(fmt::runtime(others), fmt::arg("cpu", cpu)));
  }
  return fmt::format(R"({{ "format": 1, "name": "bench",
    "kernel": {{ "profile": "linux-6.12", "set": {{ "mm.thp": "never" }} }},
    "machine": {{ "cpus": 64, "preset": "x86-dram" }}, "tasks": {{ {} }} }})",
                     tasks);
}

std::string many_tasks() {
  const char* const steps = R"({{ "id": "m{cpu}", "mmap": {{ "length": "16MiB",
      "prot": ["READ", "WRITE"], "flags": ["MAP_PRIVATE", "MAP_ANONYMOUS"] }} }},
    {{ "store": {{ "at": "m{cpu}", "count": 4096, "stride": "4KiB" }} }})";
  return tasks_of_one_process(fmt::format(fmt::runtime(steps), fmt::arg("cpu", 0)), steps);
}

std::string shootdown() {
  return tasks_of_one_process(
      R"({ "sleep": { "for": "1ms" } }, { "repeat": { "times": 20000, "steps": [
    { "id": "map", "mmap": { "addr": "0x100000000000", "length": "4KiB",
      "prot": ["READ", "WRITE"], "flags": ["MAP_PRIVATE", "MAP_ANONYMOUS", "MAP_FIXED"] } },
    { "store": { "at": "map" } },
    { "munmap": { "addr": "0x100000000000", "length": "4KiB" } } ] } })",
      R"({{ "compute": {{ "for": "2s" }} }})");
}

// The same scenario without its measured part is taken off.
double difference(const Scenario& with, const Scenario& without, double operations) {
  const double rest = bench::seconds(without, bench::quiet());
  return operations / (bench::seconds(with, bench::quiet()) - rest);
}

// The largest memory of this process, in bytes, once `scenario` has been played.
double peak_bytes(const Scenario& scenario) {
  bench::seconds(scenario, bench::quiet());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

}  // namespace

int main() {
  const Scenario walk = bench::load(anonymous(pages, ""));
  const Scenario long_walk = bench::load(anonymous(4 * pages, ""));
  const std::string seven = R"(, "value": "7")";
  const Scenario filled = bench::load(anonymous(pages, seven));
  const Scenario long_filled = bench::load(anonymous(4 * pages, seven));
  const Scenario warm =
      bench::load(cached(R"(, { "load": { "at": "map", "count": 65536, "stride": "4KiB" } })"));
  const Scenario cold = bench::load(cached(""));
  const Scenario many = bench::load(many_tasks());
  const Scenario shoot = bench::load(shootdown());
  const auto medians = bench::medians({
      [&] { return bench::rate(walk, bench::quiet(), pages); },
      [&] { return difference(warm, cold, cached_pages); },
      [&] { return bench::rate(many, bench::quiet(), pages); },
      [&] { return bench::rate(shoot, bench::quiet(), shootdowns); },
      [&] { return peak_bytes(walk); },
      [&] { return peak_bytes(long_walk); },
      [&] { return peak_bytes(filled); },
      [&] { return peak_bytes(long_filled); },
  });
  // Beside the 8 bytes of its entry in the page table.
  const auto bytes_a_page = [&](double few, double many) { return (many - few) / (3 * pages) - 8; };
  const double bytes = bytes_a_page(medians[4], medians[5]);
  // The peer's column is the rate that is asked for.
  bench::Table table;
  table.row("anonymous faults; wanted", medians[0], 1e6, 1);
  table.row("page cache, warm, one page a fault; wanted", medians[1], 1e6, 1);
  table.row("64 tasks fault in one process; wanted", medians[2], 0.5e6, 1);
  table.row("munmap of a page, 64 CPUs to tell; wanted", medians[3], 50e3, 1);
  std::printf("a present page: %.1f bytes beside its table entry (below 16), %.1f with content\n",
              bytes, bytes_a_page(medians[6], medians[7]));
  return bytes < 16 ? table.exit_code() : 1;
}
