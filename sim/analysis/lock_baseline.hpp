// A baseline of lock order: the dependencies that somebody has looked at, kept as a small sorted
// JSON file that reads well in a review. What a survey shows beyond it is new.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "analysis/lock_report.hpp"
#include "base/diagnostic.hpp"

namespace faultline {

/// A dependency with one kind that the baseline does not have.
struct NewEdge {
  std::string kind;
  bool known_otherwise = false;  ///< the baseline has the edge with other kinds
  const LockEdgeRow* edge = nullptr;
};

/// What the baseline has and the survey has not.
struct GoneEdge {
  std::string from, to, kind;
};

struct BaselineDiff {
  std::string file;
  std::vector<NewEdge> added;
  std::vector<GoneEdge> gone;
};

std::string baseline_text(const LockReport& report);

/// Compares `report`, which must outlive the result, with the text of a baseline.
std::variant<BaselineDiff, Diagnostic> compare_baseline(const std::string& text,
                                                        const std::string& file,
                                                        const LockReport& report);

std::string baseline_diff_text(const BaselineDiff& diff);

}  // namespace faultline
