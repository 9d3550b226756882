// Who held which lock from when to when, who waited, for whom, and who let it go on; from lock
// events in the order of a trace. Releases may come in any order and from another task (bit locks);
// what was taken before the trace began is not known.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "export/viewer_model.hpp"

namespace faultline {

class ViewerLocks {
 public:
  /// Whose stack: a task, with interrupts on their own.
  using Stack = std::uint32_t;

  /// Takes a lock event (lock_*, contention_* or sim_bitlock_*). True if it was one.
  bool on_line(const TraceLine& line, RecordIndex at, Stack stack);

  /// A lock known by another word than lock debugging's: `id` is any number that names it.
  void acquire(Stack stack, std::uint64_t id, RecordIndex at);
  void contended(Stack stack, std::uint64_t id, RecordIndex at);
  void acquired(Stack stack, std::uint64_t id, RecordIndex at);
  void release(Stack stack, std::uint64_t id, RecordIndex at);

  /// Records are missing: what is held is unknown from here on. Open spans end here.
  void lost(RecordIndex at);

  /// Ends what is open. Spans come in any order.
  void finish();

  /// Does it wait for a lock?
  bool waiting(Stack stack) const;

  bool empty() const { return spans_.empty(); }
  std::vector<ViewerSpan>& spans() { return spans_; }
  std::vector<ViewerWait>& waits() { return waits_; }

 private:
  struct Held {
    std::uint64_t id = 0;
    RecordIndex since = no_record;  ///< no_record: not yet taken
    std::uint32_t wait = 0;         ///< index in waits_ + 1 of the wait that goes on
    std::uint8_t row = 0;           ///< lowest that was free
    enum class Contention : std::uint8_t { none, of_attempt, by_number };
    Contention contention = Contention::none;  ///< what contention_begin said of the wait
  };
  struct Instance {
    std::vector<std::pair<Stack, RecordIndex>> holders;
    RecordIndex released = no_record;  ///< the last release
  };

  Held* find(Stack stack, std::uint64_t id);
  std::uint8_t free_row(Stack stack) const;
  void contention(Stack stack, std::uint64_t id, std::uint64_t flags, RecordIndex at);
  void contention_over(Stack stack, RecordIndex at);
  void take(Stack stack, Held& held, RecordIndex at);
  void end_wait(Held& held, RecordIndex at);
  void close(const Held& held, RecordIndex at);

  std::vector<std::vector<Held>> stacks_;
  struct Attempt {
    std::uint64_t id = 0;
    bool inferred = false;
  };
  std::map<Stack, Attempt> attempts_;  // that nothing but scheduling has followed yet
  std::map<std::uint64_t, Instance> instances_;
  std::vector<ViewerSpan> spans_;
  std::vector<ViewerWait> waits_;
};

}  // namespace faultline
