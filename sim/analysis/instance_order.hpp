// The order of instances, where classes do not tell all: locks of one name under several
// subclasses. Subclasses hide that two tasks take the same two locks the other way round
// (lock_rules.md 3.2), or one as a parent under a lock that another wants while it has it as a
// child. So a name that is seen under more than one subclass is ordered by instance, whatever the
// subclass, and everything else by class. Circles that the classes show anyway are not told again.
#pragma once

#include <cstdint>
#include <map>
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
};

class InstanceOrder {
 public:
  /// Dependencies of instances that are kept; those of a trace with more are only partly known.
  static constexpr std::size_t max_edges = 4096;

  /// A class is known now. `family` is a number of its name, the same whatever the subclass.
  void add_class(LockVertex cls, std::uint32_t family, const LockOrder& order);

  /// Some name has more than one subclass: acquire() must be told of acquisitions.
  bool active() const { return active_; }

  /// `use` is wanted, not by a trylock, by who holds `held`.
  void acquire(const LockPlace& place, std::uint32_t trace, const LockUse& use,
               std::span<const HeldEntry> held);

  /// Strong circles that no circle of classes shows, one for each set of classes.
  std::vector<InstanceCircle> circles(const LockOrder& order) const;

 private:
  struct Edge {
    std::uint32_t from, to;  // vertices
    std::uint8_t kind;
    InstanceStep step;
  };

  bool split(LockVertex cls) const { return families_[cls] != 0 && split_[families_[cls]]; }
  std::uint32_t vertex(LockVertex cls, std::uint32_t trace, std::uint64_t instance);
  void note(std::uint8_t kind, const InstanceStep& step);
  void note_what_classes_know(std::uint32_t family, const LockOrder& order);

  std::vector<std::uint32_t> families_;                                    // by class
  std::vector<std::uint32_t> members_;                                     // by family: classes
  std::vector<bool> split_;                                                // by family
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint32_t> seen_;  // by trace, instance
  std::vector<Edge> edges_;
  std::map<std::pair<std::uint64_t, std::uint8_t>, std::size_t> known_;  // by vertices, kind
  bool active_ = false;
};

}  // namespace faultline
