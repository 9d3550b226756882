// Truncation to nothing of a DAX file of a million extents that is mapped and fully faulted: for
// each extent an entry of a page table, a DAX entry, a record of the extent tree, and a deferred
// free with its intent. CPU seconds of the whole scenario less those of the same without the last
// step; without records, once with and once without a watch on the order of locks.
#include "scenario_rate.hpp"

namespace {

using namespace faultline;

constexpr double extents = 1048576;

std::string touched(const std::string& last) {
  return fmt::format(R"({{ "format": 1, "name": "bench", "kernel": {{ "profile": "linux-6.12" }},
    "machine": {{ "cpus": 1, "preset": "x86-optane" }},
    "devices": {{ "pmem0": {{ "pmem": {{ "size": "32GiB" }} }} }},
    "filesystems": {{ "fs": {{ "xfs": {{ "device": "pmem0", "dax": "always",
                                         "reflink": false }} }} }},
    "files": {{ "data": {{ "fs": "fs", "size": "8GiB", "mtime": "fresh",
      "extents": {{ "pattern": {{ "every": "8KiB", "length": "4KiB", "count": 1048576,
                                  "state": "written" }} }} }} }},
    "tasks": {{ "walker": {{ "cpu": 0, "steps": [
      {{ "id": "fd", "open": {{ "file": "data", "flags": ["O_RDWR"] }} }},
      {{ "id": "map", "mmap": {{ "fd": "fd", "length": "8GiB", "prot": ["READ", "WRITE"],
        "flags": ["MAP_SHARED"] }} }},
      {{ "load": {{ "at": "map", "count": 1048576, "stride": "8KiB" }} }} {} ] }} }} }})",
                     last);
}

}  // namespace

int main() {
  const Scenario cut = bench::load(touched(R"(, { "ftruncate": { "fd": "fd", "length": 0 } })"));
  const Scenario kept = bench::load(touched(""));
  const auto rate = [&](const SimulateOptions& options) {
    const double rest = bench::seconds(kept, options);
    return extents / (bench::seconds(cut, options) - rest);
  };
  const auto medians = bench::medians({
      [&] { return rate(bench::quiet()); },
      [&] { return rate(SimulateOptions{}); },
  });
  // The peer's column is the rate that is asked for: all of it in two seconds.
  bench::Table table;
  table.row("extents cut off a mapped file; wanted", medians[0], extents / 2, 1);
  table.row("the same, order of locks watched", medians[1], extents / 2, 0);
  std::printf("a million extents: %.2f s (below 2), %.2f s with the order of locks\n",
              extents / medians[0], extents / medians[1]);
  return table.exit_code();
}
