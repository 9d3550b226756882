// Telling somebody what is new in the order of locks, at next to no cost for what is not: an
// acquisition teaches nothing when the same lock was taken in the same way before with the same
// locks held. Which that were is kept as hashes; a stack whose hash was displaced is told of again.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/call_tree.hpp"
#include "trace/record.hpp"

namespace faultline {

/// A record and where in the simulated code it is made.
struct OrderStep {
  Record record;
  CallNode calls = 0;
};

/// Gets steps of one task that begin with nothing held: those that lead to what it holds now, and
/// as the last one the acquisition, or the try that may wait, that is new, or the release of what
/// is not held.
struct OrderWatch {
  void* self = nullptr;
  void (*fn)(void* self, std::span<const OrderStep> steps) = nullptr;
};

/// Stands for a stack of held locks, in order and with their modes; 0 is the empty one.
using StackHash = std::uint64_t;

/// The stack with one lock more. `how` is below 2^8 and tells apart what is not the same.
constexpr StackHash stack_hash(StackHash below, std::uint64_t lock, std::uint16_t cls,
                               unsigned how) {
  std::uint64_t h = below ^ (lock * 0x9e37'79b9'7f4a'7c15);
  h = (h ^ (h >> 32) ^ (std::uint64_t{cls} << 8 | how)) * 0xd6e8'feb8'6659'fd93;
  return (h ^ (h >> 29)) | 1;  // never the empty one
}

/// The stacks that were told of lately.
class SeenStacks {
 public:
  /// True if it was not there.
  bool add(StackHash stack) {
    StackHash& slot = slots_[stack >> 52];
    if (slot == stack) [[likely]]
      return false;
    slot = stack;
    return true;
  }
  void clear() { slots_ = {}; }

 private:
  std::array<StackHash, 4096> slots_{};
};

/// What a LockContext needs while it is watched.
struct OrderWatcher {
  OrderWatch watch;
  SeenStacks seen;
  std::vector<bool> classes;     ///< by class: it was told of
  std::vector<OrderStep> steps;  ///< room for those of one call
};

}  // namespace faultline
