// A set of bytes of a device as disjoint ranges: which lines are poisoned, which sectors a driver
// knows to be bad. Made for a handful of ranges.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace faultline {

class ByteRanges {
 public:
  bool empty() const { return ranges_.empty(); }

  /// [start, end) is in the set.
  void add(std::uint64_t start, std::uint64_t end) {
    if (start >= end) return;
    std::vector<Range> merged;
    for (const Range& r : ranges_) {
      if (r.end < start || r.start > end) {
        merged.push_back(r);
      } else {
        start = std::min(r.start, start);
        end = std::max(r.end, end);
      }
    }
    const auto place =
        std::find_if(merged.begin(), merged.end(), [&](const Range& r) { return r.start > start; });
    merged.insert(place, {start, end});
    ranges_ = std::move(merged);
  }

  /// [start, end) is not.
  void remove(std::uint64_t start, std::uint64_t end) {
    if (start >= end) return;
    std::vector<Range> left;
    for (const Range& r : ranges_) {
      if (r.start < start) left.push_back({r.start, std::min(r.end, start)});
      if (r.end > end) left.push_back({std::max(r.start, end), r.end});
    }
    ranges_ = std::move(left);
  }

  /// First byte of the set in [at, at + length).
  std::optional<std::uint64_t> first(std::uint64_t at, std::uint64_t length) const {
    for (const Range& r : ranges_) {
      if (at < r.end && (r.start <= at ? length != 0 : r.start - at < length)) {
        return std::max(r.start, at);
      }
    }
    return std::nullopt;
  }

 private:
  struct Range {
    std::uint64_t start, end;
  };
  std::vector<Range> ranges_;  // sorted, disjoint
};

}  // namespace faultline
