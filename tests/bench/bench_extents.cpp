// Looking a file offset up in the extent map, in maps of a thousand to a million extents: two
// binary searches, so that the cost grows with the logarithm and with what memory costs, never with
// the number. Offsets are drawn uniformly; each map is searched as often.
#include "harness.hpp"
#include "kernel/fs/xfs/xfs_iext.hpp"

namespace {

using namespace faultline;
using namespace faultline::xfs;

constexpr std::uint64_t lookups = 4'000'000;

/// Every other block is mapped, none joins its neighbour.
ExtentMap with_extents(std::uint64_t count) {
  std::vector<Extent> all;
  for (std::uint64_t i = 0; i < count; ++i) {
    all.push_back({2 * i, FsBlock(1000 + 2 * i), 1, ExtState::written});
  }
  ExtentMap map;
  map.load(all);
  return map;
}

/// Look-ups per CPU second; each offset depends on what the last one found.
double rate(std::uint64_t count) {
  const ExtentMap map = with_extents(count);
  Rng rng(1);
  std::uint64_t found = 0;
  const double start = bench::cpu_seconds();
  for (std::uint64_t i = 0; i < lookups; ++i) {
    const std::uint64_t offset = rng.below(2 * count - 1) + (found & 1);
    found += xfs_bmapi_read(map, offset, 1).start == HOLESTARTBLOCK;
  }
  const double took = bench::cpu_seconds() - start;
  if (found < lookups / 4 || found > lookups * 3 / 4) std::exit(1);
  return static_cast<double>(lookups) / took;
}

}  // namespace

int main() {
  const auto medians = bench::medians({
      [] { return rate(1 << 10); },
      [] { return rate(1 << 15); },
      [] { return rate(1 << 20); },
  });
  bench::Table table;
  table.row("look-ups: 32 k extents; peer: 1 k", medians[1], medians[0], 0);
  table.row("look-ups: 1 M extents; peer: 1 k", medians[2], medians[0], 0);
  table.figure("cost of a look-up, 32 k extents to 1 k (32 if linear)", medians[0] / medians[1], 0);
  // Twice the steps, each of which may wait for memory; the square root would be 32.
  table.figure("cost of a look-up, 1 M extents to 1 k (1024 if linear)", medians[0] / medians[2],
               8);
  return table.exit_code();
}
