// The locks that one task holds, in order of acquisition. A stack of its own because every
// uncontended lock operation pushes and pops here: growing is out of line, so that what is left is
// a few stores that compilers inline.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>

#include <faultline/types.hpp>

#include "engine/call_tree.hpp"
#include "locking/order_watch.hpp"

namespace faultline {

struct LockBase;

enum class HoldMode : std::uint8_t { exclusive, shared };

/// An entry of a task's stack of held locks.
struct HeldLock {
  LockBase* lock = nullptr;
  Nanos since{};
  CallNode calls = 0;  ///< where it was taken
  HoldMode mode = HoldMode::exclusive;
  bool trylock = false;
  StackHash stack = 0;  ///< of the stack up to here, while somebody watches the order
};

class HeldStack {
 public:
  const HeldLock* begin() const { return items_.get(); }
  const HeldLock* end() const { return end_; }
  HeldLock* begin() { return items_.get(); }
  HeldLock* end() { return end_; }
  auto rbegin() const { return std::reverse_iterator(end()); }
  auto rend() const { return std::reverse_iterator(begin()); }

  bool empty() const { return begin() == end_; }
  std::size_t size() const { return static_cast<std::size_t>(end_ - begin()); }
  HeldLock& operator[](std::size_t i) { return items_[i]; }
  const HeldLock& operator[](std::size_t i) const { return items_[i]; }
  /// The lock taken last; there must be one.
  HeldLock& back() { return end_[-1]; }
  const HeldLock& back() const { return end_[-1]; }

  void push(const HeldLock& held) {
    if (end_ == limit_) [[unlikely]]
      grow();
    *end_++ = held;
  }
  void pop() { --end_; }
  /// Takes out entry `i`; what is above it moves down.
  void erase(std::size_t i) {
    std::copy(begin() + i + 1, end_, begin() + i);
    --end_;
  }

 private:
  [[gnu::noinline, gnu::cold]] void grow() {
    const std::size_t n = size();
    auto larger = std::make_unique<HeldLock[]>(std::max<std::size_t>(16, 2 * n));
    std::copy(begin(), end(), larger.get());
    items_ = std::move(larger);
    end_ = items_.get() + n;
    limit_ = items_.get() + std::max<std::size_t>(16, 2 * n);
  }

  std::unique_ptr<HeldLock[]> items_;
  HeldLock* end_ = nullptr;
  HeldLock* limit_ = nullptr;
};

}  // namespace faultline
