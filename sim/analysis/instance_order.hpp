// The order of instances, where classes do not tell all: locks of one name under several
// subclasses. Subclasses hide that two tasks take the same two locks the other way round
// (lock_rules.md 3.2), or one as a parent under a lock that another wants while it has it as a
// child. So a name that is seen under more than one subclass is ordered by instance, whatever the
// subclass, and everything else by class. Circles that the classes show anyway are not told again.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "analysis/lock_order.hpp"

namespace faultline {

/// One dependency of a circle of instances.
struct InstanceStep {
  LockVertex held = 0, wanted = 0;
  LockSighting seen;
};

struct InstanceCircle {
  std::vector<InstanceStep> steps;  ///< begins with the one that closed it
  bool try_wait = false;
  Nanos time;
  std::optional<LockGuard> guard;  ///< what kept its tasks apart in all that was seen
};

class InstanceOrder {
 public:
  /// Different stacks that are kept of a trace, for names whose second subclass shows later, and
  /// dependencies of instances. With more, truncated() may become true.
  static constexpr std::size_t max_stacks = 1u << 16, max_edges = 1u << 20;

  /// A class is known now. `family` is a number of its name, the same whatever the subclass.
  void add_class(LockVertex cls, std::uint32_t family);

  /// `use` is wanted by who holds `held`; by a trylock, that says only that its class is there. A
  /// stack that was told of lately costs one look.
  void acquire(const LockPlace& place, const LockUse& use, std::span<const HeldEntry> held);

  /// What follows is of another trace: its instances are others.
  void begin_trace(std::uint32_t trace);

  /// Strong circles that no circle of classes shows, one for each set of classes.
  std::vector<InstanceCircle> circles(const LockOrder& order) const;

  /// Some name with subclasses has more instances than were compared.
  bool truncated() const { return truncated_; }

 private:
  struct Edge {
    std::uint32_t from, to;  // vertices
    std::uint8_t kind;
    InstanceStep step;
    std::vector<AlwaysHeld> common;
  };
  struct Stack {
    LockPlace place;
    LockUse use;
    std::size_t begin, end;  // what is held: entries_[begin, end)
  };
  struct Here {
    LockVertex first = 0;  // the class of the name that was wanted first
    bool any = false, split = false;
  };

  // Whether two subclasses of the name were seen, in any trace and in this one.
  bool split(LockVertex cls) const { return split_[families_[cls]]; }
  bool split_here(LockVertex cls) const { return here_[families_[cls]].split; }
  bool seen_before(const LockUse& use, std::span<const HeldEntry> held);
  bool newly_split(LockVertex cls);
  std::uint32_t vertex(LockVertex cls, std::uint64_t instance);
  void note_all(const LockPlace& place, const LockUse& use, std::span<const HeldEntry> held);
  void note(std::uint8_t kind, const InstanceStep& step, std::vector<AlwaysHeld> common);

  std::vector<std::uint32_t> families_;  // by class; 0: none
  std::vector<bool> split_;              // by family
  std::vector<Here> here_;               // by family, in this trace
  // Of this trace, by family and instance; the numbers go on over traces.
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint32_t> vertices_;
  std::uint32_t next_vertex_ = 0;
  std::vector<Edge> edges_;
  std::map<std::tuple<std::uint32_t, std::uint32_t, LockVertex, LockVertex, std::uint8_t>,
           std::size_t>
      known_;                  // edges of this trace, by vertices, classes and kind
  std::vector<Stack> stacks_;  // of this trace, different ones
  std::vector<HeldEntry> entries_;
  std::uint32_t trace_ = 0;
  bool stacks_missing_ = false;
  bool truncated_ = false;
  std::array<std::uint64_t, 4096> seen_{};  // stacks, by hash
};

}  // namespace faultline
