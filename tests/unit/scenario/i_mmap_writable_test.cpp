// How many mappings may write a file: the count of address_space::i_mmap_writable after each call
// that makes, cuts, joins, copies, moves or removes one. Expected from what the VMAs then are.
#include <cerrno>

#include <fmt/format.h>

#include "scenario/world.hpp"
#include "unit/scenario/load_helper.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

const char* const head = R"({{"format": 1, "kernel": {{"profile": "{}"}},
"devices": {{"p": {{"pmem": {{"size": "64MiB"}}}},
            "odd": {{"char": {{{}}}}}}},
"filesystems": {{"x": {{"xfs": {{"device": "p"}}}}}},
"files": {{"f": {{"fs": "x", "size": "1MiB", "mtime": "fresh"}},
          "dev": {{"type": "char", "device": "odd"}}}},
"tasks": {{"t": {{"steps": [
  {{"id": "rw", "open": {{"file": "f", "flags": ["O_RDWR"]}}}},
  {{"id": "ro", "open": {{"file": "f", "flags": ["O_RDONLY"]}}}},
  {{"id": "dev", "open": {{"file": "dev", "flags": ["O_RDWR"]}}}},
  {}]}}{}}}}})";

const inode& named(Kernel& k, std::string_view name) {
  for (const inode& node : k.inodes) {
    if (node.name == name) return node;
  }
  FAIL("no such file");
  return k.inodes.front();
}

struct Case {
  std::string profile = "linux-6.12";
  std::string driver = R"("hook": "mmap")", tasks = {};
  std::string file = "f";
};

std::string map(const char* id, const char* fd, const char* flags, const char* prot,
                const char* more = "") {
  return fmt::format(
      R"({{"id": "{}", "mmap": {{"addr": "0x20000000", "length": "64KiB", "prot": {}, "flags": [{}],
          "fd": "{}"{}}}}})",
      id, prot, flags, fd, more);
}

std::int64_t writers(const std::string& steps, const Case& c = {}) {
  const std::string text = fmt::format(fmt::runtime(head), c.profile, c.driver, steps, c.tasks);
  INFO(text);
  const Scenario scenario = good(text.c_str());
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  REQUIRE(world.errors().empty());
  REQUIRE(world.run().outcome == Outcome::completed);
  return named(world.kernel(), c.file).i_data.i_mmap_writable;
}

const std::string shared_rw = map("m", "rw", R"("MAP_SHARED")", R"(["READ", "WRITE"])");

}  // namespace

TEST_CASE("a mapping that may be made writable counts whatever it is now") {
  for (const char* const profile : {"linux-6.12", "linux-7.1"}) {
    const Case c{profile};
    CHECK(writers(shared_rw, c) == 1);
    CHECK(writers(map("m", "rw", R"("MAP_SHARED")", R"(["READ"])"), c) == 1);
    CHECK(writers(map("m", "rw", R"("MAP_SHARED")", "0"), c) == 1);
    CHECK(writers(map("m", "ro", R"("MAP_SHARED")", R"(["READ"])"), c) == 0);
    CHECK(writers(map("m", "rw", R"("MAP_PRIVATE")", R"(["READ", "WRITE"])"), c) == 0);
  }
}

TEST_CASE("each piece of a mapping counts and only while it is one") {
  for (const char* const profile : {"linux-6.12", "linux-7.1", "linux-4.13+map-direct-v6"}) {
    const Case c{profile};
    // In 4.13 a mapping of a DAX file is a mixed one: its pieces never join again.
    const std::int64_t joined = c.profile.find("4.13") == std::string::npos ? 1 : 3;
    const std::string hole = shared_rw + R"(, {"munmap": {"addr": "m+16KiB", "length": "16KiB"}})";
    CHECK(writers(hole, c) == 2);
    CHECK(writers(hole + R"(, {"munmap": {"addr": "m", "length": "16KiB"}})", c) == 1);
    CHECK(writers(hole + R"(, {"munmap": {"addr": "m", "length": "64KiB"}})", c) == 0);
    // The hole is filled: one VMA again.
    const std::string filled =
        hole + R"(, {"mmap": {"addr": "0x20004000", "length": "16KiB", "prot": 3, "fd": "rw",
                     "flags": ["MAP_SHARED", "MAP_FIXED"], "offset": "16KiB"}})";
    CHECK(writers(filled, c) == joined);
    const std::string three =
        shared_rw + R"(, {"mprotect": {"addr": "m+16KiB", "length": "16KiB", "prot": 1}})";
    CHECK(writers(three, c) == 3);
    CHECK(writers(three + R"(, {"mprotect": {"addr": "m+16KiB", "length": "16KiB", "prot": 3}})",
                  c) == joined);
    CHECK(writers(shared_rw + R"(, {"mmap": {"addr": "m", "length": "64KiB", "prot": 3,
                     "flags": ["PRIVATE", "ANONYMOUS", "MAP_FIXED"]}})",
                  c) == 0);
  }
}

TEST_CASE("a mapping counts where it goes") {
  const std::string to = R"("new_addr": "0x30000000", "flags": ["MREMAP_MAYMOVE", "MREMAP_FIXED")";
  for (const char* const profile : {"linux-6.12", "linux-7.1"}) {
    const Case c{profile};
    const std::string move = R"(, {"mremap": {"addr": "m", "old_length": "64KiB", )";
    CHECK(writers(shared_rw + move + R"("new_length": "64KiB", )" + to + "]}}", c) == 1);
    CHECK(writers(shared_rw + move + R"("new_length": "32KiB", "flags": []}})", c) == 1);
    CHECK(writers(shared_rw + move + R"("new_length": "96KiB", "flags": []}})", c) == 1);
    CHECK(writers(shared_rw + R"(, {"mremap": {"addr": "m", "old_length": 0,
                     "new_length": "64KiB", )" +
                      to + "]}}",
                  c) == 2);
  }
}

TEST_CASE("a child's mappings count until it ends") {
  const std::string fork = shared_rw + R"(, {"id": "f", "fork": {"child": "c"}})";
  for (const char* const profile : {"linux-6.12", "linux-7.1", "linux-4.13+map-direct-v6"}) {
    Case c{profile};
    c.tasks = R"(, "c": {"parent": "t", "steps": []})";
    CHECK(writers(fork, c) == 2);
    c.tasks = R"(, "c": {"parent": "t", "steps": [{"exit": {"code": 0}}]})";
    CHECK(writers(fork, c) == 1);
  }
}

TEST_CASE("a mapping that fails leaves no count behind") {
  for (const char* const profile : {"linux-6.12", "linux-7.1", "linux-4.13+map-direct-v6"}) {
    Case c{profile, R"("hook": "mmap", "returns": "EIO")"};
    c.file = "dev";
    CHECK(writers(map("m", "dev", R"("MAP_SHARED")", "3"), c) == 0);
  }
  for (const char* const failing : {R"("hook": "mmap_prepare", "returns": "EIO")",
                                    R"("hook": "mmap_prepare", "vm_ops": {"mapped":
                                       {"returns": "EIO"}})"}) {
    Case c{"linux-7.1", failing};
    c.file = "dev";
    CHECK(writers(map("m", "dev", R"("MAP_SHARED")", "3"), c) == 0);
  }
}

TEST_CASE("whether a shared mapping counts that can never be written depends on the kernel") {
  Case c{"linux-6.12", R"("hook": "mmap", "clear_flags": ["MAYWRITE"])"};
  c.file = "dev";
  const std::string readable = map("m", "dev", R"("MAP_SHARED")", "1");
  CHECK(writers(readable, c) == 0);
  c.profile = "linux-4.13+map-direct-v6";
  CHECK(writers(readable, c) == 1);
}

TEST_CASE("a file that nobody may write any more refuses such mappings") {
  for (const char* const profile : {"linux-6.12", "linux-7.1", "linux-4.13+map-direct-v6"}) {
    const Case c{profile};
    const std::string text = fmt::format(fmt::runtime(head), c.profile, c.driver,
                                         map("no", "rw", R"("MAP_SHARED")", "3") + ", " +
                                             map("ok", "ro", R"("MAP_SHARED")", "1") + ", " +
                                             map("own", "rw", R"("MAP_PRIVATE")", "3"),
                                         "");
    const Scenario scenario = good(text.c_str());
    Tracer tracer;
    World world(scenario, tracer, WorldOptions{});
    for (inode& node : world.kernel().inodes) node.i_data.i_mmap_writable = -1;
    const RunResult run = world.run();
    REQUIRE(run.steps.at(0).size() == 6);
    CHECK(run.steps[0][3].result == -EPERM);
    CHECK_FALSE(run.steps[0][4].failed);
    CHECK_FALSE(run.steps[0][5].failed);
  }
}
