// From lines of a trace, ours or a real kernel's, to the account of locks. Knows lock_* (with or
// without lock_stat's lock_acquired), sim_bitlock_*, contention_begin and _end, lost events, and
// where in the code a lock is taken: from sim_call, else from the caller in xfs_ilock.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "analysis/contention.hpp"
#include "trace/text_reader.hpp"

namespace faultline {

class ContentionSource {
 public:
  explicit ContentionSource(Contention& out) : out_(out) {}

  void begin_trace();
  void line(const TraceLine& line);
  /// `native`: tasks are named by their comm alone, which is unique in a scenario.
  void end_trace(bool native);

  /// Lines of this event family were seen, in any trace.
  bool any_locks() const { return any_locks_; }

 private:
  struct Actor {
    std::string comm;
    std::int32_t pid = 0;
    std::int32_t cpu = -1;
    Context context = Context::task;
    std::vector<WordId> calls;  // sim_call
    WordId caller = 0;          // of an xfs_ilock record just before
    enum class Attempt : std::uint8_t { none, told, inferred };
    Attempt attempt = Attempt::none;  // that nothing but scheduling has followed yet
    std::uint64_t pulse_id = 0;       // a blocking attempt that may be an annotation
    LockSide pulse_side = LockSide::write;
    Contention::Place pulse_place;
    WordId pulse_name = 0;  // 0: none
  };

  ActorId actor_of(const TraceLine& line);
  void lock_line(const TraceLine& line, ActorId id);
  void bitlock_line(const TraceLine& line, ActorId id);
  void contention_line(const TraceLine& line, ActorId id);
  void acquire(const TraceLine& line, ActorId id);
  void settle_pulse(Actor& actor);
  WordId site_of(const Actor& actor);
  Contention::Place place(const TraceLine& line, ActorId id);

  Contention& out_;
  std::map<std::pair<std::int64_t, int>, ActorId> ids_;
  std::vector<Actor> actors_;
  std::map<std::vector<WordId>, WordId> sites_;
  std::uint64_t last_time_ = 0;
  bool any_locks_ = false;
};

}  // namespace faultline
