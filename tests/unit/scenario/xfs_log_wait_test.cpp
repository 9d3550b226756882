// Who waits for the log of an XFS, and what is said of it: a wait that can never end is a deadlock
// that names the log, one that somebody ends is none; commits that outrun the push worker.
#include <algorithm>
#include <set>
#include <sstream>

#include "kernel/fs/xfs/xfs_inode.hpp"
#include "kernel/fs/xfs/xfs_log.hpp"
#include "kernel/fs/xfs/xfs_mount.hpp"
#include "load_helper.hpp"
#include "scenario/known_words.hpp"
#include "scenario/world.hpp"

using namespace faultline;
using namespace faultline::test;
using namespace faultline::xfs;

namespace {

constexpr std::uint64_t log_bytes = 2 << 20;

// Two inodes are logged, in a checkpoint of their own each: f is at the tail.
const char* const two_checkpoints = R"({"format": 1, "machine": {"cpus": 4},
"devices": {"p": {"pmem": {"size": "64MiB"}}},
"filesystems": {"x": {"xfs": {"device": "p", "log_size": "2MiB"}}},
"files": {"f": {"fs": "x", "size": 4096}, "g": {"fs": "x", "size": 4096},
          "clean": {"fs": "x", "size": 4096}},
"tasks": {"t": {"cpu": 0, "steps": [
  {"id": "f", "open": {"file": "f", "flags": ["O_RDWR"]}},
  {"id": "g", "open": {"file": "g", "flags": ["O_RDWR"]}},
  {"ftruncate": {"fd": "f", "length": 8192}}, {"fsync": {"fd": "f"}},
  {"ftruncate": {"fd": "g", "length": 8192}}, {"fsync": {"fd": "g"}}]}}})";

Task& add_task(World& world, Tracer& tracer, const char* name, std::uint32_t cpu) {
  Kernel& k = world.kernel();
  Task& task = k.engine.add_task();
  k.cpus.allow(task, {cpu});
  task_struct& ts = k.tasks.emplace_back();
  ts.id = task.id;
  ts.comm = name;
  ts.pid = Pid(static_cast<std::int32_t>(500 + task.id.v));
  tracer.set_task(task.id, ts.comm, ts.pid.v);
  return task;
}

// A transaction that has to have the tail moved before it gets what it wants.
Path<void> reserve_nearly_all(Kernel& k, inode& ip, bool holds_ilock) {
  xfs_mount& mp = *ip.xfs->i_mount;
  LogTicket t;
  t.unit = log_bytes - 6000;
  if (holds_ilock) co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "test");
  co_await xfs_log_reserve(k, mp, t);
  xfs_log_ticket_ungrant(k, mp, t);
  if (holds_ilock) xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "test");
}

Path<void> hold_ilock(Kernel& k, inode& ip, Nanos length) {
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "test");
  co_await k.engine.block_until(k.now() + length);
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "test");
}

// A transaction that holds a part of the log and wants an inode.
Path<void> reserve_then_lock(Kernel& k, inode& ip) {
  xfs_mount& mp = *ip.xfs->i_mount;
  LogTicket t;
  t.unit = log_bytes / 2;
  co_await xfs_log_reserve(k, mp, t);
  co_await k.engine.block_until(k.now() + Nanos(1'000'000));
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "test");
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "test");
  xfs_log_ticket_ungrant(k, mp, t);
}

Path<void> lock_then_reserve(Kernel& k, inode& ip) {
  xfs_mount& mp = *ip.xfs->i_mount;
  LogTicket t;
  t.unit = log_bytes / 2;
  co_await xfs_ilock(k, ip, XFS_ILOCK_EXCL, "test");
  co_await xfs_log_reserve(k, mp, t);
  xfs_log_ticket_ungrant(k, mp, t);
  xfs_iunlock(k, ip, XFS_ILOCK_EXCL, "test");
}

inode& inode_named(Kernel& k, const std::string& name) {
  const auto named = [&](const inode& node) { return node.name == name; };
  return *std::find_if(k.inodes.begin(), k.inodes.end(), named);
}

const Finding* finding_of(const RunResult& run, std::string_view kind) {
  const auto is = [&](const Finding& f) { return f.kind == kind; };
  const auto found = std::find_if(run.findings.begin(), run.findings.end(), is);
  return found == run.findings.end() ? nullptr : &*found;
}

std::set<std::string> members(const Finding& finding) {
  std::set<std::string> out;
  for (const FindingLock& lock : finding.locks) {
    out.insert(lock.task + " " + lock.role + " " + lock.lock_class);
  }
  return out;
}

constexpr Nanos later{1'000'000};  // after the steps of t

}  // namespace

TEST_CASE("who waits for log space under the lock of the inode at the tail is in a deadlock") {
  const Scenario scenario = good(two_checkpoints);
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  Kernel& k = world.kernel();
  Task& task = add_task(world, tracer, "holder", 1);
  k.engine.start(task, reserve_nearly_all(k, inode_named(k, "f"), true), later);
  const RunResult run = world.run();
  CHECK(run.outcome == Outcome::deadlock);
  const Finding* const finding = finding_of(run, "deadlock");
  REQUIRE(finding);
  CHECK(members(*finding) == std::set<std::string>{"holder held &xfs_nondir_ilock_class",
                                                   "holder wanted xlog_grant_space",
                                                   "xfsaild/p held xlog_grant_space",
                                                   "xfsaild/p wanted &xfs_nondir_ilock_class"});
}

TEST_CASE("without the lock the tail moves and the wait ends") {
  const Scenario scenario = good(two_checkpoints);
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  Kernel& k = world.kernel();
  Task& task = add_task(world, tracer, "waiter", 1);
  k.engine.start(task, reserve_nearly_all(k, inode_named(k, "f"), false), later);
  const RunResult run = world.run();
  CHECK(run.outcome == Outcome::completed);
  const xfs_mount& mp = *k.supers.front().mount;
  CHECK(mp.ail.empty());
  CHECK(mp.log.space.tail_space() == 0);
  CHECK(mp.log.space.reserve_head.waiters.empty());
  CHECK_FALSE(inode_named(k, "f").xfs->li_buf);
}

TEST_CASE("a lock that is given back in time is only a delay") {
  const Scenario scenario = good(two_checkpoints);
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  Kernel& k = world.kernel();
  Task& holder = add_task(world, tracer, "holder", 1);
  Task& waiter = add_task(world, tracer, "waiter", 2);
  const Nanos held{70'000'000};  // the daemon looks again after 50 ms, then after 100
  k.engine.start(holder, hold_ilock(k, inode_named(k, "f"), held), later);
  k.engine.start(waiter, reserve_nearly_all(k, inode_named(k, "f"), false),
                 Nanos(later.v + 1'000'000));
  const RunResult run = world.run();
  CHECK(run.outcome == Outcome::completed);
  CHECK(run.time.v > later.v + 1'000'000 + 100'000'000);
  CHECK(run.time.v < later.v + 1'000'000 + 102'000'000);
}

TEST_CASE("log space and a lock taken in both orders are a deadlock") {
  const Scenario scenario = good(two_checkpoints);
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  Kernel& k = world.kernel();
  inode& clean = inode_named(k, "clean");
  k.engine.start(add_task(world, tracer, "one", 1), reserve_then_lock(k, clean), later);
  k.engine.start(add_task(world, tracer, "two", 2), lock_then_reserve(k, clean),
                 Nanos(later.v + 10'000));
  const RunResult run = world.run();
  CHECK(run.outcome == Outcome::deadlock);
  const Finding* const finding = finding_of(run, "deadlock");
  REQUIRE(finding);
  CHECK(members(*finding) ==
        std::set<std::string>{"one held xlog_grant_space", "one wanted &xfs_nondir_ilock_class",
                              "two held &xfs_nondir_ilock_class", "two wanted xlog_grant_space"});
}

namespace {

// A program that keeps the only CPU for itself punches a hole into each of many files: each inode
// with its 20 extents left takes 588 bytes of the checkpoint.
std::string punches(unsigned files, const char* knobs) {
  std::ostringstream out;
  out << R"({"format": 1, "kernel": {"profile": "linux-6.12", "set": {)" << knobs << R"(}},
"machine": {"cpus": 1}, "devices": {"p": {"pmem": {"size": "1GiB"}}},
"filesystems": {"x": {"xfs": {"device": "p", "log_size": "2MiB"}}}, "files": {)";
  for (unsigned i = 0; i < files; ++i) {
    out << (i ? "," : "") << "\"f" << i << R"(": {"fs": "x", "size": "168KiB", "mtime": "fresh",
"extents": {"pattern": {"every": "8KiB", "length": "4KiB", "count": 21, "state": "written"}}})";
  }
  out << R"(}, "tasks": {"t": {"cpu": 0, "policy": "fifo", "priority": 10, "steps": [)";
  for (unsigned i = 0; i < files; ++i) {
    out << (i ? "," : "") << "{\"id\": \"o" << i << "\", \"open\": {\"file\": \"f" << i
        << R"(", "flags": ["O_RDWR"]}}, {"fallocate": {"fd": "o)" << i
        << R"(", "mode": ["PUNCH_HOLE", "KEEP_SIZE"], "at": 0, "length": 4096}})";
  }
  out << "]}}}";
  return out.str();
}

/// The largest checkpoint in memory, and whether anybody was throttled.
struct CilUse {
  std::uint64_t most = 0;
  std::uint64_t checkpoints = 0;
};

CilUse play_punches(unsigned files, const char* knobs) {
  const KnownWords known;
  const Scenario scenario = good(punches(files, knobs), {}, known.vocabulary());
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  REQUIRE(world.errors().empty());
  const xfs_mount& mp = *world.kernel().supers.front().mount;
  const RunResult run = world.run();
  CHECK(run.outcome == Outcome::completed);
  return {mp.log.cil_space_used(), mp.log.current_seq()};
}

}  // namespace

TEST_CASE("a program that leaves the push worker no CPU is throttled at twice the limit") {
  // 2 MiB / 8 = 262144 bytes ask for a push, 524288 stop who commits: 892 inodes and some buffers.
  constexpr unsigned below = 880, above = 900;
  CHECK(play_punches(below, "").checkpoints == 2);  // written when the program has ended
  const CilUse throttled = play_punches(above, "");
  CHECK(throttled.checkpoints == 2);
  CHECK(throttled.most > 0);
  CHECK(throttled.most < 20 * 604 + 2000);
  const CilUse free = play_punches(above, R"("xfs.cil_throttles": false)");
  CHECK(free.checkpoints == 2);
  CHECK(free.most == 0);
}
