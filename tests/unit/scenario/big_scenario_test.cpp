// A million steps: valid, loaded in under five seconds of processor time and two GiB of memory.
#include <sys/resource.h>
#include <ctime>
#include <string>

#include "scenario/json_parser.hpp"
#include "unit/scenario/load_helper.hpp"

using namespace faultline;
using namespace faultline::test;

TEST_CASE("a million steps") {
  std::string steps = R"({"id": "m", "mmap": {"length": "1GiB", "prot": ["READ"]}})";
  const std::uint32_t count = 1'000'000;
  for (std::uint32_t i = 1; i < count; ++i) {
    const std::string n = std::to_string(i);
    steps += ",\n{ \"id\": \"s" + n + "\", \"store\": { \"at\": \"m+" + n +
             "KiB\", \"length\": 8 }, \"expect\": { \"errno\": 0 } }";
  }
  std::string text = with_steps(steps);
  const std::clock_t before = std::clock();
  LoadResult result = load_scenario({std::move(text), "big.json"});
  const auto seconds = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  const auto* scenario = std::get_if<Scenario>(&result);
  REQUIRE(scenario != nullptr);
  REQUIRE(scenario->tasks[0].steps.size() == count);
  const auto& last = std::get<AccessArgs>(scenario->tasks[0].steps.back().args);
  CHECK(last.at.offset == (count - 1) * 1024ULL);
  CHECK(step_name(*scenario, TaskId(0), count - 1) == "s999999");
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__)
  CHECK(seconds < 5.0);
  struct rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  CHECK(usage.ru_maxrss / 1024 < 2048);
#else
  (void)seconds;
#endif
}

TEST_CASE("more than ten million steps are refused") {
  std::string text = "{\"format\": 1, \"tasks\": {\"t\": {\"steps\": [0";
  for (std::uint32_t i = 0; i < most_entries; ++i) text += ",0";
  text += "]}}}";
  const auto all = complaints(std::move(text));
  REQUIRE(all.size() == 1);
  CHECK(all[0] ==
        "s.json:1:20000040: /tasks/t/steps: more than 10 million entries in one list; "
        "that many steps is the limit");
}
