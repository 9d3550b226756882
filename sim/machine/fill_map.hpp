// A total map from 64-bit addresses to 64-bit values that is constant over long ranges: what a
// medium holds where nothing finer is known. Boundaries are kept in sorted blocks of at most 256,
// so that a boundary takes 16 to 32 bytes and a change costs O(log n). Neighbours of the same value
// are joined, so a range that is zeroed again takes no room.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace faultline {

/// Address -> value, 0 everywhere at first. Copyable.
class FillMap {
 public:
  FillMap();
  /// Sets [start, end); an empty range does nothing.
  void set(std::uint64_t start, std::uint64_t end, std::uint64_t value);
  std::uint64_t at(std::uint64_t address) const {
    if (address - hit_.start < hit_.length) return hit_.value;
    return find(address);
  }
  /// First address above `address` at which the value changes, or ~0 when it never does.
  std::uint64_t run_end(std::uint64_t address) const;
  std::uint64_t segments() const { return segments_; }
  std::uint64_t host_bytes() const;

 private:
  struct Segment {
    std::uint64_t start, value;
  };
  using Block = std::vector<Segment>;
  using Blocks = std::map<std::uint64_t, Block>;  // by the start of the block's first segment
  static constexpr std::size_t BLOCK = 256;

  void boundary(std::uint64_t address);  // makes a segment start there
  void erase_inside(std::uint64_t start, std::uint64_t end);
  void join(std::uint64_t address);  // drops the boundary when both sides are equal

  std::uint64_t find(std::uint64_t address) const;

  Blocks blocks_;
  struct Run {
    std::uint64_t start = 0, length = 0, value = 0;
  };
  mutable Run hit_;  // where the last look-up ended: accesses come in runs
  std::uint64_t segments_ = 1;
};

}  // namespace faultline
