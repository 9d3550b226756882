// From a run of the reference to a scenario: the same calls in the same order.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace faultline {

using Json = nlohmann::ordered_json;

/// Where the mapping lies; page numbers of the reference are relative to it.
inline constexpr std::uint64_t run_base = 0x1000'0000'0000;

struct PlannedRun {
  Json scenario;
  bool buildable = true;       ///< all its verbs are
  std::uint32_t map_step = 0;  ///< index of the mmap that the run is about
  std::uint32_t touch_steps = 0;
};

PlannedRun plan_run(const Json& devices, const Json& run);

}  // namespace faultline
