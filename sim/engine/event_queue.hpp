// The queue of pending events: a 4-ary implicit heap of 24-byte entries ordered by (time,
// sequence). A popped root stays a hole until the next push fills it, which halves the work of the
// usual pop-then-push pair. The order is total, so no property of the heap can reach a trace.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <faultline/types.hpp>

namespace faultline {

class EventQueue {
 public:
  struct Entry {
    std::uint64_t time;
    std::uint64_t sequence;
    std::uint64_t payload;
  };
  static_assert(sizeof(Entry) == 24);

  /// Adds an event. Events of equal time leave in the order in which they were pushed.
  void push(Nanos time, std::uint64_t payload) {
    const Entry entry{time.v, next_sequence_++, payload};
    if (hole_) {
      hole_ = false;
      sift_down(entry);
    } else {
      heap_.push_back(entry);
      sift_up(entry);
    }
  }

  bool empty() const { return heap_.size() == (hole_ ? 1u : 0u); }
  std::size_t size() const { return heap_.size() - (hole_ ? 1u : 0u); }

  /// Time of the earliest event; the largest Nanos when there is none. Leaves a hole as it is: the
  /// task that asks is about to push.
  Nanos next_time() const {
    if (!hole_) return heap_.empty() ? Nanos(~0ULL) : Nanos(heap_.front().time);
    std::uint64_t least = ~0ULL;
    const std::size_t end = heap_.size() < 5 ? heap_.size() : 5;
    for (std::size_t c = 1; c < end; ++c) {
      if (heap_[c].time < least) least = heap_[c].time;
    }
    return Nanos(least);
  }

  /// Removes and returns the earliest event. The queue must not be empty.
  Entry pop() {
    fill_hole();
    hole_ = true;
    return heap_.front();
  }

  void reserve(std::size_t n) { heap_.reserve(n); }

 private:
  static bool before(const Entry& a, const Entry& b) {
    return a.time < b.time || (a.time == b.time && a.sequence < b.sequence);
  }

  void fill_hole() {
    if (!hole_) return;
    hole_ = false;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (!heap_.empty()) sift_down(last);
  }

  void sift_up(const Entry& entry) {
    std::size_t i = heap_.size() - 1;
    while (i > 0) {
      const std::size_t parent = (i - 1) / 4;
      if (!before(entry, heap_[parent])) break;
      heap_[i] = heap_[parent];
      i = parent;
    }
    heap_[i] = entry;
  }

  // (time, sequence) as one number: compared without a branch. Which child is least cannot be
  // guessed, so four wrong guesses a level would cost more than the whole comparison.
  static unsigned __int128 key(const Entry& entry) {
    return (static_cast<unsigned __int128>(entry.time) << 64) | entry.sequence;
  }

  static std::size_t least_of_four(const Entry* heap, std::size_t first) {
    const auto k0 = key(heap[first]), k1 = key(heap[first + 1]);
    const auto k2 = key(heap[first + 2]), k3 = key(heap[first + 3]);
    const bool right01 = k1 < k0;
    const bool right23 = k3 < k2;
    const auto left = right01 ? k1 : k0;
    const auto right = right23 ? k3 : k2;
    return right < left ? first + 2 + right23 : first + right01;
  }

  // A large heap waits for memory, and without guessed branches the processor does not run ahead to
  // ask for it: ask for all grandchildren while the children are compared.
  static void prefetch_grandchildren(const Entry* heap, std::size_t first) {
    const char* const line = reinterpret_cast<const char*>(heap + 4 * first + 1);
    for (std::size_t offset = 0; offset < 16 * sizeof(Entry); offset += 64) {
      __builtin_prefetch(line + offset);
    }
  }

  // Places `entry` at the root.
  void sift_down(const Entry& entry) {
    constexpr std::size_t fits_cache = 4096;
    Entry* const heap = heap_.data();
    const std::size_t n = heap_.size();
    std::size_t i = 0;
    for (std::size_t first = 1; first + 4 <= n; first = 4 * i + 1) {
      if (n > fits_cache && 4 * first + 17 <= n) prefetch_grandchildren(heap, first);
      const std::size_t least = least_of_four(heap, first);
      if (!(key(heap[least]) < key(entry))) {
        heap[i] = entry;
        return;
      }
      heap[i] = heap[least];
      i = least;
    }
    sift_into_last(entry, i);
  }

  // The end of sift_down() at the node `i`, which has fewer than four children.
  void sift_into_last(const Entry& entry, std::size_t i) {
    std::size_t least = 4 * i + 1;
    if (least < heap_.size()) {
      for (std::size_t c = least + 1; c < heap_.size(); ++c) {
        if (before(heap_[c], heap_[least])) least = c;
      }
      if (before(heap_[least], entry)) {
        heap_[i] = heap_[least];
        i = least;
      }
    }
    heap_[i] = entry;
  }

  std::vector<Entry> heap_;
  std::uint64_t next_sequence_ = 0;
  bool hole_ = false;  // heap_[0] was popped and not yet replaced
};

}  // namespace faultline
