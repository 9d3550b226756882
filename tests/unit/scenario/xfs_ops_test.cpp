// Random sequences of everything that moves, shares, copies, cuts off or exchanges blocks of two
// mapped files against a model that knows the value of each block, and of DAX files whether it has
// one; and the file system's own account of free space. On DAX files and through and past the page
// cache, also with extent-size hints, stripes, and blocks that are reserved at the start.
#include <algorithm>
#include <array>
#include <optional>
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

enum class On { pmem, disk };

/// What the two files are made with.
struct Setup {
  On on = On::pmem;
  bool hint = false;      ///< of 16 KiB
  bool stripes = false;   ///< of 32 KiB
  bool reserved = false;  ///< half of the first file has blocks reserved for it
};

/// What a block of a DAX file has.
enum class Has { nothing, unwritten, written };

/// The first eight bytes of each sector of a block; the rest is zero.
using Block = std::array<std::uint64_t, 8>;

/// Steps as JSON, and what they do to each block.
class Sequence {
 public:
  Sequence(std::uint64_t seed, int steps, Setup setup) : rng_(seed), setup_(setup) {
    add("mmap", R"("length": 4096, "prot": ["READ", "WRITE"], "flags": ["MAP_PRIVATE",
        "MAP_ANONYMOUS"])",
        "buf");
    for (std::uint64_t f = 0; f < 2; ++f) {
      value[f].assign(blocks, Block{});
      has_[f].assign(blocks, Has::nothing);
      const std::string n = std::to_string(f);
      add("open", "\"file\": \"f" + n + R"(", "flags": ["O_RDWR"])", "fd" + n);
      add("open", "\"file\": \"f" + n + R"(", "flags": ["O_RDWR", "O_DIRECT"])", "direct" + n);
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
  std::vector<Block> value[2];

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
    value[f].resize(blocks, Block{});
    has_[f].resize(blocks, Has::nothing);
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
    const auto had = has_[f].begin() + std::ptrdiff_t(r.first);
    const auto had_end = had + std::ptrdiff_t(r.count);
    switch (rng_.below(15)) {
      case 0:
      case 1:
        return two_files(f, r);
      case 2:
        falloc(f, r, "\"PUNCH_HOLE\", \"KEEP_SIZE\"", "\"errno\": 0");
        std::fill(begin, end, Block{});
        std::fill(had, had_end, Has::nothing);
        return;
      case 3: {
        const bool fits = r.first + r.count < blocks;
        falloc(f, r, "\"COLLAPSE_RANGE\"", fits ? "\"errno\": 0" : "\"errno\": \"EINVAL\"");
        if (!fits) return;
        value[f].erase(begin, end);
        has_[f].erase(had, had_end);
        return restore_size(f);
      }
      case 4:
        falloc(f, r, "\"INSERT_RANGE\"", "\"errno\": 0");
        value[f].insert(begin, r.count, Block{});
        has_[f].insert(had, r.count, Has::nothing);
        return restore_size(f);
      case 5:
        std::replace(had, had_end, Has::nothing, Has::unwritten);
        return falloc(f, r, "\"UNSHARE_RANGE\"", "\"errno\": 0");
      case 6:
        return add("fsync", fd(f), id());
      case 7:
        std::replace(had, had_end, Has::nothing, Has::unwritten);
        return falloc(f, r, "\"KEEP_SIZE\"", "\"errno\": 0");
      case 8:
        return write_directly(f, r);
      case 9:  // cut off, and as long as it was
        add("ftruncate", fd(f) + ", \"length\": " + bytes(r.first), id());
        std::fill(begin, value[f].end(), Block{});
        std::fill(had, has_[f].end(), Has::nothing);
        return restore_size(f);
      default:
        value[f][r.first][0] = std::uint64_t(count_) + 1;
        *had = Has::written;
        add("store",
            "\"at\": \"map" + std::to_string(f) + "+" + bytes(r.first) +
                "\", \"value\": " + std::to_string(value[f][r.first][0]),
            id());
    }
  }
  // Sectors from a buffer: those at the start of a block change its value. Of DAX files just a
  // write.
  void write_directly(std::uint64_t f, Range r) {
    const std::uint64_t first = 512 * rng_.below(3);
    const std::uint64_t length = 512 * (1 + rng_.below(16));
    const std::uint64_t at = r.first * block + first;
    if (at + length > blocks * block) return;
    const std::uint64_t wrote = std::uint64_t(count_) + 1;
    add("store", "\"at\": \"buf\", \"value\": " + std::to_string(wrote), id());
    for (std::uint64_t done = 0; done < length;) {  // the buffer is one page
      const std::uint64_t part = std::min(length - done, block - (at + done) % block);
      const std::uint64_t b = (at + done) / block;
      add("pwrite",
          "\"fd\": \"direct" + std::to_string(f) + "\", \"at\": " + std::to_string(at + done) +
              ", \"length\": " + std::to_string(part) + ", \"buffer\": \"buf\"",
          id(), "\"value\": " + std::to_string(part));
      const std::uint64_t sector = (at + done) % block / 512;
      std::fill_n(value[f][b].begin() + std::ptrdiff_t(sector), part / 512, 0);
      value[f][b][sector] = wrote;
      has_[f][b] = Has::written;
      done += part;
    }
  }
  // What dedupe says of DAX files: a hole is like a hole only. Nothing is known of unwritten
  // blocks.
  std::optional<bool> same_on_pmem(std::uint64_t f, Range r, std::uint64_t to, std::uint64_t at) {
    if (setup_.hint) return std::nullopt;  // it fills holes around
    bool same = true;
    for (std::uint64_t i = 0; i < r.count; ++i) {
      const Has one = has_[f][r.first + i];
      const Has two = has_[to][at + i];
      if (one == Has::unwritten || two == Has::unwritten) return std::nullopt;
      same = same && one == two && value[f][r.first + i] == value[to][at + i];
    }
    return same;
  }
  void two_files(std::uint64_t f, Range r) {
    const std::uint64_t to = rng_.below(2);
    const std::uint64_t at = rng_.below(blocks - r.count + 1);
    const bool overlaps = to == f && at + r.count > r.first && at < r.first + r.count;
    if (overlaps) return;
    const auto from = value[f].begin() + std::ptrdiff_t(r.first);
    const auto into = value[to].begin() + std::ptrdiff_t(at);
    const auto count = std::ptrdiff_t(r.count);
    const auto had = has_[f].begin() + std::ptrdiff_t(r.first);
    const auto gets = has_[to].begin() + std::ptrdiff_t(at);
    const auto share = [&] {  // unwritten blocks are not shared
      std::replace_copy(had, had + count, gets, Has::unwritten, Has::nothing);
    };
    switch (rng_.below(3)) {
      case 0:
        add("exchange", two(f, r, to, at), id());
        std::swap_ranges(from, from + count, into);
        std::swap_ranges(had, had + count, gets);
        return;
      case 1:
        add("clone", two(f, r, to, at), id());
        std::copy(from, from + count, into);
        share();
        return;
      default: {
        const std::optional<bool> as_memory = same_on_pmem(f, r, to, at);
        if (setup_.on == On::pmem && !as_memory) return;
        const bool same = setup_.on == On::pmem ? *as_memory : std::equal(from, from + count, into);
        if (same) share();
        const std::string shared = "\"value\": " + bytes(r.count);
        add("dedupe", two(f, r, to, at), id(), same ? shared : "\"errno\": \"EBADE\"");
      }
    }
  }

  Rng rng_;
  Setup setup_;
  std::vector<Has> has_[2];
  std::ostringstream steps_;
  int count_ = 0;
};

std::string scenario_of(const Sequence& sequence, const char* profile, Setup setup) {
  const std::string device =
      setup.on == On::pmem ? R"({"pmem": {"size": "64MiB"}})" : R"({"block": {"size": "64MiB"}})";
  const std::string hint = setup.hint ? R"(, "extsize": 16384)" : "";
  return R"({"format": 1, "kernel": {"profile": ")" + std::string(profile) +
         R"("}, "devices": {"p": )" + device + R"(},
"filesystems": {"x": {"xfs": {"device": "p", "reflink": true)" +
         (setup.stripes ? R"(, "sunit": 32768, "swidth": 65536)" : "") + R"(}}},
"files": {"f0": {"fs": "x", "size": 163840, "extents": [)" +
         (setup.reserved ? R"({"at": 40960, "length": 81920, "state": "delalloc"})" : "") + "]" +
         hint + R"(}, "f1": {"fs": "x", "size": 163840, "extents": [])" + hint + R"(}},
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

void check(std::uint64_t seed, const char* profile, Setup setup) {
  INFO("seed " << seed << ", " << profile << (setup.on == On::pmem ? ", pmem" : ", disk"));
  const Sequence sequence(seed, 60, setup);
  const Scenario scenario = good(scenario_of(sequence, profile, setup));
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  REQUIRE(world.errors().empty());
  const xfs::xfs_mount& mp = *world.kernel().supers.front().mount;
  const std::uint64_t all = mp.fdblocks + blocks_in_use(world.kernel());
  const RunResult result = world.run();
  REQUIRE(result.outcome == Outcome::completed);
  for (const Finding& finding : result.findings) FAIL_CHECK(finding.text);
  for (const auto& task : result.steps) {
    for (const StepResult& step : task) CHECK(step.state == StepState::done);
  }
  for (std::uint32_t f = 0; f < 2; ++f) {
    for (std::uint64_t b = 0; b < blocks; ++b) {
      INFO("file " << f << ", block " << b);
      for (std::uint64_t sector = 0; sector < 8; ++sector) {
        const std::uint64_t at = b * block + sector * 512;
        if (world.content(FileRef(f), at) == sequence.value[f][b][sector]) continue;
        INFO("sector " << sector);
        CHECK(world.content(FileRef(f), at) == sequence.value[f][b][sector]);
      }
    }
  }
  CHECK(mp.fdblocks + blocks_in_use(world.kernel()) == all);
}

}  // namespace

TEST_CASE("blocks of DAX files move, are shared and exchanged as a model of values says") {
  const Setup setup{On::pmem, false, false, false};
  for (std::uint64_t seed = 1; seed <= 30; ++seed) check(seed, "linux-6.12", setup);
  for (std::uint64_t seed = 31; seed <= 40; ++seed) check(seed, "linux-7.1", setup);
}

TEST_CASE("blocks under the page cache move, are shared and exchanged as a model says") {
  const Setup setup{On::disk, false, false, false};
  for (std::uint64_t seed = 1; seed <= 30; ++seed) check(seed, "linux-6.12", setup);
  for (std::uint64_t seed = 31; seed <= 40; ++seed) check(seed, "linux-7.1", setup);
}

TEST_CASE("hints, stripes and reservations change no value and lose no block") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    check(seed, "linux-6.12", {On::pmem, true, false, false});
    check(seed, "linux-6.12", {On::pmem, seed % 2 == 0, true, false});
    check(seed, "linux-6.12", {On::disk, true, false, false});
    check(seed, "linux-6.12", {On::disk, seed % 2 == 0, true, false});
    check(seed, "linux-6.12", {On::disk, false, false, true});
    check(seed, "linux-7.1", {On::disk, true, true, true});
  }
}
