// Findings about MAP_DIRECT and who waits too long: each in a program of its own that no scenario
// has, beside one where nothing is wrong. What is right and wrong is the proposal's text.
#include <string>

#include "analysis/simulate.hpp"
#include "unit/scenario/load_helper.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

// Knob tables are not needed: the programs set none.
Simulation play(const std::string& profile, const std::string& dax, const std::string& tasks,
                bool check = true) {
  const Scenario scenario = good(R"({"format": 1, "kernel": {"profile": ")" + profile +
                                 R"("}, "machine": {"cpus": 3},
"devices": {"p": {")" + std::string(dax == "never" ? "block" : "pmem") +
                                 R"(": {"size": "64MiB"}}},
"filesystems": {"x": {"xfs": {"device": "p", "dax": ")" +
                                 dax + R"(", "reflink": false}}, "m": {"tmpfs": {}}},
"files": {"f": {"fs": "x", "size": "64KiB",
   "extents": [{"at": 0, "length": "32KiB", "state": "written"}]},
          "g": {"fs": "x", "size": "64KiB",
   "extents": [{"at": 0, "length": "64KiB", "state": "written"}]},
          "m": {"fs": "m", "size": "64KiB"}},
"tasks": {)" + tasks + "}}");
  SimulateOptions options;
  options.check_invariants = check;
  return simulate(scenario, options);
}

std::string owner(const std::string& steps) {
  return R"("t": {"caps": ["CAP_LINUX_IMMUTABLE"], "signals": {"SIGBUS": "skip"}, "steps": [
{"id": "f", "open": {"file": "f", "flags": ["O_RDWR"]}},
{"id": "g", "open": {"file": "g", "flags": ["O_RDWR"]}},
{"id": "m", "open": {"file": "m", "flags": ["O_RDWR"]}},)" +
         steps + "]}";
}

bool has(const Simulation& run, const std::string& kind, const std::string& words) {
  for (const Finding& f : run.result.findings) {
    INFO(f.text);
    if (f.kind == kind && f.text.find(words) != std::string::npos) return true;
  }
  return false;
}

bool broken(const Simulation& run, const std::string& rule) {
  return has(run, "invariant", rule + ": ");
}

const char* const v6 = "linux-4.13+map-direct-v6";
const char* const v7 = "linux-4.13+map-direct-v7";
const char* const today = "linux-7.1+map-direct";

const char* const direct =
    R"({"id": "d", "mmap": {"length": "16KiB", "prot": 3,
 "flags": ["MAP_SHARED", "MAP_DIRECT"], "fd": "f"}})";
const char* const leased =
    R"({"id": "d", "mmap": {"length": "16KiB", "prot": 3,
 "flags": ["MAP_SHARED_VALIDATE", "MAP_DIRECT"], "fd": "f"}})";

}  // namespace

TEST_CASE("a MAP_DIRECT request that succeeds has to make such a mapping") {
  const std::string plain_below =
      R"({"mmap": {"addr": "0x10000000", "length": "16KiB", "prot": 3,
 "flags": ["MAP_SHARED", "MAP_FIXED"], "fd": "f"}},
{"mmap3": {"addr": "0x10004000", "length": "16KiB", "prot": 3,
 "flags": ["MAP_SHARED", "MAP_FIXED", "MAP_DIRECT"], 
 "fd": "f", "offset": "16KiB"}})";
  CHECK(broken(play(v6, "never", owner(plain_below)), "direct-lost"));
  CHECK_FALSE(broken(play(v6, "always", owner(plain_below)), "direct-lost"));

  const std::string other_fs =
      R"({"mmap": {"length": "16KiB", "prot": 3,
 "flags": ["MAP_SHARED", "MAP_DIRECT"], "fd": "m"}})";
  CHECK(broken(play(v6, "always", owner(other_fs)), "direct-lost"));
  // Where the flag wants MAP_SHARED_VALIDATE, MAP_SHARED promises nothing.
  CHECK_FALSE(broken(play(v7, "always", owner(other_fs)), "direct-lost"));
  CHECK_FALSE(broken(play(today, "always", owner(other_fs)), "direct-lost"));

  CHECK_FALSE(broken(play(v6, "always", owner(direct)), "direct-lost"));
  CHECK_FALSE(broken(play(today, "always", owner(leased)), "direct-lost"));
}

TEST_CASE("remap_file_pages takes a direct mapping away, munmap is asked to") {
  const std::string remap =
      std::string(direct) +
      R"(, {"remap_file_pages": {"addr": "d+4KiB", "length": "4KiB", "offset": 0}})";
  const Simulation run = play(v6, "always", owner(remap));
  CHECK(has(run, "invariant", "direct-lost: remap_file_pages has replaced"));
  const std::string unmap =
      std::string(direct) + R"(, {"munmap": {"addr": "d+4KiB", "length": "4KiB"}})";
  CHECK_FALSE(broken(play(v6, "always", owner(unmap)), "direct-lost"));
}

TEST_CASE("a direct mapping shows the file's blocks, a plain one may show memory") {
  const std::string hole = R"(, {"load": {"at": "d+36KiB"}})";
  std::string longer = direct;
  longer.replace(longer.find("16KiB"), 5, "64KiB");
  CHECK(broken(play(v6, "always", owner(longer + hole)), "direct-page"));
  CHECK_FALSE(broken(play(v6, "always", owner(longer + hole), false), "direct-page"));
  CHECK_FALSE(
      broken(play(v6, "always", owner(longer + R"(, {"load": {"at": "d"}})")), "direct-page"));
  std::string modern = leased;
  modern.replace(modern.find("16KiB"), 5, "64KiB");
  CHECK_FALSE(broken(play(today, "always", owner(modern + hole)), "direct-page"));
  std::string plain = longer;
  plain.replace(plain.find(", \"MAP_DIRECT\""), 14, "");
  CHECK_FALSE(broken(play(v6, "always", owner(plain + hole)), "direct-page"));
}

TEST_CASE("the size of a sealed file stands, and what was written asynchronously") {
  const std::string append =
      R"({"id": "o", "open": {"file": "g", "flags": ["O_RDWR", "O_DIRECT"]}},
{"aio_write": {"fd": "o", "at": "64KiB", "length": "4KiB"}},
{"mmap3": {"length": "16KiB", "prot": 3,
 "flags": ["MAP_SHARED", "MAP_DIRECT"], "fd": "g"}},
{"sleep": {"for": "10ms"}})";
  const Simulation run = play(v6, "never", owner(append));
  CHECK(has(run, "invariant",
            "sealed-size: the size of g has changed under its seal: "
            "69632, was 65536"));
  CHECK(broken(run, "lost-write"));
  std::string waits = append;
  waits.replace(waits.find(R"({"mmap3")"), 0, R"({"sleep": {"for": "10ms"}},)");
  CHECK_FALSE(broken(play(v6, "never", owner(waits)), "sealed-size"));
  CHECK_FALSE(broken(play(v6, "never", owner(waits)), "lost-write"));
}

TEST_CASE("an exec that fails when there is no way back is told of") {
  const std::string exec = R"({"exec": {"file": "f"}})";
  CHECK(has(play(v6, "never", owner(exec)), "invariant",
            "exec-killed: exec of f fails with EOPNOTSUPP"));
  CHECK_FALSE(broken(play("linux-4.13+map-direct-v5", "never", owner(exec)), "exec-killed"));
}

TEST_CASE("who waits for a lock for two minutes is told of, but not who may be killed") {
  const auto program = [](const std::string& away) {
    return R"("mon": {"cpu": 0, "process": "p", "steps": [
{"id": "b", "mmap": {"length": "8KiB", "prot": 3,
 "flags": ["MAP_PRIVATE", "MAP_ANONYMOUS"]}},
{"id": "w", "uffd_register": {"addr": "b", "length": "8KiB"}}, {"id": "r", "uffd_read": {}},
{"sleep": {"for": ")" +
           away + R"("}}, {"uffd_copy": {"addr": "b", "value": 1}}]},
"wr": {"cpu": 1, "process": "p", "steps": [
{"id": "f", "open": {"file": "g", "flags": ["O_RDWR"]}},
{"after": ["mon.w"], "pwrite": {"fd": "f", "at": 0, "length": "4KiB", "buffer": "mon.b"}}]},
"other": {"cpu": 2, "steps": [
{"id": "f", "open": {"file": "g", "flags": ["O_RDWR"]}},
{"after": ["mon.r"], "pwrite": {"fd": "f", "at": 0, "length": "4KiB"}}]})";
  };
  const Simulation run = play("linux-6.12", "always", program("121s"), false);
  CHECK(has(run, "kernel-warn", "INFO: task other:103 blocked for more than 120 seconds"));
  CHECK(run.exit_code == 1);
  CHECK_FALSE(
      has(play("linux-6.12", "always", program("119s"), false), "kernel-warn", "blocked for"));
}

TEST_CASE("a holder that breaks its own lease spins, and not for ever") {
  const std::string write =
      std::string(leased) + R"(, {"pwrite": {"fd": "f", "at": 0, "length": "4KiB"}})";
  std::string tasks = owner(write);
  tasks.replace(tasks.find("CAP_LINUX_IMMUTABLE"), 19, "CAP_LEASE");
  tasks.replace(tasks.find("\"SIGBUS\""), 8, "\"SIGIO\"");
  const Simulation run = play(v7, "always", tasks, false);
  CHECK(has(run, "livelock", "t has a signal pending"));
  CHECK(run.result.outcome == Outcome::completed);
  CHECK(run.result.time.v > 45'000'000'000);
  CHECK(run.result.time.v < 50'000'000'000);
}

TEST_CASE("blocks are not exchanged under a seal, either way round") {
  const std::string swap = std::string(leased) + R"(,
{"exchange": {"fd": "g", "at": 0, "length": 0, "to_fd": "f", "to_at": 0},
 "expect": {"errno": "EINVAL"}},
{"exchange": {"fd": "f", "at": 0, "length": "4KiB", "to_fd": "g", "to_at": 0},
 "expect": {"errno": "EINVAL"}})";
  const Simulation run = play(today, "always", owner(swap));
  CHECK(run.exit_code == 0);
  CHECK_FALSE(broken(run, "sealed-map"));
}

TEST_CASE("an mm that its last thread takes apart is not looked at, nor who left before") {
  for (const char* const end : {R"({"exit": {"code": 0}})", R"({"exec": {"file": "f"}})"}) {
    const std::string tasks =
        R"("a": {"cpu": 0, "process": "p", "steps": [
{"id": "f", "open": {"file": "g", "flags": ["O_RDWR"]}},
{"id": "m", "mmap": {"length": "64KiB", "prot": 3,
 "flags": ["MAP_SHARED"], "fd": "f"}}, {"store": {"at": "m"}}]},
"b": {"cpu": 1, "process": "p", "steps": [
{"id": "n", "after": ["a.m"], "mmap": {"length": "64KiB", "prot": 3,
 "flags": ["MAP_PRIVATE", "MAP_ANONYMOUS"]}},
{"store": {"at": "n"}}, {"sleep": {"for": "1ms"}}, )" +
        std::string(end) + "]}";
    const Simulation run = play("linux-4.13+map-direct-v5", "always", tasks);
    for (const Finding& f : run.result.findings) {
      INFO(f.text);
      CHECK(f.kind != "invariant");
    }
  }
}

TEST_CASE("a deadlock's finding says who has and wants what") {
  const std::string tasks =
      R"("w": {"cpu": 0, "process": "p", "steps": [
{"id": "f", "open": {"file": "g", "flags": ["O_RDWR"]}},
{"id": "b", "mmap": {"length": "8KiB", "prot": 3,
 "flags": ["MAP_PRIVATE", "MAP_ANONYMOUS"]}},
{"id": "io", "pwrite": {"fd": "f", "at": 0, "length": "4KiB", "buffer": "b"}}]},
"s": {"cpu": 1, "process": "p", "caps": ["CAP_LINUX_IMMUTABLE"], "steps": [
{"id": "f", "after": ["w.b"], "open": {"file": "g", "flags": ["O_RDWR"]}},
{"mmap3": {"length": "16KiB", "prot": 3,
 "flags": ["MAP_SHARED", "MAP_DIRECT"], "fd": "f"}}]})";
  const Simulation run = play(v6, "always", tasks, false);
  REQUIRE(run.result.outcome == Outcome::deadlock);
  CHECK(has(run, "deadlock", "w has &sb->s_type->i_mutex_key and wants &mm->mmap_sem"));
  CHECK(has(run, "deadlock", "s has &mm->mmap_sem and wants &sb->s_type->i_mutex_key"));
}
