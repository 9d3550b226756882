// From matching blocks to what is shown and counted: hunks with context, sums, and the columns in
// which records differ that are otherwise equal. Shared by the comparison of records and of views.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "analysis/trace_diff.hpp"
#include "analysis/trace_diff_match.hpp"

namespace faultline {

/// One element of a compared sequence.
struct DiffItem {
  std::uint64_t key = 0;    ///< equal when the compared text is
  std::uint64_t place = 0;  ///< for the text: a pool number, or the byte where the line begins
  std::uint64_t time = 0;   ///< ns
  std::uint32_t line = 0;
  std::uint16_t cpu = 0;
  std::uint16_t flags = 0;  ///< hash of the columns
};

/// Where a comparison stands, and how the text of an element is got.
struct DiffPlace {
  std::string task;
  std::string step;
  std::function<std::string(const DiffItem&)> text_a;
  std::function<std::string(const DiffItem&)> text_b;
};

/// Compares two sequences, adds sums and hunks to `result`, and returns the blocks that match.
std::vector<MatchBlock> diff_items(std::span<const DiffItem> a, std::span<const DiffItem> b,
                                   const DiffPlace& place, const DiffOptions& options,
                                   DiffResult& result);

}  // namespace faultline
