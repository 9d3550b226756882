// Sorting durations and counting them.
#include "analysis/durations.hpp"

#include <algorithm>
#include <bit>

namespace faultline {

void Durations::add(const Durations& others) {
  values_.insert(values_.end(), others.values_.begin(), others.values_.end());
}

std::uint64_t Durations::total() const {
  std::uint64_t sum = 0;
  for (const std::uint64_t v : values_) sum += v;
  return sum;
}

DurationSummary Durations::summary() const {
  DurationSummary s;
  if (values_.empty()) return s;
  std::vector<std::uint64_t> sorted = values_;
  std::sort(sorted.begin(), sorted.end());
  const std::uint64_t n = sorted.size();
  const auto rank = [&](std::uint64_t percent) { return sorted[(percent * n + 99) / 100 - 1]; };
  s.count = n;
  s.total = total();
  s.min = sorted.front();
  s.average = s.total / n;
  s.p50 = rank(50);
  s.p90 = rank(90);
  s.p99 = rank(99);
  s.max = sorted.back();
  return s;
}

std::vector<std::uint64_t> Durations::powers_of_two() const {
  std::vector<std::uint64_t> counts;
  for (const std::uint64_t v : values_) {
    const auto i = static_cast<std::size_t>(std::bit_width(v));
    if (i >= counts.size()) counts.resize(i + 1);
    ++counts[i];
  }
  return counts;
}

}  // namespace faultline
