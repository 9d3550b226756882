// Random sequences of stores, clones, punches and truncations of two mapped files that share
// blocks, against a model that knows the value of each block and nothing else; and the file
// system's own account of free space.
#include <algorithm>
#include <set>
#include <sstream>

#include "base/rng.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"
#include "load_helper.hpp"
#include "scenario/world.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

constexpr std::uint64_t blocks = 40;
constexpr std::uint64_t block = 4096;
constexpr const char* maps[] = {"0x100000000000", "0x200000000000"};

/// Steps as JSON, and what they do to the first eight bytes of each block.
class Sequence {
 public:
  explicit Sequence(std::uint64_t seed) : rng_(seed) {
    for (int f = 0; f < 2; ++f) {
      value[f].assign(blocks, 0);
      const std::string n = std::to_string(f);
      add("open", "\"file\": \"f" + n + R"(", "flags": ["O_RDWR"])", "fd" + n);
      add("mmap",
          "\"addr\": \"" + std::string(maps[f]) + R"(", "length": 163840, "prot": ["READ", "WRITE"],
          "flags": ["MAP_SHARED", "MAP_FIXED"], "fd": "fd)" +
              n + "\"",
          "map" + n);
    }
    for (int i = 0; i < 60; ++i) step();
  }
  std::string text() const { return steps_.str(); }
  std::vector<std::uint64_t> value[2];

 private:
  void add(const char* verb, const std::string& args, const std::string& id) {
    if (count_++ != 0) steps_ << ",\n";
    steps_ << "{\"id\": \"" << id << "\", \"" << verb << "\": {" << args << "}}";
  }
  std::string number(std::uint64_t b) const { return std::to_string(b * block); }
  void step() {
    const std::uint64_t f = rng_.below(2);
    const std::string fd = "\"fd\": \"fd" + std::to_string(f) + "\"";
    const std::uint64_t first = rng_.below(blocks);
    const std::uint64_t count = 1 + rng_.below(blocks - first);
    const std::string id = "s" + std::to_string(count_);
    switch (rng_.below(8)) {
      case 0:
      case 1: {
        const std::uint64_t to = rng_.below(2);
        const std::uint64_t at = rng_.below(blocks - count + 1);
        const bool overlaps = to == f && at + count > first && at < first + count;
        if (overlaps) return;
        add("clone",
            fd + ", \"at\": " + number(first) + ", \"length\": " + number(count) +
                ", \"to_fd\": \"fd" + std::to_string(to) + "\", \"to_at\": " + number(at),
            id);
        const std::vector<std::uint64_t> from(value[f].begin() + std::ptrdiff_t(first),
                                              value[f].begin() + std::ptrdiff_t(first + count));
        std::copy(from.begin(), from.end(), value[to].begin() + std::ptrdiff_t(at));
        return;
      }
      case 2:
        add("fallocate",
            fd + ", \"at\": " + number(first) + ", \"length\": " + number(count) +
                R"(, "mode": ["PUNCH_HOLE", "KEEP_SIZE"])",
            id);
        std::fill_n(value[f].begin() + std::ptrdiff_t(first), count, 0);
        return;
      case 3:
        add("ftruncate", fd + ", \"length\": " + number(first), id);
        add("ftruncate", fd + ", \"length\": " + number(blocks), id + "b");
        std::fill(value[f].begin() + std::ptrdiff_t(first), value[f].end(), 0);
        return;
      default:
        value[f][first] = std::uint64_t(count_) + 1;
        add("store",
            "\"at\": \"map" + std::to_string(f) + "+" + number(first) +
                "\", \"value\": " + std::to_string(value[f][first]),
            id);
    }
  }

  Rng rng_;
  std::ostringstream steps_;
  int count_ = 0;
};

std::string scenario_of(const Sequence& sequence, const char* profile) {
  return R"({"format": 1, "kernel": {"profile": ")" + std::string(profile) + R"("},
"devices": {"p": {"pmem": {"size": "64MiB"}}},
"filesystems": {"x": {"xfs": {"device": "p", "reflink": true}}},
"files": {"f0": {"fs": "x", "size": 163840, "extents": []},
          "f1": {"fs": "x", "size": 163840, "extents": []}},
"tasks": {"t": {"steps": [)" +
         sequence.text() + "]}}}";
}

void check(std::uint64_t seed, const char* profile) {
  INFO("seed " << seed << ", " << profile);
  const Sequence sequence(seed);
  const Scenario scenario = good(scenario_of(sequence, profile));
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  REQUIRE(world.errors().empty());
  const xfs::xfs_mount& mp = *world.kernel().supers.front().mount;
  const std::uint64_t free_before = mp.fdblocks;
  const RunResult result = world.run();
  REQUIRE(result.outcome == Outcome::completed);
  REQUIRE(result.findings.empty());
  for (std::uint32_t f = 0; f < 2; ++f) {
    for (std::uint64_t b = 0; b < blocks; ++b) {
      INFO("file " << f << ", block " << b);
      CHECK(world.content(FileRef(f), b * block) == sequence.value[f][b]);
    }
  }
  // Every block that a file has, in either fork, is one that is not free, however many have it.
  std::set<std::uint64_t> used;
  for (const inode& node : world.kernel().inodes) {
    for (const xfs::ExtentMap* const map : {&node.xfs->df.map, &node.xfs->cow.map}) {
      for (auto at = map->first(); const auto e = map->get(at); map->next(at)) {
        for (std::uint64_t b = 0; b < e->len; ++b) used.insert(e->start.v + b);
      }
    }
  }
  CHECK(mp.fdblocks + used.size() == free_before);
}

}  // namespace

TEST_CASE("blocks are shared and copied as a model of values says") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) check(seed, "linux-6.12");
  for (std::uint64_t seed = 41; seed <= 60; ++seed) check(seed, "linux-7.1");
}
