// The event queue against the plainest model: a vector searched for the least (time, push number).
#include "engine/event_queue.hpp"

#include <algorithm>
#include <vector>

#include "base/rng.hpp"
#include "catch.hpp"

namespace faultline {
namespace {

struct Pending {
  std::uint64_t time;
  std::uint64_t pushed;
  std::uint64_t payload;
};

struct Naive {
  std::vector<Pending> pending;
  std::uint64_t pushes = 0;

  void push(std::uint64_t time, std::uint64_t payload) {
    pending.push_back({time, pushes++, payload});
  }
  std::uint64_t next_time() const {
    std::uint64_t least = ~0ULL;
    for (const auto& p : pending) least = std::min(least, p.time);
    return least;
  }
  Pending pop() {
    auto first = pending.begin();
    for (auto p = pending.begin(); p != pending.end(); ++p) {
      if (p->time < first->time || (p->time == first->time && p->pushed < first->pushed)) first = p;
    }
    const Pending result = *first;
    pending.erase(first);
    return result;
  }
};

// Plays 4000 random pushes and pops on both. `spread` 1 makes all times equal, small ones make many
// ties.
bool agree(std::uint64_t seed, std::uint64_t spread, std::size_t most) {
  Rng rng(seed);
  EventQueue queue;
  Naive naive;
  std::uint64_t now = 0;
  for (int i = 0; i < 4000; ++i) {
    const bool push = naive.pending.empty() || (naive.pending.size() < most && rng.below(2) == 0);
    if (push) {
      const std::uint64_t time = now + rng.below(spread);
      queue.push(Nanos(time), static_cast<std::uint64_t>(i));
      naive.push(time, static_cast<std::uint64_t>(i));
    } else {
      const Pending expected = naive.pop();
      const EventQueue::Entry entry = queue.pop();
      if (entry.time != expected.time || entry.payload != expected.payload) return false;
      now = entry.time;
    }
    if (queue.size() != naive.pending.size() || queue.empty() != naive.pending.empty())
      return false;
    if (rng.below(3) == 0 && queue.next_time().v != naive.next_time()) return false;
  }
  return true;
}

TEST_CASE("the queue gives events by time, and those of equal time in order of pushing") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    REQUIRE(agree(seed, 1, 50));
    REQUIRE(agree(seed, 4, 7));
    REQUIRE(agree(seed, 100, 200));
    REQUIRE(agree(seed, ~0ULL / 8000, 40));
  }
}

TEST_CASE("an empty queue has no next time, also after its last event was taken") {
  EventQueue queue;
  CHECK(queue.next_time() == Nanos(~0ULL));
  queue.push(Nanos(7), 1);
  CHECK(queue.next_time() == Nanos(7));
  queue.pop();
  CHECK(queue.empty());
  CHECK(queue.next_time() == Nanos(~0ULL));
}

TEST_CASE("a pending event takes at most 48 bytes") { CHECK(sizeof(EventQueue::Entry) <= 48); }

}  // namespace
}  // namespace faultline
