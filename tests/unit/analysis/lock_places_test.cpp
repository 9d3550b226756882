// Where a lock was taken, from the stack dumps of a real kernel's text, and circles of instances
// that lead through locks of other names. The dumps are in the shape that ftrace's option
// stacktrace, trace-cmd 3.1.6 and perf 6.1 print.
#include "catch.hpp"

#include <algorithm>

#include "analysis/lock_report.hpp"
#include "analysis/trace_files.hpp"

using namespace faultline;

namespace {

LockReport report_of(const std::string& text) {
  LockSurvey survey;
  survey.begin_trace("t");
  bool inferred = false;
  auto take = [&](const TraceLine& line) {
    survey.line(line);
    return true;
  };
  const auto result = read_text_and_locks(text, "t", line_sink(take), &inferred);
  REQUIRE(result.malformed == 0);
  survey.end_trace(result.info, inferred);
  return lock_report(survey);
}

using Calls = std::vector<std::string>;

// Takes and releases by name; `name#instance`, the instance in hex.
LockReport orders(const std::vector<std::pair<std::string, std::vector<std::string>>>& tasks) {
  std::string text =
      "# tracer: nop\n# faultline: format=1 scenario=s profile=linux-6.12 seed=1 level=all\n";
  unsigned records = 0;
  const auto add = [&](const std::string& task, const std::string& event) {
    text += task + " [000] ..... 0." + std::to_string(100000000 + ++records) + ": " + event + "\n";
  };
  for (const auto& [task, locks] : tasks) {
    std::vector<std::string> held;
    for (const std::string& lock : locks) {
      const auto hash = lock.find('#');
      const std::string id = lock.substr(hash + 1);
      held.push_back(std::string(16 - id.size(), '0') + id + " " + lock.substr(0, hash));
      add(task, "lock_acquire: " + held.back());
    }
    for (; !held.empty(); held.pop_back()) add(task, "lock_release: " + held.back());
  }
  text += "# faultline: end outcome=completed records=" + std::to_string(records) + "\n";
  return report_of(text);
}

}  // namespace

TEST_CASE("ftrace's stack dumps are call paths, also when other CPUs come in between") {
  const LockReport report = report_of(
      "# tracer: nop\n#\n"
      "             app-7       [000] .....     1.000001: lock_acquire: 0000000000000001 A\n"
      "           other-8       [001] .....     1.000001: lock_acquire: 0000000000000002 B\n"
      "             app-7       [000] .....     1.000002: <stack trace>\n"
      " => trace_event_raw_event_lock_acquire\n"
      " => lock_acquire\n"
      " => down_write+0x30/0x60\n"
      " => vfs_write\n"
      " =>  <00007f1523580000>\n"
      "           other-8       [001] .....     1.000003: lock_release: 0000000000000002 B\n"
      "             app-7       [000] .....     1.000004: lock_acquire: 0000000000000002 B\n"
      "             app-7       [000] .....     1.000005: <stack trace>\n"
      " => lock_acquire\n"
      " => __mutex_lock\n"
      " => vfs_write\n");
  REQUIRE(report.edges.size() == 1);
  CHECK(report.edges[0].first.held.path == Calls{"vfs_write", "down_write"});
  CHECK(report.edges[0].first.wanted.path == Calls{"vfs_write", "__mutex_lock"});
}

TEST_CASE("a path ends with the record that it belongs to") {
  const LockReport report = report_of(
      "# tracer: nop\n#\n"
      "             app-7       [000] .....     1.000001: lock_acquire: 0000000000000001 A\n"
      "             app-7       [000] .....     1.000002: <stack trace>\n"
      " => down_write\n"
      "             app-7       [000] .....     1.000004: lock_acquire: 0000000000000002 B\n");
  REQUIRE(report.edges.size() == 1);
  CHECK(report.edges[0].first.held.path == Calls{"down_write"});
  CHECK(report.edges[0].first.wanted.path.empty());
}

TEST_CASE("stack dumps of trace-cmd and of perf") {
  const LockReport cmd = report_of(
      "cpus=2\n"
      "             app-7     [000]     1.000001: lock_acquire:         0xffff888000000001 A\n"
      "             app-7     [000]     1.000002: kernel_stack:         <stack trace >\n"
      "=> down_write (ffffffff8120ee80)\n"
      "=> vfs_write (ffffffff8120ff80)\n"
      "             app-7     [000]     1.000004: lock_acquire:         0xffff888000000002 B\n");
  REQUIRE(cmd.edges.size() == 1);
  CHECK(cmd.edges[0].first.held.path == Calls{"vfs_write", "down_write"});
  const LockReport perf = report_of(
      "app 7 [000] 1.000001: lock:lock_acquire: 0xffff888000000001 A\n"
      "\tffffffff815dc08b lock_acquire+0x4b ([kernel.kallsyms])\n"
      "\tffffffff816c3d5a down_write+0x2da ([kernel.kallsyms])\n"
      "\t    7efc208f2ad7 main+0x7 (/usr/bin/app)\n"
      "\n"
      "app 7 [000] 1.000002: lock:lock_acquire: 0xffff888000000002 B\n");
  REQUIRE(perf.edges.size() == 1);
  CHECK(perf.edges[0].first.held.path == Calls{"down_write"});
}

TEST_CASE("one line that stands for two locks has one path for both") {
  const LockReport report = report_of(
      "app 7 [000] 1.000001: xfs:xfs_ilock: dev 7:0 ino 0x83 flags IOLOCK_EXCL|MMAPLOCK_EXCL "
      "caller "
      "f+0x1\n"
      "\tffffffff816c3d5a xfs_ilock+0x2da ([kernel.kallsyms])\n");
  REQUIRE(report.edges.size() == 1);
  CHECK(report.edges[0].first.held.path == Calls{"xfs_ilock"});
  CHECK(report.edges[0].first.wanted.path == Calls{"xfs_ilock"});
}

TEST_CASE("a circle of instances leads through a lock of another name") {
  // The classes A, B and A/1 are in order; the instance 11 is taken before and after B.
  const LockReport report = orders({{"one-1", {"A#11", "B#21"}}, {"two-2", {"B#21", "A/1#11"}}});
  REQUIRE(report.circles.size() == 1);
  CHECK(report.circles[0].instances);
  CHECK(report.circles[0].steps.size() == 2);
  CHECK(orders({{"one-1", {"A#11", "B#21"}}, {"two-2", {"B#21", "A/1#12"}}}).clean());
  // Through two others, and with the subclass known from the beginning.
  const LockReport longer = orders(
      {{"one-1", {"A/1#11", "B#21"}}, {"two-2", {"B#21", "C#31"}}, {"three-3", {"C#31", "A#11"}}});
  REQUIRE(longer.circles.size() == 1);
  CHECK(longer.circles[0].steps.size() == 3);
}

TEST_CASE("what the classes show is not told again by instance") {
  const LockReport report =
      orders({{"one-1", {"A#11", "B#21"}}, {"two-2", {"B#21", "A#11"}}, {"three-3", {"A/1#12"}}});
  REQUIRE(report.circles.size() == 1);
  CHECK_FALSE(report.circles[0].instances);
}

TEST_CASE("which instance of a name was seen first does not matter") {
  // K 1 and K 2 come before M, and M before K/1 2: in whatever order that is seen.
  using Orders = std::vector<std::pair<std::string, std::vector<std::string>>>;
  Orders seen = {{"a-1", {"K#11", "M#91"}}, {"b-2", {"K#12", "M#91"}}, {"c-3", {"M#91", "K/1#12"}}};
  std::sort(seen.begin(), seen.end());
  do {
    const LockReport report = orders(seen);
    REQUIRE(report.circles.size() == 1);
    CHECK(report.circles[0].instances);
  } while (std::next_permutation(seen.begin(), seen.end()));
}

TEST_CASE("many clean pairs of instances do not hide the one that is not") {
  std::vector<std::pair<std::string, std::vector<std::string>>> seen;
  for (unsigned i = 0; i < 5000; ++i) {
    const auto number = [](unsigned n) { return "#" + std::to_string(100000 + n); };
    seen.push_back({"a-1", {"K" + number(2 * i), "K/1" + number(2 * i + 1)}});
  }
  seen.push_back({"b-2", {"K#11", "K/1#12"}});
  CHECK(orders(seen).clean());
  seen.push_back({"c-3", {"K#12", "K/1#11"}});
  const LockReport report = orders(seen);
  CHECK(report.circles.size() == 1);
  CHECK_FALSE(report.instances_truncated);
}

TEST_CASE("a circle of instances may be guarded") {
  const auto guard = [](const std::string& second) {
    const LockReport report =
        orders({{"a-1", {"G#1f", "K#11", "K/1#12"}}, {"b-2", {second, "K#12", "K/1#11"}}});
    REQUIRE(report.circles.size() == 1);
    return report.circles[0].guard;
  };
  CHECK(guard("G#1f") == "G");
  CHECK(guard("G#2f") == "");  // another lock of that name
  // Once without it, and it is no guard.
  const LockReport report = orders({{"a-1", {"G#1f", "K#11", "K/1#12"}},
                                    {"b-2", {"G#1f", "K#12", "K/1#11"}},
                                    {"b-2", {"K#12", "K/1#11"}}});
  REQUIRE(report.circles.size() == 1);
  CHECK(report.circles[0].guard == "");
}
