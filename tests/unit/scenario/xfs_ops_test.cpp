// Random sequences of everything that moves, shares, copies or exchanges blocks of two mapped files
// against a model that knows the value of each block and nothing else; and the file system's own
// account of free space. On DAX files and through the page cache.
#include <algorithm>
#include <set>
#include <sstream>

#include "base/rng.hpp"
#include "kernel/fs/xfs/xfs_delalloc.hpp"
#include "load_helper.hpp"
#include "scenario/world.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

constexpr std::uint64_t blocks = 40;
constexpr std::uint64_t block = 4096;
constexpr const char* maps[] = {"0x100000000000", "0x200000000000"};

struct Range {
  std::uint64_t first, count;
};

/// Steps as JSON, and what they do to the first eight bytes of each block.
class Sequence {
 public:
  Sequence(std::uint64_t seed, int steps) : rng_(seed) {
    for (std::uint64_t f = 0; f < 2; ++f) {
      value[f].assign(blocks, 0);
      const std::string n = std::to_string(f);
      add("open", "\"file\": \"f" + n + R"(", "flags": ["O_RDWR"])", "fd" + n);
      add("mmap",
          "\"addr\": \"" + std::string(maps[f]) + R"(", "length": 163840, "prot": ["READ", "WRITE"],
          "flags": ["MAP_SHARED", "MAP_FIXED"], "fd": "fd)" +
              n + "\"",
          "map" + n);
    }
    for (int i = 0; i < steps; ++i) step();
    for (std::uint64_t f = 0; f < 2; ++f) add("fsync", fd(f), "sync" + std::to_string(f));
  }
  std::string text() const { return steps_.str(); }
  std::vector<std::uint64_t> value[2];

 private:
  static std::string fd(std::uint64_t f) { return "\"fd\": \"fd" + std::to_string(f) + "\""; }
  static std::string bytes(std::uint64_t b) { return std::to_string(b * block); }
  void add(const char* verb, const std::string& args, const std::string& id,
           const std::string& expect = "\"errno\": 0") {
    if (count_++ != 0) steps_ << ",\n";
    steps_ << "{\"id\": \"" << id << "\", \"" << verb << "\": {" << args << "}, \"expect\": {"
           << expect << "}}";
  }
  std::string id() const { return "s" + std::to_string(count_); }
  Range range() {
    const std::uint64_t first = rng_.below(blocks);
    return {first, 1 + rng_.below(blocks - first)};
  }
  void falloc(std::uint64_t f, Range r, const char* mode, const std::string& expect) {
    add("fallocate",
        fd(f) + ", \"at\": " + bytes(r.first) + ", \"length\": " + bytes(r.count) +
            ", \"mode\": [" + mode + "]",
        id(), expect);
  }
  // As long as it was.
  void restore_size(std::uint64_t f) {
    add("ftruncate", fd(f) + ", \"length\": " + bytes(blocks), id());
    value[f].resize(blocks, 0);
  }
  std::string two(std::uint64_t f, Range r, std::uint64_t to, std::uint64_t at) {
    return fd(f) + ", \"at\": " + bytes(r.first) + ", \"length\": " + bytes(r.count) +
           ", \"to_fd\": \"fd" + std::to_string(to) + "\", \"to_at\": " + bytes(at);
  }
  void step() {
    const std::uint64_t f = rng_.below(2);
    const Range r = range();
    const auto begin = value[f].begin() + std::ptrdiff_t(r.first);
    const auto end = begin + std::ptrdiff_t(r.count);
    switch (rng_.below(12)) {
      case 0:
      case 1:
        return two_files(f, r);
      case 2:
        falloc(f, r, "\"PUNCH_HOLE\", \"KEEP_SIZE\"", "\"errno\": 0");
        std::fill(begin, end, 0);
        return;
      case 3: {
        const bool fits = r.first + r.count < blocks;
        falloc(f, r, "\"COLLAPSE_RANGE\"", fits ? "\"errno\": 0" : "\"errno\": \"EINVAL\"");
        if (!fits) return;
        value[f].erase(begin, end);
        return restore_size(f);
      }
      case 4:
        falloc(f, r, "\"INSERT_RANGE\"", "\"errno\": 0");
        value[f].insert(begin, r.count, 0);
        return restore_size(f);
      case 5:
        return falloc(f, r, "\"UNSHARE_RANGE\"", "\"errno\": 0");
      case 6:
        return add("fsync", fd(f), id());
      default:
        value[f][r.first] = std::uint64_t(count_) + 1;
        add("store",
            "\"at\": \"map" + std::to_string(f) + "+" + bytes(r.first) +
                "\", \"value\": " + std::to_string(value[f][r.first]),
            id());
    }
  }
  void two_files(std::uint64_t f, Range r) {
    const std::uint64_t to = rng_.below(2);
    const std::uint64_t at = rng_.below(blocks - r.count + 1);
    const bool overlaps = to == f && at + r.count > r.first && at < r.first + r.count;
    if (overlaps) return;
    const auto from = value[f].begin() + std::ptrdiff_t(r.first);
    const auto into = value[to].begin() + std::ptrdiff_t(at);
    const auto count = std::ptrdiff_t(r.count);
    switch (rng_.below(3)) {
      case 0:
        add("exchange", two(f, r, to, at), id());
        std::swap_ranges(from, from + count, into);
        return;
      case 1:
        add("clone", two(f, r, to, at), id());
        std::copy(from, from + count, into);
        return;
      default: {
        const bool same = std::equal(from, from + count, into);
        const std::string shared = "\"value\": " + bytes(r.count);
        add("dedupe", two(f, r, to, at), id(), same ? shared : "\"errno\": \"EBADE\"");
      }
    }
  }

  Rng rng_;
  std::ostringstream steps_;
  int count_ = 0;
};

enum class On { pmem, disk };

std::string scenario_of(const Sequence& sequence, const char* profile, On on) {
  const std::string device =
      on == On::pmem ? R"({"pmem": {"size": "64MiB"}})" : R"({"block": {"size": "64MiB"}})";
  return R"({"format": 1, "kernel": {"profile": ")" + std::string(profile) +
         R"("}, "devices": {"p": )" + device + R"(},
"filesystems": {"x": {"xfs": {"device": "p", "reflink": true}}},
"files": {"f0": {"fs": "x", "size": 163840, "extents": []},
          "f1": {"fs": "x", "size": 163840, "extents": []}},
"tasks": {"t": {"steps": [)" +
         sequence.text() + "]}}}";
}

/// Blocks that the files have or have reserved: data, copies, trees.
std::uint64_t blocks_in_use(const Kernel& k) {
  std::set<std::uint64_t> used;
  std::uint64_t others = 0;
  for (const inode& node : k.inodes) {
    for (const xfs::DataFork* const fork : {&node.xfs->df, &node.xfs->cow}) {
      std::uint64_t real = 0;
      for (auto at = fork->map.first(); const auto e = fork->map.get(at); fork->map.next(at)) {
        if (e->delalloc()) {
          others += e->len + xfs::startblockval(e->start);
          continue;
        }
        real += e->len;
        for (std::uint64_t b = 0; b < e->len; ++b) used.insert(e->start.v + b);
      }
      others += fork->nblocks - real;
    }
  }
  return used.size() + others;
}

void check(std::uint64_t seed, const char* profile, On on) {
  INFO("seed " << seed << ", " << profile << (on == On::pmem ? ", pmem" : ", disk"));
  const Sequence sequence(seed, 60);
  const Scenario scenario = good(scenario_of(sequence, profile, on));
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  REQUIRE(world.errors().empty());
  const xfs::xfs_mount& mp = *world.kernel().supers.front().mount;
  const std::uint64_t free_before = mp.fdblocks;
  const RunResult result = world.run();
  REQUIRE(result.outcome == Outcome::completed);
  for (const Finding& finding : result.findings) FAIL_CHECK(finding.text);
  for (const auto& task : result.steps) {
    for (const StepResult& step : task) CHECK(step.state == StepState::done);
  }
  for (std::uint32_t f = 0; f < 2; ++f) {
    for (std::uint64_t b = 0; b < blocks; ++b) {
      INFO("file " << f << ", block " << b);
      CHECK(world.content(FileRef(f), b * block) == sequence.value[f][b]);
    }
  }
  CHECK(mp.fdblocks + blocks_in_use(world.kernel()) == free_before);
}

}  // namespace

TEST_CASE("blocks of DAX files move, are shared and exchanged as a model of values says") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) check(seed, "linux-6.12", On::pmem);
  for (std::uint64_t seed = 31; seed <= 40; ++seed) check(seed, "linux-7.1", On::pmem);
}

TEST_CASE("blocks under the page cache move, are shared and exchanged as a model says") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) check(seed, "linux-6.12", On::disk);
  for (std::uint64_t seed = 31; seed <= 40; ++seed) check(seed, "linux-7.1", On::disk);
}
