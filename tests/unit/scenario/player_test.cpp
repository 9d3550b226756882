// Whole runs of small scenarios: accesses of odd places, repeats and who waits for them, and what
// is said of tasks that cannot go on. Expected values are arithmetic on what the steps say.
#include "scenario/world.hpp"
#include "trace/digest.hpp"
#include "trace/text_writer.hpp"
#include "unit/scenario/load_helper.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

/// A scenario that was played, with its trace and digest made on the way.
struct Played {
  explicit Played(const std::string& text) : scenario(good(text)) {
    TraceHeader header;
    header.scenario = scenario.name;
    header.profile = scenario.kernel.profile;
    TextWriter writer(tracer, header, TextSink::to_memory(&trace));
    Digest digest(tracer);
    tracer.add_sink(sink_ref(writer), EventMask::all());
    tracer.add_sink(sink_ref(digest), EventMask::all());
    World world(scenario, tracer, {});
    REQUIRE(world.errors().empty());
    result = world.run();
    writer.finish("completed");
    CHECK(digest.hex().size() == 32);
  }

  const StepResult& step(const std::string& name) const {
    for (std::uint32_t task = 0; task < scenario.tasks.size(); ++task) {
      for (std::uint32_t i = 0; i < scenario.tasks[task].steps.size(); ++i) {
        if (scenario.tasks[task].name + "." + step_name(scenario, TaskId(task), i) == name) {
          return result.steps[task][i];
        }
      }
    }
    FAIL("there is no step " << name);
    return result.steps[0][0];
  }

  std::size_t lines_with(const std::string& text) const {
    std::size_t n = 0;
    for (auto at = trace.find(text); at != trace.npos; at = trace.find(text, at + 1)) ++n;
    return n;
  }

  Scenario scenario;
  Tracer tracer;
  std::string trace;
  RunResult result;
};

std::string with_tasks(const std::string& tasks, const std::string& before = "") {
  return R"({"format": 1, "machine": {"cpus": 4}, )" + before + R"("tasks": {)" + tasks + "}}";
}

/// 64 KiB of anonymous memory, "m", and then these steps of the task "t".
std::string with_memory(const std::string& steps) {
  return with_tasks(R"("t": {"steps": [{"id": "m", "mmap": {"length": "64KiB",
    "prot": ["READ", "WRITE"], "flags": ["MAP_PRIVATE", "MAP_ANONYMOUS"]}}, )" +
                    steps + "]}");
}

}  // namespace

TEST_CASE("an address in the kernel's half is a number in the trace, and a SIGSEGV") {
  const Played run(with_tasks(R"("t": {"signals": {"SIGSEGV": "skip"}, "steps": [
    {"id": "top", "load": {"at": "0xfffffffffffff000", "length": 4}},
    {"id": "low", "store": {"at": "0xffff800000000001", "length": 1}},
    {"id": "gap", "load": {"at": "0x8000000000000000"}}]})"));
  CHECK(run.lines_with("address=0xfffffffffffff000 ip=0x401000 error_code=0x4\n") == 1);
  CHECK(run.lines_with("address=0xffff800000000001 ip=0x401000 error_code=0x6\n") == 1);
  CHECK(run.lines_with("page_fault_user") == 2);  // a gap in the addresses is no page fault
  for (const char* const name : {"t.top", "t.low", "t.gap"}) {
    INFO(name);
    REQUIRE(run.step(name).signal);
    CHECK(run.step(name).signal->sig == 11);
  }
  CHECK(run.step("t.top").signal->code == 1);     // SEGV_MAPERR
  CHECK(run.step("t.gap").signal->code == 0x80);  // SI_KERNEL: general protection
}

TEST_CASE("an access that crosses a page has the bytes of both") {
  const Played run(with_memory(R"(
    {"id": "s", "store": {"at": "m+4092", "value": "0x1122334455667788"}},
    {"id": "all", "load": {"at": "m+4092"}}, {"id": "high", "load": {"at": "m+4096"}},
    {"id": "low", "load": {"at": "m+4088"}}, {"id": "odd", "load": {"at": "m+4094", "length": 3}},
    {"id": "long", "store": {"at": "m+8189", "length": 12, "value": "0x8877665544332211"}},
    {"id": "tail", "load": {"at": "m+8193"}},
    {"id": "pages", "store": {"at": "m+16379", "length": 5000, "value": "0x8877665544332211"}},
    {"id": "far", "load": {"at": "m+20475", "length": 8}})"));
  CHECK(run.step("t.all").result == 0x1122334455667788);
  CHECK(run.step("t.high").result == 0x11223344);
  CHECK(run.step("t.low").result == 0x5566778800000000);
  CHECK(run.step("t.odd").result == 0x445566);
  CHECK(run.step("t.s").fault_count == 2);
  CHECK(run.step("t.tail").result == 0x4433221188776655);  // 4 bytes on: the value begins anew at 8
  CHECK(static_cast<std::uint64_t>(run.step("t.far").result) == 0x8877665544332211);
}

TEST_CASE("a store whose second page is not there changes nothing") {
  const Played run(with_tasks(R"("t": {"signals": {"SIGSEGV": "skip"}, "steps": [
    {"id": "m", "mmap": {"length": "64KiB", "prot": ["READ", "WRITE"],
                         "flags": ["MAP_PRIVATE", "MAP_ANONYMOUS"]}},
    {"id": "s", "store": {"at": "m+65532", "value": "0x1122334455667788"}},
    {"id": "l", "load": {"at": "m+65532", "length": 4}}]})"));
  CHECK(run.step("t.s").signal.has_value());
  CHECK(run.step("t.s").fault_count == 2);  // its first page was brought in all the same
  CHECK(run.step("t.l").fault_count == 0);
  CHECK(run.step("t.l").result == 0);
}

TEST_CASE("a repeat waits as any step does, and is a step of the trace") {
  const Played run(with_tasks(R"("a": {"cpu": 0, "steps": [
    {"id": "r", "after": ["b.y"], "repeat": {"times": 3, "steps": [
      {"id": "q", "compute": {"for": 10}}]}}]},
    "b": {"cpu": 1, "steps": [{"id": "y", "compute": {"for": 1000}}]})"));
  CHECK(run.step("a.r").start.v >= 1000);
  CHECK(run.step("a.r").end.v - run.step("a.r").start.v == 30);
  CHECK(run.lines_with(" sim_step: a.r") == 1);
  CHECK(run.lines_with(" sim_step_done: a.r") == 1);
  CHECK(run.lines_with(" sim_step: a.q") == 3);
}

TEST_CASE("a waiter goes on when the step has ended once, however soon that begins again") {
  const Played run(with_tasks(R"("a": {"cpu": 0, "steps": [
    {"id": "r", "repeat": {"times": 3, "steps": [{"id": "q", "compute": {"for": "1ms"}}]}}]},
    "b": {"cpu": 1, "steps": [{"id": "y", "after": ["a.q"], "compute": {"for": 1}}]},
    "c": {"cpu": 2, "steps": [{"id": "y", "after": ["a.r"], "compute": {"for": 1}}]})"));
  CHECK(run.step("b.y").start.v >= 1'000'000);
  CHECK(run.step("b.y").start.v < 2'000'000);
  CHECK(run.step("c.y").start.v >= 3'000'000);
}

TEST_CASE("the faults of a repeat are those of its body, every time round") {
  const Played run(with_memory(R"({"id": "r", "repeat": {"times": 2, "steps": [
    {"id": "a", "store": {"at": "m"}},
    {"id": "in", "repeat": {"times": 3, "steps": [
      {"id": "b", "store": {"at": "m+4096", "count": 2, "stride": 4096}}]}},
    {"id": "u", "madvise": {"addr": "m", "length": "64KiB", "advice": "DONTNEED"}}]}})"));
  CHECK(run.step("t.b").fault_count == 0);
  CHECK(run.step("t.in").fault_count == 2);
  CHECK(run.step("t.r").fault_count == 6);
  CHECK(run.step("t.r").faults.size() == 6);
}

TEST_CASE("a stuck run says who waits for what, and who could have ended it") {
  const Played lock(with_tasks(R"("t1": {"cpu": 0, "steps": [{"lock": {"name": "A"}}]},
    "t2": {"cpu": 1, "steps": [{"compute": {"for": "10us"}}, {"lock": {"name": "A"}}]})",
                               R"("locks": {"A": {"type": "mutex"}}, )"));
  REQUIRE(lock.result.findings.size() == 1);
  const Finding& stuck = lock.result.findings[0];
  CHECK(stuck.kind == "stuck");
  CHECK(stuck.text.find("; t2 wants A (exclusive) in ") != stuck.text.npos);
  CHECK(stuck.text.find(", held by t1 (exclusive), which has ended") != stuck.text.npos);
  REQUIRE(stuck.locks.size() == 2);
  CHECK((stuck.locks[0].role == "wanted" && stuck.locks[0].task == "t2"));
  CHECK_FALSE(stuck.locks[0].path.empty());
  CHECK((stuck.locks[1].role == "held" && stuck.locks[1].task == "t1"));

  const Played step(with_tasks(
      R"("a": {"steps": [{"id": "f", "fork": {"child": "b"}, "after": ["b.y"]}]},
    "b": {"parent": "a", "steps": [{"id": "y", "compute": {"for": 1}}]})"));
  REQUIRE(step.result.findings.size() == 1);
  CHECK(step.result.findings[0].text.find(
            "; a waits for the step b.y of b, which nobody has started") != std::string::npos);

  const Played spin(with_tasks(R"("a": {"cpu": 0, "steps": [{"lock": {"name": "S"}},
    {"sleep": {"for": "50us"}}, {"unlock": {"name": "S"}}]},
    "b": {"cpu": 0, "steps": [{"compute": {"for": 10}}, {"lock": {"name": "S"}}]})",
                               R"("locks": {"S": {"type": "spinlock"}}, )"));
  REQUIRE_FALSE(spin.result.findings.empty());
  const std::string& text = spin.result.findings[0].text;
  CHECK(text.find("; a could go on, but b spins on CPU 0") != text.npos);
  CHECK(text.find("; b wants S (exclusive) in ") != text.npos);
  CHECK(text.find(", held by a (exclusive)") != text.npos);
}

TEST_CASE("a lock that cannot be downgraded is named, and is no release") {
  const Played run(with_tasks(R"("t": {"steps": [{"lock": {"name": "A"}},
    {"downgrade": {"name": "A"}}]})",
                              R"("locks": {"A": {"type": "mutex"}}, )"));
  REQUIRE(run.result.findings.size() == 1);
  CHECK(run.result.findings[0].kind == "kernel-warn");
  REQUIRE(run.result.findings[0].locks.size() == 1);
  CHECK(run.result.findings[0].locks[0].lock_class == "A");
  CHECK(run.result.findings[0].locks[0].role == "held");
  CHECK(run.result.findings[0].locks[0].task == "t");
}
