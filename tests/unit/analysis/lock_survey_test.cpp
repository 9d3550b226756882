// Surveys of several traces: the union, what a real kernel's text leaves out, guards, instances,
// what happened, baselines, and the MAP_DIRECT circle. Expected values follow from the rules of
// lock_rules.md and corrections.md 5, by hand.
#include "catch.hpp"

#include "analysis/lock_baseline.hpp"
#include "analysis/lock_report.hpp"

using namespace faultline;

namespace {

/// Records of one trace, with times that count up.
struct Script {
  bool native = true;
  std::string outcome = "completed";
  std::string body;
  unsigned records = 0;

  Script& add(const std::string& task, const std::string& event) {
    body += task + " [000] ..... 0." + std::to_string(1000000 + ++records) + ": " + event + "\n";
    return *this;
  }
  std::string text() const {
    if (!native) return "# tracer: nop\n#\n" + body;
    return "# tracer: nop\n# faultline: format=1 scenario=s profile=linux-6.12 seed=1 level=all\n" +
           body + "# faultline: end outcome=" + outcome + " records=" + std::to_string(records) +
           "\n";
  }
  void read(LockSurvey& survey, const std::string& name) const {
    survey.begin_trace(name);
    auto line = [&](const TraceLine& l) { survey.line(l); };
    const TraceResult result = read_trace_text(text(), name, line_sink(line));
    REQUIRE(result.ok());
    survey.end_trace(result.info);
  }
};

/// `+A` takes, `-A` releases; a lock's instance is its letter.
Script locks(const std::string& task, const std::string& words, Script script = {}) {
  for (std::size_t i = 0; i < words.size(); i += 3) {
    const std::string lock =
        std::string("00000000000000") + std::to_string(int(words[i + 1])) + " " + words[i + 1];
    script.add(task, (words[i] == '+' ? "lock_acquire: " : "lock_release: ") + lock);
  }
  return script;
}

LockReport report_of(const std::vector<Script>& scripts, bool try_wait = true) {
  LockSurvey survey({try_wait, false});
  for (std::size_t i = 0; i < scripts.size(); ++i) {
    scripts[i].read(survey, "t" + std::to_string(i));
  }
  return lock_report(survey);
}

}  // namespace

TEST_CASE("an inversion between two traces is found in their union only") {
  const Script ab = locks("one-1", "+A +B -B -A"), ba = locks("two-1", "+B +A -A -B");
  CHECK(report_of({ab}).clean());
  CHECK(report_of({ba}).clean());
  const LockReport both = report_of({ab, ba, ab});
  REQUIRE(both.circles.size() == 1);
  REQUIRE(both.edges.size() == 2);
  CHECK(both.edges[0].from == "A");
  CHECK(both.edges[0].count == 2);
  CHECK(both.edges[0].traces == 2);
  CHECK(both.edges[1].count == 1);
  CHECK(both.edges[1].traces == 1);
  CHECK(both.edges[0].in_circle);
  CHECK(both.circles[0].steps[0].trace == "t1");
  CHECK(both.circles[0].steps[0].task == "two");
  CHECK(both.circles[0].steps[1].task == "one");
  CHECK(lock_report_text(both).starts_with(
      "WARNING: possible circular locking dependency detected\n"));
}

TEST_CASE("what one trace leaves held does not reach into the next") {
  CHECK(report_of({locks("one-1", "+A"), locks("one-1", "+B -B")}).edges.empty());
}

TEST_CASE("a guard that is always held is named, one that is sometimes missing is not") {
  const Script ab = locks("one-1", "+G +A +B -B -A -G");
  const Script ba = locks("two-2", "+G +B +A -A -B -G", ab);
  const LockReport guarded = report_of({ba});
  REQUIRE(guarded.circles.size() == 1);
  CHECK(guarded.circles[0].guard == "G");
  CHECK_FALSE(guarded.clean());
  const LockReport once = report_of({locks("one-1", "+A +B -B -A", ba)});
  REQUIRE(once.circles.size() == 1);
  CHECK(once.circles[0].guard.empty());
}

TEST_CASE("guards are instances: two of a class guard nothing") {
  Script s;
  s.add("one-1", "lock_acquire: 0000000000000001 G")
      .add("one-1", "lock_acquire: 000000000000000a A");
  s.add("one-1", "lock_acquire: 000000000000000b B")
      .add("one-1", "lock_release: 000000000000000b B");
  s.add("one-1", "lock_release: 000000000000000a A")
      .add("one-1", "lock_release: 0000000000000001 G");
  s.add("one-1", "lock_acquire: 0000000000000002 G")
      .add("one-1", "lock_acquire: 000000000000000b B");
  s.add("one-1", "lock_acquire: 000000000000000a A");
  const LockReport report = report_of({s});
  REQUIRE(report.circles.size() == 1);
  CHECK(report.circles[0].guard.empty());
}

TEST_CASE("two instances that are taken in different ways guard nothing either") {
  Script s;
  const auto under = [&](const char* guard, const char* first, const char* second) {
    s.add("one-1", std::string("lock_acquire: ") + guard);
    s.add("one-1", std::string("lock_acquire: 000000000000000") + first + " " + first);
    s.add("one-1", std::string("lock_acquire: 000000000000000") + second + " " + second);
    s.add("one-1", std::string("lock_release: 000000000000000") + second + " " + second);
    s.add("one-1", std::string("lock_release: 000000000000000") + first + " " + first);
    s.add("one-1", std::string("lock_release: ") + std::string(guard, 16) + " g");
  };
  under("0000000000000001 g", "a", "b");
  under("0000000000000002 read g", "b", "a");
  const LockReport report = report_of({s});
  REQUIRE(report.circles.size() == 1);
  CHECK(report.circles[0].guard.empty());
}

TEST_CASE("shared guards keep nobody apart") {
  Script s;
  for (const char* order : {"ab", "ba"}) {
    const std::string task = order[0] == 'a' ? "one-1" : "two-2";
    s.add(task, "lock_acquire: 0000000000000001 read G");
    for (const char* l = order; *l; ++l) {
      s.add(task, std::string("lock_acquire: 000000000000000") + *l + " " + *l);
    }
    for (const char l : {order[1], order[0]}) {
      s.add(task, std::string("lock_release: 000000000000000") + l + " " + l);
    }
    s.add(task, "lock_release: 0000000000000001 G");
  }
  const LockReport report = report_of({s});
  REQUIRE(report.circles.size() == 1);
  CHECK(report.circles[0].guard.empty());
}

TEST_CASE("instances taken the other way round under clean subclasses are a circle") {
  Script s;
  const auto both = [&](const char* task, const char* first, const char* second) {
    s.add(task, std::string("lock_acquire: 00000000000000") + first + " I");
    s.add(task, std::string("lock_acquire: 00000000000000") + second + " I/1");
    s.add(task, std::string("lock_release: 00000000000000") + second + " I/1");
    s.add(task, std::string("lock_release: 00000000000000") + first + " I");
  };
  both("one-1", "11", "22");
  CHECK(report_of({s}).clean());
  both("two-2", "22", "33");
  CHECK(report_of({s}).clean());
  both("two-2", "22", "11");
  const LockReport report = report_of({s});
  REQUIRE(report.circles.size() == 1);
  CHECK(report.circles[0].instances);
  CHECK(report.circles[0].steps[0].held.instance == 0x22);
  CHECK(report.circles[0].steps[0].wanted.instance == 0x11);
  CHECK(report.edges.size() == 1);

  // Numbers of another trace are other locks.
  Script first, second;
  std::swap(s, first);
  s = {};
  both("one-1", "11", "22");
  std::swap(s, first);
  s = {};
  both("one-1", "22", "11");
  std::swap(s, second);
  CHECK(report_of({first, second}).clean());
}

TEST_CASE("MAP_DIRECT under write(2), one thread, one after the other") {
  // The copy of write(2) holds i_rwsem and faults: the fault tries mmap_sem and would wait. The
  // fault handler of a MAP_DIRECT mapping then takes i_rwsem with mmap_sem held.
  Script s;
  s.add("w-1", "lock_acquire: 0000000000000001 &sb->s_type->i_mutex_key");
  s.add("w-1", "sim_lock_try_wait: 0000000000000002 read &mm->mmap_sem");
  s.add("w-1", "lock_acquire: 0000000000000002 try read &mm->mmap_sem");
  s.add("w-1", "lock_release: 0000000000000002 &mm->mmap_sem");
  s.add("w-1", "lock_release: 0000000000000001 &sb->s_type->i_mutex_key");
  s.add("w-1", "lock_acquire: 0000000000000002 &mm->mmap_sem");
  s.add("w-1", "lock_acquire: 0000000000000001 &sb->s_type->i_mutex_key");
  const LockReport report = report_of({s});
  REQUIRE(report.circles.size() == 1);
  CHECK(report.circles[0].try_then_wait);
  CHECK(lock_report_text(report).find("silent") != std::string::npos);
  const LockReport as_lockdep = report_of({s}, false);
  CHECK(as_lockdep.clean());
  CHECK(as_lockdep.edges.size() == 1);
}

TEST_CASE("a real kernel's text: no subclasses, recursive readers, a beginning in the middle") {
  Script s;
  s.native = false;
  s.add("a-1", "lock_release: 00000000000000ff held_before");
  s.add("a-1", "lock_acquire: 0000000000000001 &mm->mmap_lock");
  s.add("a-1", "lock_acquire: 0000000000000002 &mm->mmap_lock");  // dup_mmap: subclass 1
  s.add("a-1", "lock_acquire: 0000000000000003 read rcu_read_lock");
  s.add("a-1", "lock_acquire: 0000000000000003 read rcu_read_lock");
  const LockReport report = report_of({s});
  CHECK(report.clean());
  REQUIRE(report.classes.size() == 4);
  CHECK(report.edges[0].to == "&mm->mmap_lock/1");
  s.add("a-1", "lock_acquire: 0000000000000001 &mm->mmap_lock");
  CHECK(report_of({s}).misuses.size() == 1);  // the same lock again is no subclass
}

TEST_CASE("idle tasks of two CPUs are two tasks") {
  const std::string text =
      "          <idle>-0       [000] d.... 1.000001: lock_acquire: 0000000000000001 A\n"
      "          <idle>-0       [001] d.... 1.000002: lock_acquire: 0000000000000002 B\n";
  LockSurvey survey;
  survey.begin_trace("t");
  auto line = [&](const TraceLine& l) { survey.line(l); };
  survey.end_trace(read_trace_text(text, "t", line_sink(line)).info);
  CHECK(lock_report(survey).edges.empty());
}

TEST_CASE("a trace that ended in deadlock says who waits for whom: that happened") {
  Script s = locks("one-1", "+A");
  s.outcome = "deadlock";
  s.add("one-1", "sim_step: one.b lock");
  s = locks("two-2", "+B", s);
  s = locks("one-1", "+B", s);
  s.add("one-1", "lock_contended: 0000000000000066 B");
  s = locks("two-2", "+A", s);
  s.add("two-2", "lock_contended: 0000000000000065 A");
  const LockReport report = report_of({s});
  REQUIRE(report.deadlocks.size() == 1);
  REQUIRE(report.deadlocks[0].tasks.size() == 2);
  const BlockedTask& one = report.deadlocks[0].tasks[0];
  CHECK(one.task == "one");
  CHECK(one.step == "one.b lock");
  CHECK(one.wants == "B");
  CHECK(one.holds == std::vector<std::string>{"A"});
  CHECK(one.owners == std::vector<std::string>{"two"});
  CHECK(report.circles.size() == 1);
}

TEST_CASE("a baseline knows what it was written from, and tells what is new and gone") {
  const Script ab = locks("one-1", "+A +B -B -A"), bc = locks("one-1", "+B +C -C -B");
  const LockReport old = report_of({ab}), now = report_of({bc});
  const std::string text = baseline_text(old);
  CHECK(text ==
        "{\n  \"faultline_lock_order\": 1,\n  \"edges\": [\n"
        "    { \"from\": \"A\", \"to\": \"B\", \"kinds\": [\"EN\"] }\n  ]\n}\n");
  const auto same = compare_baseline(text, "order.json", old);
  REQUIRE(std::holds_alternative<BaselineDiff>(same));
  CHECK(std::get<BaselineDiff>(same).added.empty());
  const auto compared = compare_baseline(text, "order.json", now);
  REQUIRE(std::holds_alternative<BaselineDiff>(compared));
  const auto& diff = std::get<BaselineDiff>(compared);
  REQUIRE(diff.added.size() == 1);
  CHECK(diff.added[0].edge->from == "B");
  REQUIRE(diff.gone.size() == 1);
  CHECK((diff.gone[0].from == "A" && diff.gone[0].to == "B" && diff.gone[0].kind == "EN"));
  for (const char* bad : {"", "[]", "{\"edges\": []}", "{\"faultline_lock_order\": 1}",
                          "{\"faultline_lock_order\": 1, \"edges\": [{\"from\": 1}]}"}) {
    CHECK(std::holds_alternative<Diagnostic>(compare_baseline(bad, "order.json", now)));
  }
}

namespace {

// As Linux 4.13 prints it: a mapper that takes the inode's lock under mmap_sem, and a write(2)
// whose copy faults under the inode's lock, in one task. corrections.md 5.
LockReport map_direct_of(const std::string& task, bool try_wait) {
  Script s;
  s.native = false;
  const auto take = [&](const std::string& lock) { s.add(task, "lock_acquire: " + lock); };
  const auto drop = [&](const std::string& lock) { s.add(task, "lock_release: " + lock); };
  const std::string sem = "ffff880123450001 ", inode = "ffff880123450002 ";
  take(sem + "&mm->mmap_sem");
  take(inode + "&sb->s_type->i_mutex_key");
  drop(inode + "&sb->s_type->i_mutex_key");
  drop(sem + "&mm->mmap_sem");
  take(inode + "&sb->s_type->i_mutex_key");
  take(sem + "try read &mm->mmap_sem");
  drop(sem + "&mm->mmap_sem");
  drop(inode + "&sb->s_type->i_mutex_key");
  return report_of({s}, try_wait);
}

}  // namespace

TEST_CASE("a fault's try of mmap_lock in a real trace is an attempt that would wait") {
  const LockReport report = map_direct_of("app-7", true);
  REQUIRE(report.circles.size() == 1);
  CHECK(report.circles[0].try_then_wait);
  CHECK(map_direct_of("app-7", false).clean());
  CHECK(map_direct_of("khugepaged-7", true).clean());
}
