// The human summary: whole texts for a good run and a deadlock, shortening, colour, odd characters.
#include <fmt/format.h>

#include "result_helper.hpp"
#include "scenario/summary.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

std::string summary(Fabricated& run, Paint paint = Paint::plain) {
  const Judgement judgement = run.judgement();
  return summary_text({run.scenario, run.result, judgement, 1}, paint);
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
  return n;
}

/// A task of `n` fences.
Fabricated many_steps(int n) {
  std::string steps;
  for (int i = 0; i < n; ++i) steps += fmt::format("{}{{\"fence\": {{}}}}", i > 0 ? ", " : "");
  return Fabricated(R"({"format": 1, "tasks": {"t": {"steps": [)" + steps + "]}}}");
}

}  // namespace

TEST_CASE("the summary of the design's example") {
  Fabricated run(sealed_scenario);
  run.result.time = Nanos(1234567);
  run.result.events = 99;
  run.result.steps[0] = {done(3), done(0x7f0000000000),
                         faulted(2, VM_FAULT_MAJOR | VM_FAULT_NOPAGE, 0), killed(7, 2)};
  run.result.steps[0][3].start = Nanos(1000);
  run.result.steps[0][3].end = Nanos(13345);
  run.result.steps[1][1] = done(65536);
  CHECK(summary(run) == R"(fallocate_is_refused_while_sealed
  One task seals a DAX file with MAP_DIRECT and stores to it;
  another tries to punch a hole.

profile linux-6.12, seed 1
completed at 1234.567us after 99 events

step           verb    result                 start      took  faults
writer.fd      open    3                    0.000us   0.000us
writer.map     mmap    0x7f0000000000       0.000us   0.000us
writer.st1     store   ok                   0.000us   0.000us  2, last MAJOR|NOPAGE, leaf 4KiB
writer.st2     store   SIGBUS (BUS_ADRERR)  1.000us  12.345us
puncher.fd     open    0                    0.000us   0.000us
puncher.punch  pwrite  65536                0.000us   0.000us

expectations: 3 of 4 hold
  ok        writer.st2: signal SIGBUS
  NOT HELD  puncher.punch: errno ETXTBSY
            dir/s.json:17: puncher.punch: errno is 0 (success), expected ETXTBSY
  ok        {"outcome": "completed"}
  ok        {"lock_cycles": "none"}

not ok: an expectation does not hold (exit code 1)
)");
}

TEST_CASE("a deadlock is told as a cycle") {
  Fabricated run(std::string(two_tasks) + "}");
  run.result.outcome = Outcome::deadlock;
  run.result.findings.push_back(two_locks_deadlock());
  run.result.reason = run.result.findings[0].text;
  run.result.time = Nanos(5000);
  for (auto& task : run.result.steps) task[0].state = StepState::blocked;
  CHECK(summary(run) == R"(two

profile linux-6.12, seed 1
deadlock at 5.000us after 0 events

step      verb   result     start  took  faults
left.go   fence  blocked  0.000us
right.go  fence  blocked  0.000us

findings
  deadlock: left and right wait for each other
    left   holds A (exclusive)
                 taken in sys_write > take_a
           wants B/1 (shared)
                 in sys_write > take_b
    right  holds B/1 (exclusive)
                 taken in sys_read > take_b
           wants A (exclusive)
    and so round to left

not ok: nobody expected the outcome deadlock (exit code 1)
)");
}

TEST_CASE("what a summary says of findings") {
  Fabricated run(std::string(two_tasks) + R"(, "expect": [{"finding": {"kind": "kernel-warn"}}]})");
  run.result.findings = {{"kernel-warn", "odd", {}}, {"lock-cycle", "A, B, A", {}}};
  auto text = summary(run);
  CHECK(count(text, "  kernel-warn (expected): odd\n") == 1);
  CHECK(count(text, "  lock-cycle (possible): A, B, A\n") == 1);
  CHECK(count(text, "\n\nok\n") == 1);
  run.result.findings.push_back({"bad-release", "of C", {}});
  CHECK(count(summary(run), "not ok: nobody expected the bad-release (exit code 1)\n") == 1);
}

TEST_CASE("sixty steps are shown, of more only the first and what went otherwise") {
  Fabricated sixty = many_steps(60);
  CHECK(count(summary(sixty), "\nt.") == 60);
  CHECK(count(summary(sixty), "not shown") == 0);

  Fabricated many = many_steps(200);
  for (int i = 100; i < 125; ++i) many.result.steps[0][i] = failed(12);
  const auto text = summary(many);
  CHECK(count(text, "\nt.") == 60);
  CHECK(count(text, "\nt.39 ") == 1);
  CHECK(count(text, "\nt.40 ") == 0);
  CHECK(count(text, "\nt.119 ") == 1);
  CHECK(count(text,
              "140 of 200 steps are not shown: 135 succeeded, 5 did not (--report has all)\n") ==
        1);
}

TEST_CASE("many expectations are shortened, but not those that fail") {
  std::string steps;
  for (int i = 0; i < 100; ++i) {
    steps += fmt::format("{}{{\"fence\": {{}}, \"expect\": {{\"errno\": 0}}}}", i > 0 ? ", " : "");
  }
  Fabricated run(R"({"format": 1, "tasks": {"t": {"steps": [)" + steps + "]}}}");
  run.result.steps[0][99] = failed(1);
  const auto text = summary(run);
  CHECK(count(text, "expectations: 99 of 100 hold\n") == 1);
  CHECK(count(text, "  ok        t.") == 40);
  CHECK(count(text, "  NOT HELD  t.99: errno 0\n") == 1);
  CHECK(count(text, "  59 more are not shown: 59 hold, 0 do not (--report has all)\n") == 1);
}

TEST_CASE("colour marks what held and what did not, and plain text has no escapes") {
  Fabricated run(sealed_scenario);
  const auto text = summary(run, Paint::colour);
  CHECK(count(text, "\x1b[31m  NOT HELD  writer.st2: signal SIGBUS\x1b[0m\n") == 1);
  CHECK(count(text, "\x1b[32m  ok        {\"outcome\": \"completed\"}\x1b[0m\n") == 1);
  CHECK(count(summary(run), "\x1b") == 0);
}

TEST_CASE("control characters of the scenario do not reach the terminal") {
  Fabricated run(R"({"format": 1, "name": "n", "doc": ["a\u001b[31mb\nc"],
"tasks": {"t": {"steps": [{"fence": {}}]}}})");
  CHECK(count(summary(run), "  a?[31mb?c\n") == 1);
}

TEST_CASE("lines have no spaces at their end") {
  Fabricated run(sealed_scenario);
  CHECK(count(summary(run), " \n") == 0);
}
