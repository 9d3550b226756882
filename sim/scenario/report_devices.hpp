// The parts of a report that are about mappings: snapshots, and the calls of drivers' hooks.
// Included by the report's sources only: the JSON library is large.
#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "scenario/run_result.hpp"
#include "scenario/snapshot.hpp"

namespace faultline {

using Json = nlohmann::ordered_json;

Json snapshot_json(const MmSnapshot& snapshot);
/// {NAME: {"hooks": [...]}}; what a hook could not know is null.
Json devices_json(const Scenario& scenario, const std::vector<DeviceResult>& devices);

}  // namespace faultline
