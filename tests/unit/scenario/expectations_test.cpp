// Verdicts on fabricated results: each kind of expectation held, not held, and what is said then;
// which outcomes and findings change the exit code; which records the sink counts.
#include <functional>
#include <initializer_list>

#include "result_helper.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

/// A scenario of one task "t": an `mmap` step "map" in line 2 and the step under test in line 3.
std::string step_scenario(const std::string& verb, const std::string& expect) {
  return R"({"format": 1, "tasks": {"t": {"steps": [
{"id": "map", "mmap": {"length": 8192, "flags": ["MAP_PRIVATE", "MAP_ANONYMOUS"]}},
{"id": "s", )" +
         verb + expect + "}]}}}";
}

const std::string load = R"("load": {"at": "map"})";
const std::string unmap = R"("munmap": {"addr": "map", "length": 1})";

Verdict of_step(const std::string& verb, const std::string& expect, const StepResult& result) {
  Fabricated run(step_scenario(verb, ", \"expect\": " + expect));
  run.result.steps[0] = {done(0x7f0000000000), result};
  return run.verdict();
}

Verdict of_run(const std::string& expect, const std::function<void(Fabricated&)>& play,
               std::uint64_t lock_cycles = 0) {
  Fabricated run(std::string(two_tasks) + ",\n\"expect\": [" + expect + "]}");
  play(run);
  return run.verdict(lock_cycles);
}

void play_nothing(Fabricated&) {}

void check(const Verdict& verdict, bool held, const std::string& detail) {
  CAPTURE(verdict.text);
  CHECK(verdict.held == held);
  CHECK(verdict.detail == detail);
}

}  // namespace

TEST_CASE("errno of a step") {
  check(of_step(unmap, R"({"errno": "EINVAL"})", failed(22)), true, "");
  check(of_step(unmap, R"({"errno": 0})", done(0)), true, "");
  check(of_step(unmap, R"({"errno": "ETXTBSY"})", done(0)), false,
        "dir/s.json:3: t.s: errno is 0 (success), expected ETXTBSY");
  check(of_step(unmap, R"({"errno": "ETXTBSY"})", failed(22)), false,
        "dir/s.json:3: t.s: errno is EINVAL, expected ETXTBSY");
  check(of_step(unmap, R"({"errno": 0})", failed(12)), false,
        "dir/s.json:3: t.s: errno is ENOMEM, expected 0 (success)");
  check(of_step(load, R"({"errno": 0})", killed(7, 2)), false,
        "dir/s.json:3: t.s: ended by SIGBUS (BUS_ADRERR), expected errno 0 (success)");
  CHECK(of_step(unmap, R"({"errno": "EINVAL"})", failed(22)).text == "t.s: errno EINVAL");
}

TEST_CASE("a step that did not end meets nothing") {
  StepResult blocked = done(0), unreached;
  blocked.state = StepState::blocked;
  check(of_step(unmap, R"({"errno": 0})", blocked), false,
        "dir/s.json:3: t.s: the step is blocked, expected errno 0");
  check(of_step(load, R"({"faults": 0, "leaf": "none"})", unreached), false,
        "dir/s.json:3: t.s: the step was not reached, expected faults 0, leaf none");
}

TEST_CASE("value of a step: a number, what a load read, an address of another step") {
  check(of_step(load, R"({"value": "0x4141"})", done(0x4141)), true, "");
  check(of_step(load, R"({"value": "0x4141"})", done(0x4142)), false,
        "dir/s.json:3: t.s: value is 0x4142, expected 0x4141");
  check(of_step(load, R"({"value": "0xffffffffffffffff"})", done(-1)), true, "");
  const std::string move = R"("mmap": {"addr": "map", "length": 4096})";
  check(of_step(move, R"({"value": "map"})", done(0x7f0000000000)), true, "");
  check(of_step(move, R"({"value": "map+4KiB"})", done(0x7f0000000000)), false,
        "dir/s.json:3: t.s: value is 0x7f0000000000, expected 0x7f0000001000 (t.map+0x1000)");
  check(of_step(move, R"({"value": "map"})", failed(12)), false,
        "dir/s.json:3: t.s: failed with ENOMEM, expected value 0x7f0000000000 (t.map)");
  check(of_step(load, R"({"value": 5})", killed(11, 1)), false,
        "dir/s.json:3: t.s: ended by SIGSEGV (SEGV_MAPERR), expected value 0x5");

  Fabricated run(step_scenario(move, R"(, "expect": {"value": "map"})"));
  run.result.steps[0] = {failed(12), done(0)};
  check(run.verdict(), false,
        "dir/s.json:3: t.s: expected value t.map, but that step gave no address");

  Fabricated own(step_scenario(R"("load": {"at": "map", "value": 7})", ""));
  own.result.steps[0][1] = done(8);
  check(own.verdict(), false, "dir/s.json:3: t.s: value is 0x8, expected 0x7");
}

TEST_CASE("signal and si_code of a step") {
  check(of_step(load, R"({"signal": "SIGBUS"})", killed(7, 2)), true, "");
  check(of_step(load, R"({"signal": "SIGBUS", "code": "BUS_ADRERR"})", killed(7, 2)), true, "");
  check(of_step(load, R"({"signal": "SIGBUS"})", done(0)), false,
        "dir/s.json:3: t.s: no signal, expected SIGBUS");
  check(of_step(load, R"({"signal": "SIGBUS"})", failed(14)), false,
        "dir/s.json:3: t.s: no signal (errno EFAULT), expected SIGBUS");
  check(of_step(load, R"({"signal": "SIGBUS"})", killed(11, 1)), false,
        "dir/s.json:3: t.s: signal is SIGSEGV (SEGV_MAPERR), expected SIGBUS");
  check(of_step(load, R"({"code": "SEGV_ACCERR"})", killed(11, 1)), false,
        "dir/s.json:3: t.s: code is SEGV_MAPERR, expected SEGV_ACCERR");
  check(of_step(load, R"({"signal": null})", done(0)), true, "");
  check(of_step(load, R"({"signal": null})", killed(7, 2)), false,
        "dir/s.json:3: t.s: signal is SIGBUS (BUS_ADRERR), expected none");
}

TEST_CASE("faults of a step: result bits and leaf of the last one, and how many") {
  const auto pmd = faulted(2, VM_FAULT_NOPAGE | VM_FAULT_MAJOR, 9);
  const auto page = faulted(1, VM_FAULT_NOPAGE, 0);
  const auto error = faulted(1, VM_FAULT_SIGBUS, ~0u);
  check(of_step(load, R"({"fault": ["MAJOR", "NOPAGE"], "faults": 2, "leaf": "2MiB"})", pmd), true,
        "");
  check(of_step(load, R"({"fault": ["NOPAGE"]})", pmd), false,
        "dir/s.json:3: t.s: result of the last fault is MAJOR|NOPAGE, expected NOPAGE");
  check(of_step(load, R"({"fault": ["NOPAGE"], "leaf": "4KiB"})", page), true, "");
  check(of_step(load, R"({"leaf": "2MiB", "faults": 3})", page), false,
        "dir/s.json:3: t.s: number of faults is 1, expected 3; leaf is 4KiB, expected 2MiB");
  check(of_step(load, R"({"leaf": "none"})", error), true, "");
  check(of_step(load, R"({"leaf": "4KiB"})", error), false,
        "dir/s.json:3: t.s: leaf is none, expected 4KiB");
  check(of_step(load, R"({"fault": ["NOPAGE"], "leaf": "4KiB"})", done(0)), false,
        "dir/s.json:3: t.s: there was no fault, expected NOPAGE; there was no fault, "
        "expected leaf 4KiB");
  check(of_step(load, R"({"fault": []})", faulted(1, {}, 0)), true, "");
}

TEST_CASE("xfail turns the verdict of a step round") {
  const std::string announced = R"("xfail": "not merged", "expect": {"errno": "EPERM"})";
  Fabricated run(step_scenario(unmap, ", " + announced));
  check(run.verdict(), true,
        "dir/s.json:3: t.s: errno is 0 (success), expected EPERM, as announced: not merged");
  CHECK_FALSE(run.verdict().met);
  run.result.steps[0][1] = failed(1);
  check(run.verdict(), false,
        "dir/s.json:3: t.s: unexpectedly passes: errno EPERM, although xfail says: not merged");
  CHECK(run.code() == 1);

  Fabricated bare(step_scenario(unmap, R"(, "xfail": "it breaks")"));
  CHECK_FALSE(bare.verdict().held);  // it succeeded
  bare.result.steps[0][1] = failed(1);
  CHECK(bare.verdict().held);
}

TEST_CASE("a step of which nothing is expected may fail or die") {
  Fabricated run(step_scenario(load, ""));
  run.result.steps[0][0] = failed(12);
  run.result.steps[0][1] = killed(11, 1);
  CHECK(run.judgement().verdicts.empty());
  CHECK(run.code() == 0);
}

TEST_CASE("outcome and lock cycles of a run") {
  check(of_run(R"({"outcome": "completed"})", play_nothing), true, "");
  check(of_run(R"({"outcome": "completed"})",
               [](Fabricated& run) {
                 run.result.outcome = Outcome::stuck;
                 run.result.reason = "left waits for nobody";
               }),
        false, "dir/s.json:3: outcome is stuck (left waits for nobody), expected completed");
  check(of_run(R"({"outcome": "kernel-bug"})",
               [](Fabricated& run) { run.result.outcome = Outcome::kernel_bug; }),
        true, "");
  check(of_run(R"({"lock_cycles": "none"})", play_nothing, 0), true, "");
  check(of_run(R"({"lock_cycles": 2})", play_nothing, 2), true, "");
  check(of_run(R"({"lock_cycles": "none"})", play_nothing, 1), false,
        "dir/s.json:3: number of lock cycles is 1, expected 0");
}

namespace {

void play_records(Fabricated& run) {
  const auto lock = [&](std::uint64_t at, std::uint32_t task, std::uint64_t flags) {
    run.tracer.emit<Event::xfs_ilock>(Nanos(at), CpuId(0), TaskId(task), make_dev(259, 0),
                                      Ino(0x85), flags, "xfs_read_fault");
  };
  lock(1000, 0, 32);
  lock(2000, 1, 16);
  run.tracer.emit<Event::sim_warn>(Nanos(2500), CpuId(0), TaskId(1), "odd");
  lock(3000, 0, 32);
}

}  // namespace

TEST_CASE("records are counted by event, field and task") {
  const auto counted = [](const std::string& match) {
    return of_run("{\"count\": {\"event\": " + match + "}}", play_records);
  };
  check(counted(R"("xfs_ilock", "is": 3)"), true, "");
  check(counted(R"("xfs_ilock", "where": {"flags": "MMAPLOCK_SHARED"}, "is": 2)"), true, "");
  check(counted(R"("xfs_ilock", "task": "right", "is": 1)"), true, "");
  check(counted(R"("xfs_ilock", "at_least": 2, "at_most": 3)"), true, "");
  check(counted(R"("xfs_ilock", "is": 2)"), false,
        "dir/s.json:3: count of xfs_ilock is 3, expected 2");
  check(counted(R"("xfs_ilock", "at_least": 4, "at_most": 9)"), false,
        "dir/s.json:3: count of xfs_ilock is 3, expected at least 4 and at most 9");
  check(counted(R"("xfs_ilock", "at_most": 2)"), false,
        "dir/s.json:3: count of xfs_ilock is 3, expected at most 2");
}

TEST_CASE("records in order are a subsequence; never means none") {
  const std::string shared = R"({"event": "xfs_ilock", "where": {"flags": "MMAPLOCK_SHARED"}})";
  const std::string excl = R"({"event": "xfs_ilock", "where": {"flags": "MMAPLOCK_EXCL"}})";
  const std::string warn = R"({"event": "sim_warn"})";
  const auto ordered = [](std::initializer_list<std::string> matches) {
    std::string all;
    for (const auto& each : matches) all += (all.empty() ? "" : ", ") + each;
    return of_run("{\"order\": [" + all + "]}", play_records);
  };
  check(ordered({shared, excl, shared}), true, "");
  check(ordered({shared, warn}), true, "");
  check(ordered({shared, shared, shared}), false,
        "dir/s.json:3: 2 of 3 records came in this order; no xfs_ilock (number 3) after the last "
        "match at 3.000us in left");
  check(ordered({warn, excl}), false,
        "dir/s.json:3: 1 of 2 records came in this order; no xfs_ilock (number 2) after the last "
        "match at 2.500us in right");
  check(of_run("{\"never\": {\"event\": \"sim_step\"}}", play_records), true, "");
  check(of_run(R"({"never": {"event": "sim_step", "where": {"no": 1}}})", play_records), false,
        "dir/s.json:3: sim_step has no field \"no\"");
  check(of_run("{\"never\": " + shared + "}", play_records), false,
        "dir/s.json:3: xfs_ilock was seen 2 times, last at 3.000us in left, expected never");
}

TEST_CASE("deadlocks and findings are recognised by tasks, locks and names") {
  const auto locked = [](Fabricated& run) {
    run.result.outcome = Outcome::deadlock;
    run.result.findings.push_back(two_locks_deadlock());
  };
  check(of_run(R"({"deadlock": {"tasks": ["right", "left"], "locks": ["B/1", "A"]}})", locked),
        true, "");
  check(of_run(R"({"deadlock": {"tasks": ["left"], "locks": ["B"]}})", locked), true, "");
  check(of_run(R"({"deadlock": {}})", locked), true, "");
  check(of_run(R"({"deadlock": {"locks": ["C"]}})", locked), false,
        "dir/s.json:3: the deadlock is another one: left holds A, left wants B/1, "
        "right holds B/1, right wants A");
  check(of_run(R"({"deadlock": {}})", play_nothing), false,
        "dir/s.json:3: there is no deadlock; outcome is completed");
  check(of_run(R"({"finding": {"kind": "deadlock", "names": ["take_b", "A", "left"]}})", locked),
        true, "");
  check(of_run(R"({"finding": {"kind": "deadlock", "names": ["lef"]}})", locked), false,
        "dir/s.json:3: the deadlock found does not name all of lef: left and right wait for each "
        "other");
  check(of_run(R"({"finding": {"kind": "recursion"}})", locked), false,
        "dir/s.json:3: findings are deadlock, expected recursion");
}

TEST_CASE("final extents, entries and content") {
  const std::string base = R"({"format": 1, "devices": {"p": {"pmem": {"size": "64MiB"}}},
"filesystems": {"x": {"xfs": {"device": "p"}}}, "files": {"f": {"fs": "x", "size": "1MiB"}},
"tasks": {"t": {"steps": [{"id": "map", "mmap": {"length": 4096}}]}}, "expect": [)";
  const auto verdict = [&](const std::string& expect) {
    Fabricated run(base + expect + "]}");
    run.result.steps[0][0] = done(0x7f0000000000);
    run.state.all_extents = {{0, 4096, ExtentState::written, 8192},
                             {4096, 4096, ExtentState::written, 65536},
                             {16384, 4096, ExtentState::unwritten, 4096}};
    run.state.entry = {PteState::rw, LeafSize::page};
    run.state.entry_at = 0x7f0000001000;
    run.state.words[24] = 0x1122;
    return run.verdict();
  };
  const std::string both = R"({"at": 0, "length": "8KiB", "state": "written"},
      {"at": "8KiB", "length": "8KiB", "state": "hole"})";
  check(verdict(R"({"extents": {"file": "f", "is": [)" + both +
                R"(, {"at": "16KiB", "length": 4096, "state": "unwritten"}]}})"),
        true, "");
  check(verdict(R"({"extents": {"file": "f", "is": [)" + both + "]}}"), false,
        "dir/s.json:3: extents of f are [0x0+0x2000 written, 0x4000+0x1000 unwritten], expected "
        "[0x0+0x2000 written]");
  for (const char* last :
       {R"("length": 8192, "state": "unwritten")", R"("length": 4096, "state": "written")"}) {
    CHECK_FALSE(verdict(R"({"extents": {"file": "f", "is": [)" + both + R"(, {"at": "16KiB", )" +
                        last + "}]}}")
                    .held);
  }
  check(verdict(R"({"pte": {"at": "map+4KiB", "is": "rw", "leaf": "4KiB"}})"), true, "");
  check(verdict(R"({"pte": {"at": "map", "is": "none"}})"), true, "");
  check(verdict(R"({"pte": {"at": "map+4KiB", "is": "ro"}})"), false,
        "dir/s.json:3: the entry at 0x7f0000001000 is rw, leaf 4KiB, expected ro");
  check(verdict(R"({"pte": {"at": "map+4KiB", "is": "rw", "leaf": "2MiB"}})"), false,
        "dir/s.json:3: the entry at 0x7f0000001000 is rw, leaf 4KiB, expected rw, leaf 2MiB");
  check(verdict(R"({"content": {"file": "f", "at": 24, "value": "0x1122"}})"), true, "");
  check(verdict(R"({"content": {"file": "f", "at": 32, "value": "0x1122"}})"), false,
        "dir/s.json:3: f holds 0x0 at 0x20, expected 0x1122");
}

TEST_CASE("in one schedule, `some` is never refuted and `none` is turned round") {
  const auto judged = [](const std::string& outcome, InSchedules in) {
    return of_run("{\"outcome\": \"" + outcome + "\"}",
                  [in](Fabricated& run) { run.scenario.expect[0].in = in; });
  };
  check(judged("deadlock", InSchedules::some), true,
        "dir/s.json:3: not in this schedule: outcome is completed, expected deadlock");
  CHECK_FALSE(judged("deadlock", InSchedules::some).met);
  CHECK(judged("completed", InSchedules::some).met);
  check(judged("deadlock", InSchedules::none), true, "");
  check(judged("completed", InSchedules::none), false,
        "dir/s.json:3: it is so in this schedule, expected in none");

  Fabricated run(std::string(two_tasks) + R"(, "expect": [{"outcome": "stuck"}]})");
  run.result.outcome = Outcome::stuck;
  CHECK(run.judgement().outcome_expected);
  run.scenario.expect[0].in = InSchedules::none;
  CHECK_FALSE(run.judgement().outcome_expected);
}

namespace {

int code_of(const std::string& expect, Outcome outcome, const std::vector<std::string>& kinds,
            InSchedules in = InSchedules::every) {
  Fabricated run(std::string(two_tasks) + ", \"expect\": [" + expect + "]}");
  for (auto& each : run.scenario.expect) each.in = in;
  run.result.outcome = outcome;
  for (const auto& kind : kinds) {
    run.result.findings.push_back(
        {kind, kind == "deadlock" ? "left and right" : "f went wrong",
         kind == "deadlock" ? two_locks_deadlock().locks : std::vector<FindingLock>{}});
  }
  return run.code();
}

}  // namespace

TEST_CASE("exit codes") {
  const std::string deadlock = R"({"deadlock": {"tasks": ["left"]}})";
  const std::string other = R"({"deadlock": {"locks": ["C"]}})";
  CHECK(code_of("", Outcome::completed, {}) == 0);
  CHECK(code_of(R"({"outcome": "stuck"})", Outcome::completed, {}) == 1);
  CHECK(code_of("", Outcome::deadlock, {"deadlock"}) == 1);
  CHECK(code_of("", Outcome::stuck, {}) == 1);
  CHECK(code_of("", Outcome::kernel_bug, {"kernel-bug"}) == 1);
  CHECK(code_of(R"({"outcome": "deadlock"})", Outcome::deadlock, {"deadlock"}) == 0);
  CHECK(code_of(deadlock, Outcome::deadlock, {"deadlock"}) == 0);
  CHECK(code_of(other, Outcome::deadlock, {"deadlock"}) == 1);
  CHECK(code_of(deadlock, Outcome::deadlock, {"deadlock", "kernel-warn"}) == 1);
  CHECK(code_of(deadlock, Outcome::deadlock, {"deadlock"}, InSchedules::some) == 0);
  CHECK(code_of(deadlock, Outcome::deadlock, {"deadlock"}, InSchedules::none) == 1);
  CHECK(code_of(other, Outcome::deadlock, {"deadlock"}, InSchedules::none) == 1);
  CHECK(code_of(R"({"outcome": "stuck"})", Outcome::stuck, {"stuck"}) == 0);
  CHECK(code_of(R"({"finding": {"kind": "kernel-bug"}})", Outcome::kernel_bug, {"kernel-bug"}) ==
        0);
  CHECK(code_of("", Outcome::completed, {"kernel-warn"}) == 1);
  CHECK(code_of("", Outcome::completed, {"lock-cycle"}) == 0);
  const std::string warn = R"({"finding": {"kind": "kernel-warn", "names": ["f"]}})";
  CHECK(code_of(warn, Outcome::completed, {"kernel-warn"}) == 0);
  CHECK(code_of(warn, Outcome::completed, {"kernel-warn", "bad-release"}) == 1);
  CHECK(code_of(R"({"outcome": "completed"})", Outcome::limit, {}) == 4);
  CHECK(code_of(R"({"outcome": "limit"})", Outcome::limit, {}) == 0);
  CHECK(code_of("", Outcome::interrupted, {}) == 130);
}

TEST_CASE("a run without such expectations asks for no records") {
  CHECK(Fabricated(sealed_scenario).sink.mask().none());
  Fabricated run(std::string(two_tasks) +
                 R"(, "expect": [{"never": {"event": "sim_warn"}}, {"outcome": "completed"}]})");
  EventMask only;
  only.set(Event::sim_warn);
  CHECK(run.sink.mask() == only);
}
