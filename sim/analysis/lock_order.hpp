// Held-lock stacks and what an acquisition shows: the rules of Linux 6.12
// kernel/locking/lockdep.c (lock_rules.md 1.2 to 1.5) without its tables and limits. Knows nothing
// of records or names, so that a run and a trace that was read can both feed it. A sequence of
// acquisitions that occurred before costs one look into a table; that way is inlined by force. Left
// out: wait types, interrupt usage states and comparison callbacks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "analysis/lock_graph.hpp"
#include "analysis/lock_order_prefixes.hpp"

namespace faultline {

/// Does an acquisition wait? A try-then-wait tries first and waits when the try fails: what it
/// would wait for counts, whether the try succeeds or not.
enum class LockAttempt : std::uint8_t { blocking, trylock, try_then_wait };

/// When and by whom something was done to a lock, and in which call path (a number of the caller's
/// own; 0 is the unknown one).
struct LockPlace {
  Nanos time;
  TaskId task;
  Context context = Context::task;  ///< an interrupt has a stack of its own
  std::uint32_t path = 0;
};

/// What is acquired. `nest` is the instance of the lock that is named as serialising this one's
/// nesting, 0 for none.
struct LockUse {
  std::uint64_t instance = 0;
  LockVertex cls = 0;
  OrderMode mode = OrderMode::exclusive;
  LockAttempt attempt = LockAttempt::blocking;
  std::uint64_t nest = 0;
};

/// An entry of a held stack.
struct HeldEntry {
  LockUse use;
  Nanos since;
  std::uint32_t path = 0;
  PrefixTree::Node node = 0;  ///< the sequence of classes up to this entry
  bool folded = false;        ///< counted into the entry below, which has its class, by its nest
};

/// What is wrong by itself, without another task.
struct LockMisuse {
  enum class Kind : std::uint8_t {
    recursion,     ///< `other` is held and has the class that is wanted
    not_held,      ///< released or downgraded, but not held by this task
    missing_nest,  ///< the named nest lock is not held
    init_held,     ///< initialised while `other`, the same lock, is held
    wait_context,  ///< sleeps, but `other`, which spins, is held
  };
  Kind kind;
  LockPlace place;
  LockUse use;
  HeldEntry other;  ///< recursion, init_held; not_held: the hold of the task `holder`, if any
  TaskId holder;    ///< whose `other` is
  bool has_other = false;
  std::uint32_t trace = 0;  ///< number of the trace that showed it
};

/// A lock that was held at every sighting of two dependencies of a circle, in modes that exclude
/// each other: their tasks cannot wait for one another at the same time.
struct LockGuard {
  LockVertex cls = 0;
  std::uint64_t instance = 0;
  friend bool operator==(const LockGuard&, const LockGuard&) = default;
};

/// A lock that all sightings of a dependency hold.
struct AlwaysHeld {
  LockGuard lock;
  bool exclusive = false;  ///< in all of them
};

/// Keeps of `common` what is in `here` too.
void keep_common(std::vector<AlwaysHeld>& common, std::span<const AlwaysHeld> here);

class LockOrder {
 public:
  /// Whether locks of one class may be held together in any order.
  enum class SameClass : std::uint8_t { is_recursion, is_allowed };

  LockVertex add_class(SameClass rule = SameClass::is_recursion);

  /// A lock was taken, or is about to be waited for. A trylock that failed is never told of; a
  /// try-then-wait is told of when its try succeeded.
  [[gnu::always_inline]] void acquire(const LockPlace& place, const LockUse& use) {
    Stack& stack = stack_of(place.task, place.context);
    const PrefixTree::Node below = stack.held.empty() ? 0 : stack.held.back().node;
    if (use.nest != 0) [[unlikely]]
      return acquire_slowly(stack, place, use);
    const auto step = prefixes_.step(below, word_of(use));
    if (step.fresh) [[unlikely]]
      return acquire_slowly(stack, place, use);
    Sequence& sequence = sequences_[step.node];
    ++sequence.count;
    if (sequence.instance != use.instance) sequence.instance = various;
    stack.held.push_back({use, place.time, place.path, step.node, false});
  }

  /// The lock may be waited for here, whatever comes of it: all that acquire() learns, nothing
  /// held.
  void may_acquire(const LockPlace& place, const LockUse& use);

  /// The lock on top of the stack, taken by a trylock, would have been waited for if that had
  /// failed. False when that is not what is on top.
  bool top_was_try_then_wait(const LockPlace& place, std::uint64_t instance);

  /// The task holds nothing as far as anybody knows: what it does hold is told of anew.
  void forget(TaskId task) { stack_of(task, Context::task).held.clear(); }

  /// Releases in any order. False if this task does not hold the lock, which is then a misuse.
  [[gnu::always_inline]] bool release(const LockPlace& place, std::uint64_t instance,
                                      LockVertex cls) {
    Stack& stack = stack_of(place.task, place.context);
    if (!stack.held.empty() && stack.held.back().use.instance == instance) [[likely]] {
      stack.held.pop_back();
      return true;
    }
    return release_below(stack, place, instance, cls);
  }

  /// The same for locks that anyone may release: takes it off whichever stack holds it.
  bool release_anywhere(const LockPlace& place, std::uint64_t instance);

  /// An exclusive hold becomes a shared one. False if this task does not hold the lock.
  bool downgrade(const LockPlace& place, std::uint64_t instance, LockVertex cls);

  /// A lock is initialised (or its memory freed), which nobody may hold then.
  void initialise(const LockPlace& place, std::uint64_t instance, LockVertex cls);

  /// A lock that sleeps is wanted under `held`, which spins.
  void wait_context(const LockPlace& place, const LockUse& use, std::uint64_t held);

  /// Records are missing here: nobody knows any more what is held, and from now on a release of
  /// what is not held means nothing.
  void lost();

  /// What follows is of another trace: nothing is held. Classes stay what they are. Without its
  /// `beginning`, as after lost(), nobody knows what is held.
  void begin_trace(std::uint32_t trace, bool beginning);

  const LockGraph& graph() const { return graph_; }
  /// By edge: how many acquisitions showed it.
  std::vector<std::uint64_t> edge_counts() const;
  /// By class: how many acquisitions there were.
  std::vector<std::uint64_t> class_counts() const;
  /// The lock that keeps the circle's tasks apart in all that was seen, if there is one.
  std::optional<LockGuard> guard(const LockCircle& circle) const;
  /// What all sightings of an edge hold, innermost first; nothing if that is not known.
  std::optional<std::vector<AlwaysHeld>> always_held(std::uint32_t edge) const;
  /// The first of each kind and class, in order of occurrence.
  const std::vector<LockMisuse>& misuses() const { return misuses_; }
  std::span<const HeldEntry> held(TaskId task, Context context = Context::task) const;

  /// Sequences that are kept to be known again. More than this, and all are forgotten.
  void set_node_limit(std::size_t limit) { node_limit_ = limit; }

 private:
  struct Stack {
    std::vector<HeldEntry> held;
    TaskId task;
    Context context = Context::task;
  };
  static constexpr std::uint64_t various = ~0ULL;
  struct Sequence {
    std::uint64_t count = 0;  // acquisitions that made it
    std::uint32_t edges = 0;  // its dependencies: edge_lists_[edges, edges + edge_count)
    std::uint32_t edge_count = 0;
    std::uint64_t instance = 0;  // that was taken last in it; or various
    bool recursion = false;      // the last one was told of as that, and has no dependencies
  };
  enum class SameClassTest : std::uint8_t { fine, nested, recursion };

  Stack& stack_of(TaskId task, Context context) {
    const std::size_t i = std::size_t{task.v} * 3 + static_cast<std::size_t>(context);
    if (i >= stacks_.size()) [[unlikely]]
      add_stacks(i);
    return stacks_[i];
  }
  static std::uint32_t word_of(const LockUse& use) {
    return ((use.cls + 1) << 5) | (use.nest != 0 ? 16u : 0u) |
           (static_cast<std::uint32_t>(use.attempt) << 2) | static_cast<std::uint32_t>(use.mode);
  }

  void add_stacks(std::size_t index);
  void acquire_slowly(Stack& stack, const LockPlace& place, const LockUse& use);
  bool link(Stack& stack, std::size_t at);
  bool link_nested(Stack& stack, std::size_t at, PrefixTree::Node below);
  void learn(Stack& stack, std::size_t at);
  bool examine(Stack& stack, std::size_t at, std::vector<std::uint32_t>& edges);
  SameClassTest test_same_class(Stack& stack, std::size_t at);
  std::uint32_t add_edge(const Stack& stack, const HeldEntry& from, const HeldEntry& to);
  void relink_from(Stack& stack, std::size_t at);
  bool same_edges(PrefixTree::Node a, PrefixTree::Node b) const;
  bool release_below(Stack& stack, const LockPlace& place, std::uint64_t instance, LockVertex cls);
  void not_held(const LockPlace& place, std::uint64_t instance, LockVertex cls);
  void note(const LockMisuse& misuse);
  void bound_nodes();
  void held_before(PrefixTree::Node node, std::vector<AlwaysHeld>& out) const;
  static std::size_t find(const Stack& stack, std::uint64_t instance);

  LockGraph graph_;
  PrefixTree prefixes_;
  std::vector<Sequence> sequences_{1};
  std::vector<std::uint32_t> edge_lists_;
  std::vector<std::uint64_t> older_counts_;   // by edge: of sequences that were forgotten
  std::vector<std::uint64_t> older_classes_;  // by class: of sequences that were forgotten
  std::vector<std::uint32_t> unlisted_;       // edges that sequences do not tell all about
  std::vector<SameClass> rules_;              // by class
  std::vector<Stack> stacks_;                 // by task and context
  std::vector<LockMisuse> misuses_;
  std::size_t node_limit_ = std::size_t{1} << 20;
  std::uint32_t trace_ = 0;
  bool lost_ = false;
  bool forgot_ = false;  // sequences were forgotten: nobody knows any more what was always held
};

}  // namespace faultline
