// Golden traces: what a scenario's trace was when somebody last looked at it.
#pragma once

#include <string>

namespace faultline {

enum class GoldenState { same, missing, differs, updated, unreadable };

struct GoldenResult {
  GoldenState state = GoldenState::missing;
  std::string message;  ///< where it differs first, or why it could not be compared
};

/// Compares `trace` with NAME.trace.zst or NAME.trace beside the scenario at `path` (NAME.json);
/// with `update` writes NAME.trace.zst instead, unless it is equal.
GoldenResult compare_golden(const std::string& path, const std::string& trace, bool update);

}  // namespace faultline
