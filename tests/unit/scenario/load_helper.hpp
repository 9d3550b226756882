// Short ways to load scenarios in tests.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "scenario/load.hpp"

namespace faultline::test {

inline std::vector<Diagnostic> diagnostics(std::string text, std::vector<Override> overrides = {},
                                           Vocabulary vocabulary = {}) {
  LoadResult result = load_scenario({std::move(text), "s.json", std::move(overrides), vocabulary});
  if (auto* wrong = std::get_if<std::vector<Diagnostic>>(&result)) return std::move(*wrong);
  return {};
}

/// All messages, one a line as a user sees them; none when the scenario is good.
inline std::vector<std::string> complaints(std::string text, std::vector<Override> overrides = {},
                                           Vocabulary vocabulary = {}) {
  std::vector<std::string> all;
  for (const Diagnostic& each : diagnostics(std::move(text), std::move(overrides), vocabulary)) {
    all.push_back(to_string(each));
  }
  return all;
}

inline Scenario good(std::string text, std::vector<Override> overrides = {},
                     Vocabulary vocabulary = {}) {
  LoadResult result =
      load_scenario({std::move(text), "dir/s.json", std::move(overrides), vocabulary});
  if (auto* wrong = std::get_if<std::vector<Diagnostic>>(&result)) {
    FAIL("refused: " << to_string(wrong->front()));
  }
  return std::move(std::get<Scenario>(result));
}

/// A scenario with a file "f" of 1 MiB on a DAX file system and one task "t" with these steps.
inline std::string with_steps(const std::string& steps, const std::string& rest = "") {
  return R"({"format": 1, "devices": {"p": {"pmem": {"size": "64MiB"}}},
"filesystems": {"x": {"xfs": {"device": "p"}}},
"files": {"f": {"fs": "x", "size": "1MiB"}},
"tasks": {"t": {"steps": [)" +
         steps + "]}" + rest + "}}";
}

using Lines = std::vector<std::string>;

}  // namespace faultline::test
