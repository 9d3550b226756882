// Random sequences of operations on a file in the page cache of a block device, against a model
// that is one array of words: every load and read must find what was stored or written last, and
// after an fsync the device must hold it too. No block is lost or used twice.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "base/rng.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"
#include "load_helper.hpp"
#include "scenario/world.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

constexpr std::uint64_t pages = 80;
constexpr std::uint64_t page = 4096;
constexpr std::uint64_t word = 8;

/// Steps as JSON, and what they do to the model.
class Sequence {
 public:
  explicit Sequence(std::uint64_t seed) : rng_(seed), words_(pages * page / word) {
    add("open", R"("file": "f", "flags": ["O_RDWR"])", "fd");
    add("mmap", R"("addr": "0x100000000000", "length": 327680, "prot": ["READ", "WRITE"],
        "flags": ["MAP_SHARED", "MAP_FIXED"], "fd": "fd")",
        "map");
    add("mmap", R"("addr": "0x200000000000", "length": 327680, "prot": ["READ", "WRITE"],
        "flags": ["MAP_PRIVATE", "MAP_ANONYMOUS", "MAP_FIXED"])",
        "buf");
    for (int i = 0; i < 100; ++i) step();
    add("fsync", R"("fd": "fd")", "sync", R"("errno": 0)");
  }
  std::string text() const { return steps_.str(); }
  std::uint64_t size() const { return size_; }
  std::uint64_t at(std::uint64_t offset) const { return words_[offset / word]; }

 private:
  void add(const char* verb, const std::string& args, const std::string& id,
           const std::string& expect = "") {
    if (count_++ != 0) steps_ << ",\n";
    steps_ << "{\"id\": \"" << id << "\", \"" << verb << "\": {" << args << "}";
    if (!expect.empty()) steps_ << ", \"expect\": {" << expect << "}";
    steps_ << "}";
  }
  std::string next_id() const { return "s" + std::to_string(count_); }
  std::uint64_t random_word(std::uint64_t end) { return rng_.below(end / word) * word; }
  void clear(std::uint64_t from, std::uint64_t end) {
    for (std::uint64_t at = from; at < end; at += word) words_[at / word] = 0;
  }

  void store() {
    if (size_ == 0) return;
    const std::uint64_t at = random_word(size_);
    const std::uint64_t value = ++value_;
    add("store", "\"at\": \"map+" + std::to_string(at) + "\", \"value\": " + std::to_string(value),
        next_id());
    words_[at / word] = value;
  }
  void load() {
    if (size_ == 0) return;
    const std::uint64_t at = random_word(size_);
    add("load", "\"at\": \"map+" + std::to_string(at) + "\"", next_id(),
        "\"value\": " + std::to_string(words_[at / word]));
  }
  // From a buffer whose first word is marked, the rest of which is zero.
  void write() {
    const std::uint64_t at = random_word(pages * page);
    const std::uint64_t most = std::min<std::uint64_t>(pages * page - at, 12 * page);
    const std::uint64_t length = word + random_word(most - word + word) / word * word;
    const std::uint64_t bytes = std::min(length, most);
    const std::uint64_t value = ++value_;
    const std::uint64_t source = random_word(8 * page);
    add("store",
        "\"at\": \"buf+" + std::to_string(source) + "\", \"value\": " + std::to_string(value),
        next_id());
    add("pwrite",
        "\"fd\": \"fd\", \"at\": " + std::to_string(at) + ", \"length\": " + std::to_string(bytes) +
            ", \"buffer\": \"buf+" + std::to_string(source) + "\"",
        next_id(), "\"value\": " + std::to_string(bytes));
    buffer_[source / word] = value;
    for (std::uint64_t n = 0; n < bytes / word; ++n) {
      words_[at / word + n] = buffer_[source / word + n];
    }
    size_ = std::max(size_, at + bytes);
  }
  void read() {
    if (size_ == 0) return;
    const std::uint64_t at = random_word(size_);
    const std::uint64_t bytes = std::min<std::uint64_t>(size_ - at, word + random_word(6 * page));
    const std::uint64_t to = 40 * page + random_word(16 * page);
    add("pread",
        "\"fd\": \"fd\", \"at\": " + std::to_string(at) + ", \"length\": " + std::to_string(bytes) +
            ", \"buffer\": \"buf+" + std::to_string(to) + "\"",
        next_id(), "\"value\": " + std::to_string(bytes));
    const std::uint64_t last = bytes - word;
    add("load", "\"at\": \"buf+" + std::to_string(to + last) + "\"", next_id(),
        "\"value\": " + std::to_string(words_[(at + last) / word]));
  }
  void truncate() {
    const std::uint64_t length = random_word(pages * page);
    add("ftruncate", "\"fd\": \"fd\", \"length\": " + std::to_string(length), next_id(),
        R"("errno": 0)");
    clear(std::min(length, size_), std::max(length, size_));
    size_ = length;
  }
  void punch() {
    const std::uint64_t at = random_word(pages * page - word);
    const std::uint64_t length =
        std::min<std::uint64_t>(pages * page - at, word + random_word(10 * page));
    add("fallocate",
        "\"fd\": \"fd\", \"at\": " + std::to_string(at) +
            ", \"length\": " + std::to_string(length) + R"(, "mode": ["PUNCH_HOLE", "KEEP_SIZE"])",
        next_id(), R"("errno": 0)");
    clear(at, at + length);
  }
  void step() {
    switch (rng_.below(10)) {
      case 0:
      case 1:
        return write();
      case 2:
      case 3:
        return store();
      case 4:
      case 5:
        return load();
      case 6:
        return read();
      case 7:
        return truncate();
      case 8:
        return punch();
      default:
        add(rng_.below(2) != 0 ? "fsync" : "fdatasync", R"("fd": "fd")", next_id(),
            R"("errno": 0)");
    }
  }

  Rng rng_;
  std::ostringstream steps_;
  int count_ = 0;
  std::uint64_t value_ = 0;
  std::uint64_t size_ = 0;
  std::vector<std::uint64_t> words_;
  std::vector<std::uint64_t> buffer_ = std::vector<std::uint64_t>(pages * page / word);
};

std::string scenario_of(const Sequence& sequence, const char* profile) {
  return R"({"format": 1, "kernel": {"profile": ")" + std::string(profile) + R"("},
"devices": {"b": {"block": {"size": "64MiB"}}},
"filesystems": {"x": {"xfs": {"device": "b", "dax": "never"}}},
"files": {"f": {"fs": "x", "size": 0}},
"tasks": {"t": {"steps": [)" +
         sequence.text() + "]}}}";
}

/// A word as the device has it, whatever is cached.
std::uint64_t on_device(const inode& node, std::uint64_t at) {
  const xfs::Extent e = xfs::xfs_bmapi_read(node.xfs->df.map, at / page, 1);
  if (e.start == xfs::HOLESTARTBLOCK || e.delalloc() || e.state == xfs::ExtState::unwritten) {
    return 0;
  }
  std::array<std::byte, word> bytes{};
  const Paddr where = node.xfs->i_mount->space.geo.device_offset(e.start);
  node.i_sb->s_bdev->content().read(where.v + at % page, bytes);
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), word);
  return value;
}

std::uint64_t counted_free(const xfs::xfs_mount& mp) {
  std::uint64_t free = 0;
  for (const xfs::Perag& pag : mp.space.ags) {
    free += pag.freeblks + pag.agfl.size() + pag.btreeblks;
  }
  return free;
}

/// What reservations in the extent map keep from the free blocks.
std::uint64_t reserved(const xfs::ExtentMap& map) {
  std::uint64_t blocks = 0;
  for (auto at = map.first(); const auto e = map.get(at); map.next(at)) {
    if (e->delalloc()) blocks += e->len + (e->start.v & 0x1ffff);
  }
  return blocks;
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
  for (const Finding& finding : result.findings) FAIL(finding.text);
  const auto& steps = result.steps.front();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = scenario.tasks.front().steps[i];
    if (step.expect == 0) continue;
    const StepExpectation& expected = scenario.step_expectations[step.expect - 1];
    INFO("step " << i);
    REQUIRE(!steps[i].signal);
    if (expected.value) {
      REQUIRE(static_cast<std::uint64_t>(steps[i].result) == expected.value->offset);
    }
  }
  const inode& node = world.kernel().inodes.front();
  REQUIRE(node.i_size == sequence.size());
  REQUIRE(node.xfs->i_disk_size == sequence.size());
  for (std::uint64_t at = 0; at < sequence.size(); at += word) {
    if (world.content(FileRef(0), at) != sequence.at(at)) FAIL("in the cache at " << at);
    if (on_device(node, at) != sequence.at(at)) FAIL("on the device at " << at);
  }
  CHECK(counted_free(mp) == mp.fdblocks + reserved(node.xfs->df.map));
  CHECK(mp.fdblocks + node.xfs->df.nblocks + reserved(node.xfs->df.map) == free_before);
}

}  // namespace

TEST_CASE("the page cache holds what was written last, and the device after fsync") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) check(seed, "linux-6.12");
  for (std::uint64_t seed = 61; seed <= 80; ++seed) check(seed, "linux-7.1");
}

// Page 0 is written, page 4 a hole. The second reader comes a little later: also between the moment
// at which the first one has added the page and that at which it asks the device for it.
TEST_CASE("two who read a page at once both get it") {
  for (const char* const device : {"pmem", "block"}) {
    for (int later = 0; later <= 10000; later += 100) {
      const std::string text = R"({"format": 1, "machine": {"cpus": 2},
"devices": {"p": {")" + std::string(device) +
                               R"(": {"size": "64MiB"}}},
"filesystems": {"x": {"xfs": {"device": "p", "dax": "never"}}},
"files": {"f": {"fs": "x", "size": "64KiB", "mtime": "fresh", "atime": "fresh",
                "extents": [{"at": 0, "length": "4KiB", "state": "written"}]}},
"tasks": {
  "a": {"cpu": 0, "process": "p", "steps": [
    {"id": "fd", "open": {"file": "f", "flags": ["O_RDWR"]}},
    {"id": "map", "mmap": {"length": "64KiB", "prot": 1, "flags": ["MAP_SHARED"], "fd": "fd"}},
    {"id": "go", "madvise": {"addr": "map", "length": "64KiB", "advice": "RANDOM"}},
    {"pread": {"fd": "fd", "at": 0, "length": 4096}},
    {"pread": {"fd": "fd", "at": 16384, "length": 4096}}]},
  "b": {"cpu": 1, "process": "p", "steps": [
    {"compute": {"for": )" + std::to_string(later) +
                               R"(}, "after": ["a.go"]},
    {"load": {"at": "a.map"}}, {"load": {"at": "a.map+16KiB"}}]}}})";
      INFO(device << ", " << later << " ns later");
      const Scenario scenario = good(text);
      Tracer tracer;
      World world(scenario, tracer, WorldOptions{});
      REQUIRE(world.errors().empty());
      const RunResult result = world.run();
      REQUIRE(result.outcome == Outcome::completed);
      for (const Finding& finding : result.findings) FAIL(finding.text);
    }
  }
}

TEST_CASE("of a source that ends in the middle of a block, what there is is written") {
  const std::string text = R"({"format": 1, "devices": {"p": {"pmem": {"size": "64MiB"}}},
"filesystems": {"x": {"xfs": {"device": "p", "dax": "never"}}},
"files": {"f": {"fs": "x", "size": "64KiB", "mtime": "fresh"}},
"tasks": {"t": {"steps": [
  {"id": "fd", "open": {"file": "f", "flags": ["O_RDWR"]}},
  {"id": "map", "mmap": {"addr": "0x100000000000", "length": "4KiB", "prot": 3,
    "flags": ["PRIVATE", "ANONYMOUS", "MAP_FIXED"]}},
  {"store": {"at": "map+2KiB", "value": "0x1122"}},
  {"id": "short", "pwrite": {"fd": "fd", "at": 0, "length": "4KiB", "buffer": "map+2KiB"}},
  {"id": "none", "pwrite": {"fd": "fd", "at": 0, "length": "4KiB", "buffer": "map+4KiB"}}]}}})";
  const Scenario scenario = good(text);
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  const RunResult result = world.run();
  REQUIRE(result.outcome == Outcome::completed);
  CHECK(result.steps[0][3].result == 2048);
  CHECK(result.steps[0][4].result == -EFAULT);
  CHECK(world.content(FileRef(0), 0) == 0x1122);
  CHECK(world.content(FileRef(0), 2048) == 0);
}
