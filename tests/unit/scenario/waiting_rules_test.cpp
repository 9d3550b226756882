// Who waits for whom while a driver's hook sleeps: as measured with two threads of one process on a
// running 7.1.5. The hook sleeps 1 ms; the other thread acts 0.3 ms after it has begun.
#include <cerrno>
#include <csignal>

#include <fmt/format.h>

#include "scenario/world.hpp"
#include "unit/scenario/load_helper.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

enum Column { prepare, legacy_hook, mapped, mapped_hidden, closing, driver_fault, columns };

const char* const driver[columns] = {
    R"("hook": "mmap_prepare", "sleep": {"for": "1ms"}, "vm_ops": {"fault": "insert_page"})",
    R"("hook": "mmap", "sleep": {"for": "1ms"}, "vm_ops": {"fault": "insert_page"})",
    R"("hook": "mmap_prepare", "vm_ops": {"fault": "insert_page",
       "mapped": {"sleep": {"for": "1ms"}}})",
    R"("hook": "mmap_prepare", "hide_from_rmap": true, "vm_ops": {"fault": "insert_page",
       "mapped": {"sleep": {"for": "1ms"}}})",
    R"("hook": "mmap_prepare", "vm_ops": {"fault": "insert_page",
       "close": {"sleep": {"for": "1ms"}}})",
    R"("hook": "mmap_prepare", "vm_ops": {"fault": {"how": "insert_page",
       "sleep": {"for": "1ms"}}})"};

const char* const map_it = R"({"id": "map", "mmap": {"addr": "0x100000000000", "length": "32KiB",
  "prot": 3, "flags": ["MAP_SHARED", "MAP_FIXED"], "fd": "slow"}})";

// What comes before, and the step in which the hook sleeps.
std::string holder(Column column) {
  const std::string map = map_it;
  if (column == closing) {
    return map + R"(, {"id": "act", "munmap": {"addr": "map", "length": "32KiB"}})";
  }
  if (column == driver_fault) return map + R"(, {"id": "act", "load": {"at": "map", "length": 1}})";
  return R"({"id": "act", )" + map.substr(map.find("\"mmap\""));
}

const char* const frame = R"({{"format": 1, "kernel": {{"profile": "linux-7.1"}},
"machine": {{"cpus": 2}},
"devices": {{"slow": {{"char": {{"pages": {{"count": 8}}, {}}}}},
            "other": {{"char": {{"hook": "mmap_prepare", "pages": {{"count": 8}},
                               "vm_ops": {{"fault": "insert_page"}}}}}}}},
"files": {{"slow": {{"type": "char", "device": "slow"}},
          "other": {{"type": "char", "device": "other"}}}},
"tasks": {{
  "holder": {{"cpu": 0, "process": "p", "steps": [
    {{"id": "slow", "open": {{"file": "slow", "flags": ["O_RDWR"]}}}},
    {{"id": "fd", "open": {{"file": "other", "flags": ["O_RDWR"]}}}},
    {{"id": "warm", "mmap": {{"addr": "0x200000000000", "length": "64KiB", "prot": 3,
      "flags": ["PRIVATE", "ANONYMOUS", "MAP_FIXED"]}}}},
    {{"id": "cold", "mmap": {{"addr": "0x300000000000", "length": "64KiB", "prot": 3,
      "flags": ["PRIVATE", "ANONYMOUS", "MAP_FIXED"]}}}},
    {{"id": "driven", "mmap": {{"addr": "0x400000000000", "length": "32KiB", "prot": 3,
      "flags": ["MAP_SHARED", "MAP_FIXED"], "fd": "fd"}}}},
    {{"store": {{"at": "warm", "length": 1}}}},
    {{"id": "begin", "load": {{"at": "warm", "length": 1}}}},
    {}]}},
  "other": {{"cpu": 1, "process": "p", "signals": {{"SIGSEGV": "skip"}}, "steps": [
    {{"sleep": {{"for": "300us"}}, "after": ["holder.begin"]}}, {{"id": "act", {}}}]}},
  "child": {{"parent": "other", "steps": []}}}}}})";

StepResult other(Column column, const char* action, Nanos* hook_ended) {
  const std::string text = fmt::format(fmt::runtime(frame), driver[column], holder(column), action);
  INFO(text);
  const Scenario scenario = good(text);
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  REQUIRE(world.errors().empty());
  const RunResult run = world.run();
  REQUIRE(run.outcome == Outcome::completed);
  *hook_ended = run.steps.at(0).back().end;
  REQUIRE(*hook_ended > run.steps.at(0).back().start + Nanos(1'000'000));
  return run.steps.at(1).at(1);
}

// Whether the action waits for the hook, in each column: "waits", "free".
void waits(const char* action, const std::vector<bool>& wanted) {
  REQUIRE(wanted.size() == columns);
  for (int c = 0; c < columns; ++c) {
    INFO(action << " in column " << c);
    Nanos hook_ended{};
    const StepResult step = other(Column(c), action, &hook_ended);
    CHECK(step.state == StepState::done);
    const bool waited = step.end + Nanos(100'000) > hook_ended;
    CHECK(waited == wanted[static_cast<std::size_t>(c)]);
  }
}

constexpr bool W = true, no = false;

}  // namespace

TEST_CASE("faults while a driver's hook sleeps") {
  waits(R"("load": {"at": "0x100000001000", "length": 1})", {W, W, W, W, no, no});
  waits(R"("store": {"at": "holder.warm+4KiB", "length": 1})", {no, no, no, no, no, no});
  waits(R"("store": {"at": "holder.cold", "length": 1})", {W, W, W, W, no, no});
  waits(R"("load": {"at": "holder.driven", "length": 1})", {W, W, W, W, no, no});
}

TEST_CASE("system calls while a driver's hook sleeps") {
  const std::vector<bool> writers = {W, W, W, W, W, W};
  waits(R"("mmap": {"length": "4KiB", "prot": 3, "flags": ["PRIVATE", "ANONYMOUS"]})", writers);
  waits(R"("munmap": {"addr": "holder.cold", "length": "4KiB"})", writers);
  waits(R"("mprotect": {"addr": "holder.cold", "length": "4KiB", "prot": 1})", writers);
  waits(R"("fork": {"child": "child"})", writers);
  const char* const elsewhere =
      R"("madvise": {"addr": "holder.warm", "length": "4KiB", "advice": "DONTNEED"})";
  waits(elsewhere, {no, no, no, no, no, no});
  const char* const there =
      R"("madvise": {"addr": "0x100000001000", "length": "4KiB", "advice": "DONTNEED"})";
  waits(there, {W, W, W, W, no, no});
  waits(R"("read_maps": {})", {W, W, W, W, no, no});
}

TEST_CASE("a walk of the reverse map while a driver's hook sleeps") {
  waits(R"("unmap_mapping": {"file": "slow", "at": 0, "length": "4KiB"})", {no, no, no, W, no, no});
}

TEST_CASE("what those get that do not wait for close") {
  Nanos ended{};
  const StepResult fault =
      other(closing, R"("load": {"at": "0x100000001000", "length": 1})", &ended);
  REQUIRE(fault.signal);
  CHECK(fault.signal->sig == SIGSEGV);
  const StepResult advice = other(
      closing, R"("madvise": {"addr": "0x100000001000", "length": "4KiB", "advice": "DONTNEED"})",
      &ended);
  CHECK(advice.result == -ENOMEM);
}

TEST_CASE("who has waited for a new mapping is served by it") {
  for (const Column c : {prepare, legacy_hook, mapped, mapped_hidden}) {
    Nanos ended{};
    const StepResult step = other(c, R"("load": {"at": "0x100000001000", "length": 1})", &ended);
    CHECK_FALSE(step.signal);
    CHECK(step.result == 0x41);
  }
}
