// Leases on files, layouts of a pNFS server, MAP_DIRECT mappings that hold a lease, and
// userfaultfd: what each call returns and when. Times are reckoned by hand from lease-break-time
// and the tick; errors are those of fcntl(2), of the proposal, and of userfaultfd(2).
#include <cerrno>

#include <signal.h>

#include "kernel/fs/locks.hpp"
#include "kernel/fs/mapdirect.hpp"
#include "kernel/mm/vma.hpp"
#include "kernel/workqueue.hpp"
#include "scenario/known_words.hpp"
#include "scenario/world.hpp"
#include "unit/scenario/load_helper.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

constexpr std::uint64_t second = 1'000'000'000, tick = 1'000'000;

std::string with(const std::string& profile, const std::string& tasks) {
  return R"({"format": 1, "kernel": {"profile": ")" + profile +
         R"(", "set": {"fs.lease_break_time": 2}}, "machine": {"cpus": 3},
"devices": {"p": {"pmem": {"size": "64MiB"}}}, "filesystems": {"x": {"xfs": {"device": "p"}}},
"files": {"f": {"fs": "x", "size": "64KiB", "mtime": "fresh", "uid": 7,
                "extents": [{"at": "0", "length": "64KiB", "state": "written"}]}},
"tasks": {)" +
         tasks + "}}";
}

class Play {
 public:
  explicit Play(const std::string& text)
      : scenario_(good(text, {}, known_.vocabulary())), world_(scenario_, tracer_, WorldOptions{}) {
    REQUIRE(world_.errors().empty());
    result = world_.run();
  }
  const StepResult& step(std::size_t task, std::size_t index) const {
    return result.steps[task][index];
  }
  std::int64_t value(std::size_t task, std::size_t index) const { return step(task, index).result; }
  /// When the step ended, in whole units of `unit`.
  std::uint64_t end(std::size_t task, std::size_t index, std::uint64_t unit) const {
    return step(task, index).end.v / unit;
  }
  Kernel& kernel() { return world_.kernel(); }
  RunResult result;

 private:
  KnownWords known_;
  Scenario scenario_;
  Tracer tracer_;
  World world_;
};

const std::string open_rd = R"({"id": "fd", "open": {"file": "f", "flags": ["O_RDONLY"]}})";
const std::string open_rw = R"({"id": "fd", "open": {"file": "f", "flags": ["O_RDWR"]}})";
std::string setlease(const std::string& arg) {
  return R"({"fcntl": {"fd": "fd", "cmd": "F_SETLEASE", "arg": ")" + arg + R"("}})";
}
const std::string direct =
    R"({"id": "map", "mmap": {"length": "64KiB", "prot": 3,
        "flags": ["MAP_SHARED_VALIDATE", "MAP_DIRECT"], "fd": "fd"}})";
const std::string write_page = R"({"id": "w", "pwrite": {"fd": "fd", "at": 0, "length": "4KiB"}})";

}  // namespace

TEST_CASE("who may take which lease") {
  Play play(with("linux-6.12",
                 R"("a": {"uid": 7, "steps": [)" + open_rd + "," + setlease("F_WRLCK") + "," +
                     setlease("F_RDLCK") + "," + setlease("F_UNLCK") + "," + setlease("F_UNLCK") +
                     "]}," + R"("b": {"uid": 8, "start": "1ms", "steps": [)" + open_rw + "," +
                     setlease("F_RDLCK") + "]}," +
                     R"("c": {"uid": 8, "caps": ["CAP_LEASE"], "start": "2ms",
                                            "steps": [)" +
                     open_rd + "," + setlease("F_RDLCK") + "," + setlease("F_WRLCK") + "]}"));
  CHECK(play.value(0, 1) == 0);  // the only one that has the file open
  CHECK(play.value(0, 2) == 0);  // makes it a lease for reading
  CHECK(play.value(0, 3) == 0);
  CHECK(play.value(0, 4) == -EAGAIN);  // nothing left to give up
  CHECK(play.value(1, 1) == -EACCES);  // neither owner nor capable
  CHECK(play.value(2, 1) == -EAGAIN);  // b has it open for writing
  CHECK(play.value(2, 2) == -EAGAIN);  // others have it open at all
}

TEST_CASE("a write lease becomes one for reading when somebody reads") {
  Play play(with("linux-6.12", R"("a": {"uid": 7, "signals": {"SIGIO": "skip"}, "steps": [)" +
                                   open_rd + "," + setlease("F_WRLCK") +
                                   R"(, {"compute": {"for": "3s"}},
                     {"fcntl": {"fd": "fd", "cmd": "F_GETLEASE"}}]},
                     "b": {"start": "1ms", "steps": [)" +
                                   open_rd + "]}"));
  CHECK(play.end(1, 0, second) == 2);  // lease-break-time after it asked
  REQUIRE(play.step(0, 2).signal);
  CHECK(play.step(0, 2).signal->sig == SIGIO);
  CHECK(play.value(0, 3) == 0);  // F_RDLCK
}

TEST_CASE("a holder that ignores the signal loses its direct mapping in time") {
  Play play(with("linux-4.13+map-direct-v7",
                 R"("a": {"uid": 7, "signals": {"SIGIO": "skip", "SIGBUS": "skip"}, "steps": [)" +
                     open_rw + "," + direct + R"(, {"store": {"at": "map"}},
                     {"compute": {"for": "3s"}}, {"store": {"at": "map"}}]},
                     "b": {"start": "1ms", "steps": [)" +
                     open_rw + "," + write_page + "]}"));
  CHECK(play.result.outcome == Outcome::completed);
  CHECK(play.value(1, 1) == 4096);
  // One tick after the worker's time at the latest, and not before it.
  CHECK(play.step(1, 1).end.v >= 2 * second + tick);
  CHECK(play.step(1, 1).end.v < 2 * second + 3 * tick);
  REQUIRE(play.step(0, 3).signal);
  REQUIRE(play.step(0, 4).signal);
  CHECK(play.step(0, 3).signal->sig == SIGIO);
  CHECK(play.step(0, 4).signal->sig == SIGBUS);
  CHECK_FALSE(play.kernel().map_directs.front()->valid);
  CHECK(play.kernel().inodes.front().i_flctx->flc_lease.empty());
}

TEST_CASE("a direct mapping without a writer keeps its lease, and gives it up with the last VMA") {
  Play play(with("linux-4.13+map-direct-v7",
                 R"("a": {"uid": 7, "steps": [)" + open_rw + "," + direct +
                     R"(, {"mprotect": {"addr": "map", "length": "4KiB", "prot": 1}},
                     {"munmap": {"addr": "map", "length": "4KiB"}},
                     {"munmap": {"addr": "map", "length": "64KiB"}}]},
                     "b": {"start": "1ms", "steps": [)" +
                     open_rw + "," + write_page + "]}"));
  CHECK(play.result.outcome == Outcome::completed);
  CHECK(play.kernel().map_directs.size() == 1);
  CHECK(play.kernel().map_directs.front()->mds_vmaref == 0);
  CHECK(play.kernel().map_directs.front()->valid);  // nobody broke it
  CHECK(play.end(1, 1, tick) == 1);                 // the writer did not wait
}

TEST_CASE("a layout is waited for with no lock of the inode held") {
  Play play(with("linux-7.1", R"("n": {"uid": 7, "steps": [)" + open_rw +
                                  R"(, {"layoutget": {"fd": "fd"}},
                     {"layoutreturn": {"fd": "fd", "on_recall": true}},
                     {"layoutreturn": {"fd": "fd"}}]},
                     "w": {"start": "1ms", "steps": [)" +
                                  open_rw + "," + write_page + "]}"));
  CHECK(play.result.outcome == Outcome::completed);
  CHECK(play.value(0, 2) == 0);
  CHECK(play.value(0, 3) == -EAGAIN);
  CHECK(play.value(1, 1) == 4096);
  CHECK(play.end(1, 1, tick) == 1);
  CHECK(play.kernel().system_wq->pending.empty());  // the fence is off
}

TEST_CASE("a missing page waits for its monitor") {
  const std::string steps = R"("m": {"process": "p", "steps": [
    {"id": "buf", "mmap": {"length": "16KiB", "prot": 3, "flags": ["PRIVATE", "ANONYMOUS"]}},
    {"uffd_register": {"addr": "buf", "length": "8KiB"}},
    {"uffd_register": {"addr": "buf+1KiB", "length": "8KiB"}},
    {"uffd_register": {"addr": "buf", "length": "1MiB"}},
    {"id": "which", "uffd_read": {}}, {"compute": {"for": "1ms"}},
    {"uffd_copy": {"addr": "buf", "value": 77}}, {"uffd_copy": {"addr": "buf", "value": 78}},
    {"uffd_copy": {"addr": "buf+8KiB"}}]},
    "t": {"process": "p", "start": "1ms", "steps": [
    {"load": {"at": "m.buf+8KiB"}}, {"load": {"at": "m.buf+16"}}, {"load": {"at": "m.buf"}}]})";
  for (const char* profile : {"linux-6.12", "linux-7.1", "linux-4.13+map-direct-v6"}) {
    Play play(with(profile, steps));
    CHECK(play.result.outcome == Outcome::completed);
    CHECK(play.value(0, 2) == -EINVAL);
    CHECK(play.value(0, 3) == -EINVAL);
    CHECK(play.value(0, 4) == play.value(0, 0));  // the page that is missing
    CHECK(play.value(0, 6) == 4096);
    CHECK(play.value(0, 7) == -EEXIST);
    CHECK(play.value(0, 8) == -ENOENT);  // not registered
    CHECK(play.value(1, 0) == 0);        // nor handed over
    CHECK(play.end(1, 1, tick) == 2);    // a millisecond after it began
    CHECK(play.value(1, 2) == 77);
  }
}
