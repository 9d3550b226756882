// Random sequences of operations that give files blocks and take them away, against a model that
// knows the state of each block and nothing else; and the file system's own account of free space.
#include <algorithm>
#include <sstream>

#include "base/rng.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"
#include "load_helper.hpp"
#include "scenario/world.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

constexpr std::uint64_t blocks = 96;
constexpr std::uint64_t block = 4096;

/// One letter a block: '.' hole, 'u' unwritten, 'w' written.
struct FileModel {
  std::string state = std::string(blocks, '.');
  std::uint64_t size = 0;

  void set(std::uint64_t first, std::uint64_t end, char to) {
    for (std::uint64_t b = first; b < std::min(end, blocks); ++b) state[b] = to;
  }
  void allocate(std::uint64_t at, std::uint64_t length, bool keep) {
    for (std::uint64_t b = at / block; b < (at + length + block - 1) / block; ++b) {
      if (state[b] == '.') state[b] = 'u';
    }
    if (!keep) size = std::max(size, at + length);
  }
  void punch(std::uint64_t at, std::uint64_t length) {
    set((at + block - 1) / block, (at + length) / block, '.');
  }
  void zero(std::uint64_t at, std::uint64_t length, bool keep) {
    punch(at, length);
    allocate(at / block * block, (at + length + block - 1) / block * block - at / block * block,
             true);
    if (!keep) size = std::max(size, at + length);
  }
  void truncate(std::uint64_t length) {
    if (length <= size) set((length + block - 1) / block, blocks, '.');
    size = length;
  }
  void write(std::uint64_t at, std::uint64_t length) {
    set(at / block, (at + length + block - 1) / block, 'w');
    size = std::max(size, at + length);
  }
};

/// Steps as JSON, and what they do to the model.
class Sequence {
 public:
  explicit Sequence(std::uint64_t seed) : rng_(seed) {
    add("open", R"("file": "f", "flags": ["O_RDWR"])", "fd");
    add("mmap", R"("addr": "0x100000000000", "length": 393216, "prot": ["READ", "WRITE"],
        "flags": ["MAP_SHARED", "MAP_FIXED"], "fd": "fd")",
        "map");
    for (int i = 0; i < 120; ++i) step();
  }
  std::string text() const { return steps_.str(); }
  FileModel model;

 private:
  void add(const char* verb, const std::string& args, const std::string& id) {
    if (count_++ != 0) steps_ << ",\n";
    steps_ << "{\"id\": \"" << id << "\", \"" << verb << "\": {" << args << "}}";
  }
  void step() {
    const std::uint64_t at = rng_.below(blocks * block - 1);
    const std::uint64_t length = 1 + rng_.below(blocks * block - at);
    const std::string range =
        "\"fd\": \"fd\", \"at\": " + std::to_string(at) + ", \"length\": " + std::to_string(length);
    const std::string id = "s" + std::to_string(count_);
    const bool keep = rng_.below(2) != 0;
    const std::string keep_word = keep ? "\"KEEP_SIZE\"" : "0";
    switch (rng_.below(7)) {
      case 0:
        add("fallocate", range + ", \"mode\": [" + keep_word + "]", id);
        return model.allocate(at, length, keep);
      case 1:
      case 2:
        add("fallocate", range + R"(, "mode": ["PUNCH_HOLE", "KEEP_SIZE"])", id);
        return model.punch(at, length);
      case 3:
        add("fallocate", range + ", \"mode\": [\"ZERO_RANGE\", " + keep_word + "]", id);
        return model.zero(at, length, keep);
      case 4:
        add("ftruncate", "\"fd\": \"fd\", \"length\": " + std::to_string(at), id);
        return model.truncate(at);
      case 5: {
        const std::uint64_t some = std::min<std::uint64_t>(length, 3 * block);
        add("pwrite",
            "\"fd\": \"fd\", \"at\": " + std::to_string(at) +
                ", \"length\": " + std::to_string(some),
            id);
        return model.write(at, some);
      }
      default:
        if (model.size == 0) return;
        const std::uint64_t where = rng_.below(model.size) / 8 * 8;
        add("store", "\"at\": \"map+" + std::to_string(where) + "\"", id);
        return model.set(where / block, where / block + 1, 'w');
    }
  }

  Rng rng_;
  std::ostringstream steps_;
  int count_ = 0;
};

std::string scenario_of(const Sequence& sequence, const char* profile) {
  return R"({"format": 1, "kernel": {"profile": ")" + std::string(profile) + R"("},
"devices": {"p": {"pmem": {"size": "64MiB"}}},
"filesystems": {"x": {"xfs": {"device": "p"}}}, "files": {"f": {"fs": "x", "size": 0}},
"tasks": {"t": {"steps": [)" +
         sequence.text() + "]}}}";
}

std::string letters(const std::vector<FinalExtent>& extents) {
  std::string state(blocks, '.');
  for (const FinalExtent& e : extents) {
    const char letter = e.state == ExtentState::written ? 'w' : 'u';
    for (std::uint64_t b = e.at / block; b < (e.at + e.length) / block; ++b) state[b] = letter;
  }
  return state;
}

/// Free blocks as the groups count them: in the trees, of the trees, on the lists.
std::uint64_t counted_free(const xfs::xfs_mount& mp) {
  std::uint64_t free = 0;
  for (const xfs::Perag& pag : mp.space.ags) {
    free += pag.freeblks + pag.agfl.size() + pag.btreeblks;
  }
  return free;
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
  const auto extents = world.extents(FileRef(0));
  CHECK(letters(extents) == sequence.model.state);
  const inode& node = world.kernel().inodes.front();
  CHECK(node.i_size == sequence.model.size);
  CHECK(node.xfs->i_disk_size == sequence.model.size);
  CHECK(counted_free(mp) == mp.fdblocks);
  CHECK(mp.fdblocks + node.xfs->df.nblocks == free_before);
  // No translation leads to a block that the file does not have.
  for (std::uint64_t b = 0; b < blocks; ++b) {
    const FinalPte pte = world.pte(ProcessRef(0), 0x100000000000 + b * block);
    const bool mapped = pte.state == PteState::rw || pte.state == PteState::ro;
    if (mapped && sequence.model.state[b] != 'w') FAIL("block " << b << " is mapped and free");
    if (mapped && b * block >= sequence.model.size)
      FAIL("block " << b << " is mapped behind the end");
  }
}

}  // namespace

TEST_CASE("blocks come and go as a model of single blocks says") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) check(seed, "linux-6.12");
  for (std::uint64_t seed = 61; seed <= 80; ++seed) check(seed, "linux-7.1");
}
