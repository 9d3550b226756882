// Which anonymous VMAs become one, after the cases of the kernel's selftest mm/merge and of
// tools/testing/vma: written pages or not, moved, moved away from where they were written, copied
// by a fork. Expected from what those tests assert of a 7.1.
#include <fmt/format.h>

#include <sstream>

#include "kernel/mm/vma.hpp"
#include "scenario/world.hpp"
#include "unit/scenario/load_helper.hpp"

using namespace faultline;
using namespace faultline::test;

namespace {

constexpr std::uint64_t base = 0x100000000000;

std::string at(std::uint64_t page) { return fmt::format("\"{:#x}\"", base + page * PAGE_SIZE); }

// One call in words, of pages: "map 0 5", "prot 0 5 1", "write 0 5", "unmap 0 5", "move 50 5 0",
// "remap 50 5 0" (a move that leaves the old range mapped).
std::string step(const std::string& words) {
  std::istringstream in(words);
  std::string verb;
  std::uint64_t page = 0, pages = 0, more = 0;
  in >> verb >> page >> pages >> more;
  const std::string where = at(page);
  const std::uint64_t bytes = pages * PAGE_SIZE;
  if (verb == "map") {
    return fmt::format(R"({{"mmap": {{"addr": {}, "length": {}, "prot": 3,
        "flags": ["PRIVATE", "ANONYMOUS", "FIXED"]}}}})",
                       where, bytes);
  }
  if (verb == "prot") {
    return fmt::format(R"({{"mprotect": {{"addr": {}, "length": {}, "prot": {}}}}})", where, bytes,
                       more);
  }
  if (verb == "write") {
    return fmt::format(R"({{"store": {{"at": {}, "length": 1, "count": {}, "stride": 4096}}}})",
                       where, pages);
  }
  if (verb == "unmap") {
    return fmt::format(R"({{"munmap": {{"addr": {}, "length": {}}}}})", where, bytes);
  }
  return fmt::format(R"({{"mremap": {{"addr": {}, "old_length": {}, "new_length": {},
      "new_addr": {}, "flags": ["MAYMOVE", "FIXED"{}]}}}})",
                     where, bytes, bytes, at(more), verb == "remap" ? ", \"DONTUNMAP\"" : "");
}

std::string steps(const std::vector<std::string>& calls) {
  std::string all;
  for (const std::string& call : calls) all += (all.empty() ? "" : ", ") + step(call);
  return all;
}

using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

// The VMAs of the last process, in pages.
Ranges played(const char* profile, const std::string& tasks) {
  const std::string text = fmt::format(
      R"({{"format": 1, "kernel": {{"profile": "{}"}},
"tasks": {{{}}}}})",
      profile, tasks);
  INFO(text);
  const Scenario scenario = good(text);
  Tracer tracer;
  World world(scenario, tracer, WorldOptions{});
  REQUIRE(world.errors().empty());
  const RunResult run = world.run();
  REQUIRE(run.outcome == Outcome::completed);
  for (const auto& task : run.steps) {
    for (const StepResult& each : task) CHECK_FALSE(each.failed);
  }
  Ranges out;
  const mm_struct& mm = world.kernel().mms.back();
  for (const vm_area_struct* v = find_vma(mm, Vaddr(0)); v; v = find_vma(mm, v->vm_end)) {
    out.emplace_back((v->vm_start.v - base) / PAGE_SIZE, (v->vm_end.v - base) / PAGE_SIZE);
  }
  return out;
}

Ranges alone(const char* profile, const std::vector<std::string>& calls) {
  return played(profile, fmt::format(R"("t": {{"steps": [{}]}})", steps(calls)));
}

// In 6.12 and in 7.1 alike.
void becomes(const std::vector<std::string>& calls, const Ranges& wanted) {
  CHECK(alone("linux-6.12", calls) == wanted);
  CHECK(alone("linux-7.1", calls) == wanted);
}

// An untouched VMA is extended over a touched one since 6.15 only.
void becomes_lately(const std::vector<std::string>& calls, const Ranges& wanted,
                    const Ranges& before) {
  CHECK(alone("linux-6.12", calls) == before);
  CHECK(alone("linux-7.1", calls) == wanted);
}

}  // namespace

TEST_CASE("a gap that is filled joins both sides") {
  becomes({"map 0 5", "map 10 5", "map 5 5"}, {{0, 15}});
  becomes({"map 0 3", "prot 1 1 1"}, {{0, 1}, {1, 2}, {2, 3}});
  becomes({"map 0 5", "write 0 1", "map 10 5", "write 10 1", "map 5 5"}, {{0, 10}, {10, 15}});
}

TEST_CASE("mprotect joins what was written and what was not") {
  becomes({"map 0 10", "prot 0 5 1", "write 5 1", "prot 0 5 3"}, {{0, 10}});
  becomes({"map 0 10", "prot 5 5 1", "write 0 1", "prot 5 5 3"}, {{0, 10}});
  becomes({"map 0 9", "prot 0 3 1", "prot 6 3 1", "write 3 1", "prot 0 3 3", "prot 6 3 3"},
          {{0, 9}});
  becomes({"map 0 9", "prot 6 3 1", "prot 3 3 0", "write 0 1", "prot 3 3 3", "prot 6 3 3"},
          {{0, 9}});
  becomes({"map 0 9", "prot 0 3 1", "prot 3 3 0", "write 6 1", "prot 3 3 3", "prot 0 3 3"},
          {{0, 9}});
}

TEST_CASE("an untouched VMA that is moved joins its new neighbours") {
  becomes({"map 0 5", "map 50 5", "write 0 1", "move 50 5 5"}, {{0, 10}});
  becomes({"map 10 5", "map 50 5", "write 10 1", "move 50 5 5"}, {{5, 15}});
  // Both neighbours were written, each by itself: only the left one is joined.
  becomes({"map 0 5", "map 10 5", "map 50 5", "write 0 1", "write 10 1", "move 50 5 5"},
          {{0, 10}, {10, 15}});
  becomes({"map 0 5", "map 10 5", "map 50 5", "write 0 1", "move 50 5 5"}, {{0, 15}});
  becomes({"map 0 15", "write 0 1", "unmap 5 5", "map 50 5", "move 50 5 5"}, {{0, 15}});
}

TEST_CASE("written pieces of one VMA join where they came from and nowhere else") {
  becomes({"map 0 15", "write 0 15", "move 5 5 50", "move 10 5 70", "move 50 5 5", "move 70 5 10"},
          {{0, 15}});
  becomes({"map 0 15", "write 0 15", "move 0 5 50", "move 50 5 0"}, {{0, 15}});
  becomes({"map 0 5", "write 0 5", "map 50 5", "move 0 5 55"}, {{50, 55}, {55, 60}});
}

TEST_CASE("a written VMA that comes home finds untouched neighbours") {
  const std::vector<std::string> left = {"map 3 3", "write 3 3", "move 3 3 60", "map 0 3",
                                         "remap 60 3 3"};
  becomes_lately(left, {{0, 6}, {60, 63}}, {{0, 3}, {3, 6}, {60, 63}});
  const std::vector<std::string> right = {"map 0 3", "write 0 3", "move 0 3 60", "map 3 3",
                                          "remap 60 3 0"};
  becomes_lately(right, {{0, 6}, {60, 63}}, {{0, 3}, {3, 6}, {60, 63}});
  const std::vector<std::string> both = {"map 3 3", "write 3 3", "move 3 3 60",
                                         "map 0 3", "map 6 3",   "remap 60 3 3"};
  becomes_lately(both, {{0, 9}, {60, 63}}, {{0, 3}, {3, 6}, {6, 9}, {60, 63}});
  const std::vector<std::string> half = {"map 3 6", "write 3 6", "move 3 3 60", "map 0 3",
                                         "remap 60 3 3"};
  becomes_lately(half, {{0, 9}, {60, 63}}, {{0, 3}, {3, 9}, {60, 63}});
}

TEST_CASE("a VMA that a fork has copied joins nothing, whatever is written") {
  const std::string parent = steps({"map 0 5", "write 0 5"}) + R"(, {"fork": {"child": "c"}})";
  for (const char* const profile : {"linux-6.12", "linux-7.1"}) {
    const std::string child = steps({"write 0 5", "map 5 5"});
    CHECK(played(profile, fmt::format(R"("t": {{"steps": [{}]}},
        "c": {{"parent": "t", "steps": [{}]}})",
                                      parent, child)) == Ranges{{0, 5}, {5, 10}});
    const std::string moves = steps({"write 0 5", "map 50 5", "move 50 5 5"});
    CHECK(played(profile, fmt::format(R"("t": {{"steps": [{}]}},
        "c": {{"parent": "t", "steps": [{}]}})",
                                      parent, moves)) == Ranges{{0, 5}, {5, 10}});
  }
}
