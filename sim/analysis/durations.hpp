// A set of durations and what is said of it: count, total, smallest, largest, average, percentiles.
// Whole nanoseconds throughout. Every value is kept, so that a percentile is one of the values and
// not an estimate: eight bytes each.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace faultline {

/// All zero for an empty set. `average` is rounded down.
struct DurationSummary {
  std::uint64_t count = 0;
  std::uint64_t total = 0;
  std::uint64_t min = 0;
  std::uint64_t average = 0;
  std::uint64_t p50 = 0;
  std::uint64_t p90 = 0;
  std::uint64_t p99 = 0;
  std::uint64_t max = 0;
};

class Durations {
 public:
  void add(std::uint64_t ns) { values_.push_back(ns); }
  void add(const Durations& others);
  std::uint64_t count() const { return values_.size(); }
  std::uint64_t total() const;

  /// The p-th percentile is the nearest rank: the smallest value that at least p percent of all
  /// values do not exceed.
  DurationSummary summary() const;

  /// How many values lie in [2^(i-1), 2^i), for i from 1 on; index 0 counts zeros. As long as the
  /// largest value needs.
  std::vector<std::uint64_t> powers_of_two() const;

 private:
  std::vector<std::uint64_t> values_;
};

}  // namespace faultline
