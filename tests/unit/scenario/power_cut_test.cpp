// Random programs on a mapped DAX file that end in a power cut, against a model that knows the
// value of each block and what it was at the latest fsync; and the log's records against the block
// maps in memory.
#include <set>
#include <sstream>

#include "base/rng.hpp"
#include "kernel/fs/xfs/xfs_log_recover.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"
#include "load_helper.hpp"
#include "scenario/world.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

constexpr std::uint64_t blocks = 24, block = 4096;

/// Steps as JSON, what they make of the file, and what was so at the latest fsync.
class Program {
 public:
  explicit Program(std::uint64_t seed, std::string_view last) : rng_(seed) {
    now.assign(blocks, 0);
    for (std::uint64_t b = 0; b < 4; ++b) mapped_.insert(b);
    sync();
    add("open", R"("file": "f", "flags": ["O_RDWR"])", "fd");
    add("mmap", R"("length": 98304, "prot": 3, "flags": ["MAP_SHARED"], "fd": "fd")", "map");
    for (int i = 0; i < 40; ++i) step();
    if (!last.empty()) add(last, "", "last");
  }
  std::string text() const {
    return R"({"format": 1, "devices": {"p": {"pmem": {"size": "64MiB"}}},
"filesystems": {"x": {"xfs": {"device": "p", "reflink": false}}},
"files": {"f": {"fs": "x", "size": 98304, "extents": [
  {"at": 0, "length": 16384, "state": "written"},
  {"at": 32768, "length": 32768, "state": "unwritten"}]}},
"tasks": {"t": {"signals": {"SIGBUS": "skip"}, "steps": [)" +
           steps_.str() + "]}}}";
  }
  std::vector<std::uint64_t> now;
  std::vector<std::set<std::uint64_t>> possible;  ///< by block, after a power cut

 private:
  // A block of the latest fsync that is overwritten in place may hold what was stored since:
  // truncating and punching write back before they unmap. What came new is a hole again.
  void sync() {
    possible.clear();
    for (const std::uint64_t value : now) possible.push_back({value});
    kept_ = mapped_;
  }
  void give_up(std::uint64_t first, std::uint64_t end) {
    for (std::uint64_t b = first; b < end; ++b) {
      now[b] = 0;
      mapped_.erase(b);
      kept_.erase(b);
    }
  }
  void add(std::string_view verb, const std::string& args, const std::string& id) {
    if (count_++ != 0) steps_ << ",\n";
    steps_ << "{\"id\": \"" << id << "\", \"" << verb << "\": {" << args << "}}";
  }
  void step() {
    const std::uint64_t b = rng_.below(blocks), n = 1 + rng_.below(blocks - b);
    const std::string id = "s" + std::to_string(count_);
    switch (rng_.below(9)) {
      case 0:
        add("fallocate",
            R"("fd": "fd", "mode": ["PUNCH_HOLE", "KEEP_SIZE"], "at": )" +
                std::to_string(b * block) + ", \"length\": " + std::to_string(n * block),
            id);
        give_up(b, b + n);
        break;
      case 1:
        add("ftruncate", R"("fd": "fd", "length": )" + std::to_string(b * block), id);
        give_up(b, blocks);
        size_ = b;
        break;
      case 2:
        add(rng_.below(2) != 0 ? "fsync" : "fdatasync", R"("fd": "fd")", id);
        sync();
        break;
      default: {
        const std::uint64_t value = 1 + rng_.below(1U << 30);
        add("store",
            "\"at\": \"map+" + std::to_string(b * block) +
                "\", \"value\": " + std::to_string(value),
            id);
        if (b >= size_) break;
        now[b] = value;
        mapped_.insert(b);
        if (kept_.contains(b)) possible[b].insert(value);
        break;
      }
    }
  }
  Rng rng_;
  std::set<std::uint64_t> mapped_, kept_;  // written blocks; those that were so at the fsync
  std::uint64_t size_ = blocks;
  unsigned count_ = 0;
  std::ostringstream steps_;
};

RunResult play(World& world) {
  REQUIRE(world.errors().empty());
  const RunResult run = world.run();
  REQUIRE(run.outcome == Outcome::completed);
  for (const Finding& finding : run.findings) {
    INFO(finding.text);
    CHECK(finding.kind == "lock-cycle");
  }
  return run;
}

}  // namespace

TEST_CASE("a power cut leaves what the latest fsync has covered") {
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    const Program program(seed, "crash");
    INFO(program.text());
    const Scenario scenario = good(program.text());
    Tracer tracer;
    World world(scenario, tracer, WorldOptions{});
    const RunResult run = play(world);
    REQUIRE(run.cuts.size() == 1);
    for (std::uint64_t b = 0; b < blocks; ++b) {
      INFO("block " << b);
      const std::uint64_t value = world.contents(FileRef(0), b * block).front();
      INFO("holds " << value);
      CHECK(program.possible[b].contains(value));
    }
  }
}

TEST_CASE("the records of all transactions say what the block maps in memory are") {
  for (std::uint64_t seed = 30; seed <= 45; ++seed) {
    const Program program(seed, "");
    INFO(program.text());
    const Scenario scenario = good(program.text());
    Tracer tracer;
    WorldOptions options;
    options.cut_after_each_step = true;
    World world(scenario, tracer, options);
    const RunResult run = play(world);
    CHECK(run.cuts.size() == run.steps.at(0).size());
    const Kernel& k = world.kernel();
    const xfs::xfs_mount& mp = *k.supers.front().mount;
    const xfs::MetaState log = mp.log.current_state(), memory = xfs::meta_state_of(k, mp);
    REQUIRE(log.inodes.size() == memory.inodes.size());
    for (const auto& [ino, inode] : memory.inodes) {
      CHECK(log.inodes.at(ino).extents == inode.extents);
      CHECK(log.inodes.at(ino).size == inode.size);
    }
  }
}

TEST_CASE("nobody goes on after the power has failed") {
  const Scenario scenario =
      good(with_steps(R"({"id": "one", "crash": {}}, {"id": "two", "compute": {"for": "1ms"}})",
                      R"(, "u": {"steps": [{"id": "long", "compute": {"for": "1s"}}]})"));
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  const RunResult run = world.run();
  CHECK(run.outcome == Outcome::completed);
  CHECK(run.steps.at(0).at(0).state == StepState::done);
  CHECK(run.steps.at(0).at(1).state == StepState::not_reached);
  CHECK(run.steps.at(1).at(0).state != StepState::done);
}
