// Who held which lock for how long, who waited, and for whom: the account that lock_stat and
// `perf lock` give (lock_rules.md section 8), from acquisitions and releases told in order of time.
// A wait begins when the first try failed and ends with the lock; a hold lasts from there to the
// release. Every nanosecond of a wait is put to exactly one reason: see WaitReason. Knows nothing
// of trace text. Left out: what a lock protects, and interrupts being off.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "analysis/durations.hpp"
#include "base/interner.hpp"

namespace faultline {

/// One flow of control of the trace that is being told of: a task, or an interrupt.
using ActorId = std::uint32_t;
/// A string of Contention::words().
using WordId = std::uint32_t;

enum class LockSide : std::uint8_t { write, read };

/// What was seen of one class or instance of locks on one side.
struct LockUsage {
  std::uint64_t acquisitions = 0;  ///< as lock_stat counts: trylocks and annotations included
  std::uint64_t trylocks = 0;      ///< of these, by a try that may not wait
  std::uint64_t annotations = 0;   ///< of these, might_fault() and fs_reclaim: nothing is held
  std::uint64_t contended = 0;     ///< attempts whose first try failed
  std::uint64_t abandoned = 0;     ///< of these, waits that ended without the lock
  std::uint64_t unfinished = 0;    ///< of these, waits that the trace does not see the end of
  std::uint64_t abandoned_ns = 0;
  std::uint64_t unfinished_ns = 0;
  std::uint64_t acq_bounces = 0;  ///< acquired on another CPU than the instance was before
  std::uint64_t con_bounces = 0;  ///< contended on another CPU than the instance was acquired on
  Durations wait;                 ///< of waits that ended with the lock
  Durations hold;                 ///< of holds whose beginning and end were seen

  void add(const LockUsage& other);
};

/// What one place in the code did to the locks of a class.
struct SiteUsage {
  std::uint64_t acquisitions = 0;
  std::uint64_t contended = 0;
  std::uint64_t wait_ns = 0;     ///< waited here, whatever came of it
  std::uint64_t blocking = 0;    ///< waits of others that met the lock held from here
  std::uint64_t blocked_ns = 0;  ///< time of these waits that is put to such a hold
};

struct LockClassUsage {
  std::string name;
  LockUsage side[2];  ///< by LockSide
  std::map<WordId, SiteUsage> sites;
};

struct LockInstanceUsage {
  std::uint32_t cls = 0;    ///< index in classes()
  std::uint32_t trace = 0;  ///< number of the trace, from 0
  std::uint64_t id = 0;     ///< as the trace prints it
  LockUsage side[2];
};

/// Why a waiter waits at one moment.
enum class WaitReason : std::uint8_t {
  held,      ///< another one holds the lock in a way that excludes it; of several, the first
  queued,    ///< a reader behind a queued writer, which readers hold up
  handover,  ///< the lock is free: the waiter has not run since
  unknown,   ///< who holds it was not seen: it was taken before the trace began
};

/// One link of a chain of waits: `who` wants a lock of class `cls`, and does not get it for
/// `reason`.
struct WaitLink {
  WordId who = 0;
  std::uint32_t cls = 0;
  LockSide side = LockSide::write;
  WaitReason reason = WaitReason::held;
  friend auto operator<=>(const WaitLink&, const WaitLink&) = default;
};

/// Waiters, each kept by the next; `root` is who does not wait, or (closed) an earlier one of the
/// same chain: a deadlock. For handover and unknown there is no root (0).
struct WaitChain {
  std::vector<WaitLink> links;
  WordId root = 0;
  bool closed = false;
  friend auto operator<=>(const WaitChain&, const WaitChain&) = default;
};

struct WaitShare {
  std::uint64_t waits = 0;  ///< waits that had such a part
  std::uint64_t total_ns = 0;
  std::uint64_t max_ns = 0;  ///< of one wait
};

class Contention {
 public:
  /// Strings: names of actors, classes and call sites. Number 0 is the empty one.
  Interner& words() { return words_; }
  const Interner& words() const { return words_; }

  /// From now on another trace is told of, whose ids and actors mean other things.
  void begin_trace();
  /// The actors' printed names are known now; `time` is the trace's last. Ends the trace.
  void end_trace(std::uint64_t time, const std::vector<std::string>& names);

  struct Place {
    std::uint64_t time = 0;  ///< ns
    ActorId actor = 0;
    std::int32_t cpu = -1;
    WordId site = 0;  ///< where in the code; 0: unknown
  };
  struct Lock {
    std::uint64_t id = 0;
    WordId name = 0;  ///< of the class
  };

  /// A blocking attempt begins (and, unless contended() follows, succeeds); or a try succeeded.
  void acquire(const Place& place, const Lock& lock, LockSide side, bool trylock);
  /// The first try of the latest attempt failed; or, without one, an attempt begins with a wait.
  void contended(const Place& place, const Lock& lock, LockSide side);
  /// The lock is held from now on.
  void acquired(const Place& place, const Lock& lock);
  /// As acquire() of a lock that is only told of when it is held; ends a wait for it.
  void acquire_held(const Place& place, const Lock& lock, LockSide side, bool trylock);
  void release(const Place& place, const Lock& lock);
  /// The same for locks that anyone may release.
  void release_anywhere(const Place& place, const Lock& lock);
  /// The exclusive hold becomes a shared one.
  void downgrade(const Place& place, const Lock& lock);
  /// The actor holds nothing and waits for nothing: an acquire+release of nothing but a rule.
  void annotation(const Place& place, const Lock& lock, LockSide side);
  /// The actor is seen where nobody waits: its waits ended without the lock.
  void not_waiting(const Place& place);
  /// contention_end: the actor's latest wait ended with its lock; one that is not told of
  /// otherwise (no class by lock debugging) is not known to be held.
  void contention_over(const Place& place);
  /// Whether the actor waits for a lock.
  bool waits(ActorId actor) const {
    return actor < actors_.size() && !actors_[actor].waits.empty();
  }
  /// The latest blocking attempt of the actor if it may still be waiting; id 0 if there is none.
  Lock latest_attempt(ActorId actor) const;
  /// Records are missing here: what is held and who waits is unknown from now on.
  void lost(std::uint64_t time);

  const std::vector<LockClassUsage>& classes() const { return classes_; }
  const std::vector<LockInstanceUsage>& instances() const { return instances_; }
  const std::map<WaitChain, WaitShare>& chains() const { return chains_; }
  std::uint64_t unmatched_releases() const { return unmatched_releases_; }
  std::uint64_t still_held() const { return still_held_; }

 private:
  static constexpr std::uint32_t none = ~0U;

  struct Held {
    std::uint32_t instance = 0;
    LockSide side = LockSide::write;
    std::uint64_t since = 0;
    WordId site = 0;
    bool settled = false;          // not an attempt that may yet turn out to wait
    std::int32_t cpu_before = -1;  // where the instance was acquired before
  };
  struct Chain {
    std::vector<WaitLink> links;  // `who` is an ActorId until the trace ends
    ActorId root = none;
    WordId site = 0;  // where the first link's lock was taken by who holds it
    bool closed = false;
    friend auto operator<=>(const Chain&, const Chain&) = default;
  };
  struct Wait {
    ActorId actor = 0;
    std::uint32_t instance = 0;
    LockSide side = LockSide::write;
    std::uint64_t since = 0;
    WordId site = 0;
    std::uint64_t chain_since = 0;
    Chain chain;
    std::map<Chain, std::uint64_t> parts;  // time by chain
  };
  struct Holder {
    ActorId actor = 0;
    LockSide side = LockSide::write;
    WordId site = 0;
  };
  struct State {  // of an instance, during its trace
    std::vector<Holder> holders;
    std::vector<std::uint32_t> waiters;  // indices of waits_, in order of arrival
    std::int32_t last_cpu = -1;
    bool known = false;  // an operation on it was seen: an empty `holders` means free
  };
  struct Actor {
    std::vector<Held> held;
    std::vector<std::uint32_t> waits;
  };

  std::uint32_t class_of(WordId name);
  std::uint32_t instance_of(const Lock& lock);
  Actor& actor(ActorId id);
  State& state(std::uint32_t instance) { return states_[instance - first_instance_]; }
  const State& state(std::uint32_t instance) const { return states_[instance - first_instance_]; }
  template <class Change>
  void count(std::uint32_t instance, LockSide side, Change change);
  SiteUsage& site(std::uint32_t instance, WordId site);
  std::size_t find_held(const Actor& actor, std::uint32_t instance) const;
  std::uint32_t find_wait(const Actor& actor, std::uint32_t instance) const;
  void take(const Place& place, std::uint32_t instance, LockSide side, bool settled);
  void drop(ActorId actor, std::size_t index, std::uint64_t time, bool sampled);
  bool bounces(const State& state, const Place& place) const {
    return state.last_cpu >= 0 && state.last_cpu != place.cpu;
  }
  void began(const Place& place, std::uint32_t instance, LockSide side, bool trylock);
  void begin_wait(const Place& place, std::uint32_t instance, LockSide side);
  enum class WaitEnd : std::uint8_t { with_lock, abandoned, unfinished };
  void end_wait(std::uint32_t wait, std::uint64_t time, WaitEnd end);
  void follow(std::uint64_t time);
  Chain chain_of(const Wait& wait) const;
  Holder blocker(const Wait& wait, WaitReason& reason) const;
  void close_part(Wait& wait, std::uint64_t time);
  void book(const Wait& wait);

  Interner words_;
  std::vector<LockClassUsage> classes_;
  std::vector<std::uint32_t> class_by_word_;
  std::vector<LockInstanceUsage> instances_;
  std::map<WaitChain, WaitShare> chains_;
  std::uint64_t unmatched_releases_ = 0;
  std::uint64_t still_held_ = 0;

  // Of the trace that is being told of.
  std::uint32_t trace_ = 0;
  std::uint32_t first_instance_ = 0;
  std::map<std::pair<std::uint64_t, std::uint32_t>, std::uint32_t> by_id_;  // (id, class)
  std::vector<State> states_;  // by instance - first_instance_
  std::vector<Actor> actors_;
  std::vector<Wait> waits_;  // slots
  std::vector<std::uint32_t> free_waits_;
  std::vector<std::uint32_t> active_;  // indices of waits_, in order of arrival
  std::map<Chain, WaitShare> booked_;
};

}  // namespace faultline
