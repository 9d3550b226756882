// The lock order of a trace as the viewer draws it: classes, dependencies with their kinds, counts
// and first call paths, and the strong circles. Once for the locks that lock debugging knows, and
// once with the bit locks among them.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "analysis/lock_survey.hpp"

namespace faultline {

/// {classes: [name], graphs: [{edges, circles}]} of a survey of one trace that was asked for bit
/// locks; the second graph has them.
nlohmann::ordered_json order_json(const LockSurvey& survey);

}  // namespace faultline
