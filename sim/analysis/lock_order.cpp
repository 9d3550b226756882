// The slow half of the held stacks: what a sequence of acquisitions means when it is seen for the
// first time, releases out of order, and misuses.
#include "analysis/lock_order.hpp"

#include <algorithm>

#include "base/bug.hpp"

namespace faultline {

namespace {
constexpr std::size_t nowhere = ~std::size_t{0};

/// The inverse of word_of().
constexpr LockVertex class_of_word(std::uint32_t word) { return (word >> 5) - 1; }
}  // namespace

LockVertex LockOrder::add_class(SameClass rule) {
  rules_.push_back(rule);
  return graph_.add_vertex();
}

void LockOrder::add_stacks(std::size_t index) {
  const std::size_t old = stacks_.size();
  stacks_.resize((index / 3 + 1) * 3);
  for (std::size_t i = old; i < stacks_.size(); ++i) {
    stacks_[i].task = TaskId(static_cast<std::uint32_t>(i / 3));
    stacks_[i].context = static_cast<Context>(i % 3);
  }
}

std::span<const HeldEntry> LockOrder::held(TaskId task, Context context) const {
  const std::size_t i = std::size_t{task.v} * 3 + static_cast<std::size_t>(context);
  if (i >= stacks_.size()) return {};
  return stacks_[i].held;
}

std::size_t LockOrder::find(const Stack& stack, std::uint64_t instance) {
  for (std::size_t i = stack.held.size(); i-- > 0;) {
    if (stack.held[i].use.instance == instance) return i;
  }
  return nowhere;
}

void LockOrder::acquire_slowly(Stack& stack, const LockPlace& place, const LockUse& use) {
  stack.held.push_back({use, place.time, place.path, 0, false});
  if (link(stack, stack.held.size() - 1)) bound_nodes();
}

// Makes the entry `at` follow those below it; true if the sequence is new. The sequence, and what
// it means, depends on classes alone unless a nest lock is named.
bool LockOrder::link(Stack& stack, std::size_t at) {
  HeldEntry& entry = stack.held[at];
  const PrefixTree::Node below = at == 0 ? 0 : stack.held[at - 1].node;
  if (entry.use.nest != 0) return link_nested(stack, at, below);
  const auto step = prefixes_.step(below, word_of(entry.use));
  entry.node = step.node;
  const bool fresh = step.node == sequences_.size();  // nobody has learned it yet
  if (fresh) learn(stack, at);
  Sequence& sequence = sequences_[step.node];
  ++sequence.count;
  if (sequence.instance != entry.use.instance) sequence.instance = various;
  return fresh;
}

// A sequence that was never seen before: its dependencies are found once and for all.
void LockOrder::learn(Stack& stack, std::size_t at) {
  std::vector<std::uint32_t> edges;
  const bool recursion = examine(stack, at, edges);
  sequences_.push_back({0, static_cast<std::uint32_t>(edge_lists_.size()),
                        static_cast<std::uint32_t>(edges.size()), stack.held[at].use.instance,
                        recursion});
  FL_ASSERT(sequences_.size() == prefixes_.size());
  edge_lists_.insert(edge_lists_.end(), edges.begin(), edges.end());
}

// With a nest lock named, what is fine depends on which instances are held: looked at every time.
bool LockOrder::link_nested(Stack& stack, std::size_t at, PrefixTree::Node below) {
  HeldEntry& entry = stack.held[at];
  entry.folded = at != 0 && stack.held[at - 1].use.cls == entry.use.cls;
  if (entry.folded) {
    entry.node = below;
    return false;
  }
  bool held = false;
  for (std::size_t i = 0; i < at; ++i) held |= stack.held[i].use.instance == entry.use.nest;
  if (!held) {
    const LockPlace place{entry.since, stack.task, stack.context, entry.path};
    note({LockMisuse::Kind::missing_nest, place, entry.use, {}, {}, false});
  }
  const auto step = prefixes_.step(below, word_of(entry.use));
  entry.node = step.node;
  const bool fresh = step.node == sequences_.size();
  if (fresh) {
    learn(stack, at);
  } else {
    std::vector<std::uint32_t> edges;
    examine(stack, at, edges);
    for (const std::uint32_t e : edges) {
      if (std::find(unlisted_.begin(), unlisted_.end(), e) == unlisted_.end()) {
        unlisted_.push_back(e);
      }
    }
  }
  Sequence& sequence = sequences_[step.node];
  ++sequence.count;
  if (sequence.instance != entry.use.instance) sequence.instance = various;
  return fresh;
}

// The same-class test. It compares classes, not instances.
LockOrder::SameClassTest LockOrder::test_same_class(Stack& stack, std::size_t at) {
  const HeldEntry& wanted = stack.held[at];
  if (rules_[wanted.use.cls] == SameClass::is_allowed) return SameClassTest::fine;
  bool nest_held = false;
  for (std::size_t i = 0; i < at; ++i) {
    const HeldEntry& held = stack.held[i];
    nest_held |= wanted.use.nest != 0 && held.use.instance == wanted.use.nest;
    if (held.use.cls != wanted.use.cls || held.folded) continue;
    if (wanted.use.mode == OrderMode::recursive && held.use.mode != OrderMode::exclusive) continue;
    if (nest_held) return SameClassTest::nested;
    const LockPlace place{wanted.since, stack.task, stack.context, wanted.path};
    note({LockMisuse::Kind::recursion, place, wanted.use, held, stack.task, true});
    return SameClassTest::recursion;
  }
  return SameClassTest::fine;
}

bool LockOrder::examine(Stack& stack, std::size_t at, std::vector<std::uint32_t>& edges) {
  const HeldEntry& wanted = stack.held[at];
  if (wanted.use.attempt == LockAttempt::trylock) return false;
  const SameClassTest test = test_same_class(stack, at);
  if (test != SameClassTest::fine) return test == SameClassTest::recursion;
  for (std::size_t i = at; i-- > 0;) {
    const HeldEntry& held = stack.held[i];
    if (held.folded) continue;
    if (held.use.cls != wanted.use.cls || rules_[held.use.cls] == SameClass::is_recursion) {
      edges.push_back(add_edge(stack, held, wanted));
    }
    // Locks below a holder that waited are reached through the edges into it. Past a trylock and a
    // recursion there are none; those into a recursive reader are too weak to go on through a
    // shared hold.
    if (held.use.attempt == LockAttempt::blocking && held.use.mode != OrderMode::recursive &&
        !sequences_[held.node].recursion) {
      break;
    }
  }
  return false;
}

std::uint32_t LockOrder::add_edge(const Stack& stack, const HeldEntry& from, const HeldEntry& to) {
  const auto kind =
      edge_kind::of(from.use.mode, to.use.mode, to.use.attempt == LockAttempt::try_then_wait);
  return graph_.add(from.use.cls, to.use.cls, kind,
                    {to.since, trace_, stack.task, stack.context, from.use.mode, to.use.mode,
                     from.use.instance, to.use.instance, from.path, to.path});
}

void LockOrder::may_acquire(const LockPlace& place, const LockUse& use) {
  acquire(place, use);
  stack_of(place.task, place.context).held.pop_back();
}

bool LockOrder::top_was_try_then_wait(const LockPlace& place, std::uint64_t instance) {
  Stack& stack = stack_of(place.task, place.context);
  if (stack.held.empty()) return false;
  HeldEntry& top = stack.held.back();
  if (top.use.instance != instance || top.use.attempt != LockAttempt::trylock) return false;
  top.use.attempt = LockAttempt::try_then_wait;
  if (link(stack, stack.held.size() - 1)) bound_nodes();
  return true;
}

bool LockOrder::same_edges(PrefixTree::Node a, PrefixTree::Node b) const {
  const Sequence& x = sequences_[a];
  const Sequence& y = sequences_[b];
  const auto list = [&](const Sequence& s) { return edge_lists_.begin() + s.edges; };
  return std::equal(list(x), list(x) + x.edge_count, list(y), list(y) + y.edge_count);
}

// Entries from `at` on are acquired again in thought: with one below gone or changed, dependencies
// can show that the nearest holder had hidden. Those that are the same are not counted again.
void LockOrder::relink_from(Stack& stack, std::size_t at) {
  bool fresh = false;
  for (; at < stack.held.size(); ++at) {
    HeldEntry& entry = stack.held[at];
    const PrefixTree::Node before = entry.node;
    const bool was_folded = entry.folded;
    fresh |= link(stack, at);
    if (!entry.folded && !was_folded && same_edges(before, entry.node)) {
      --sequences_[entry.node].count;
    }
  }
  if (fresh) bound_nodes();
}

bool LockOrder::release_below(Stack& stack, const LockPlace& place, std::uint64_t instance,
                              LockVertex cls) {
  const std::size_t i = find(stack, instance);
  if (i == nowhere) {
    not_held(place, instance, cls);
    return false;
  }
  stack.held.erase(stack.held.begin() + static_cast<std::ptrdiff_t>(i));
  relink_from(stack, i);
  return true;
}

bool LockOrder::release_anywhere(const LockPlace& place, std::uint64_t instance) {
  const auto release_from = [&](Stack& stack) {
    const std::size_t i = find(stack, instance);
    if (i == nowhere) return false;
    stack.held.erase(stack.held.begin() + static_cast<std::ptrdiff_t>(i));
    relink_from(stack, i);
    return true;
  };
  if (release_from(stack_of(place.task, place.context))) return true;
  return std::any_of(stacks_.begin(), stacks_.end(), release_from);
}

bool LockOrder::downgrade(const LockPlace& place, std::uint64_t instance, LockVertex cls) {
  Stack& stack = stack_of(place.task, place.context);
  const std::size_t i = find(stack, instance);
  if (i == nowhere) {
    not_held(place, instance, cls);
    return false;
  }
  if (stack.held[i].use.mode != OrderMode::exclusive) return true;
  stack.held[i].use.mode = OrderMode::shared;
  relink_from(stack, i);
  return true;
}

void LockOrder::not_held(const LockPlace& place, std::uint64_t instance, LockVertex cls) {
  if (lost_) return;
  LockMisuse misuse{LockMisuse::Kind::not_held, place, {instance, cls}, {}, {}, false};
  for (const Stack& stack : stacks_) {
    const std::size_t i = find(stack, instance);
    if (i == nowhere) continue;
    misuse.other = stack.held[i];
    misuse.holder = stack.task;
    misuse.has_other = true;
    break;
  }
  note(misuse);
}

void LockOrder::initialise(const LockPlace& place, std::uint64_t instance, LockVertex cls) {
  for (const Stack& stack : stacks_) {
    const std::size_t i = find(stack, instance);
    if (i == nowhere) continue;
    note({LockMisuse::Kind::init_held, place, {instance, cls}, stack.held[i], stack.task, true});
    return;
  }
}

void LockOrder::wait_context(const LockPlace& place, const LockUse& use, std::uint64_t held) {
  const Stack& stack = stack_of(place.task, place.context);
  const std::size_t i = find(stack, held);
  if (i == nowhere) return;
  note({LockMisuse::Kind::wait_context, place, use, stack.held[i], stack.task, true});
}

void LockOrder::note(const LockMisuse& misuse) {
  const bool known = std::any_of(misuses_.begin(), misuses_.end(), [&](const LockMisuse& m) {
    return m.kind == misuse.kind && m.use.cls == misuse.use.cls;
  });
  if (known) return;
  misuses_.push_back(misuse);
  misuses_.back().trace = trace_;
}

void LockOrder::lost() {
  for (Stack& stack : stacks_) stack.held.clear();
  lost_ = true;
}

void LockOrder::begin_trace(std::uint32_t trace, bool beginning) {
  for (Stack& stack : stacks_) stack.held.clear();
  trace_ = trace;
  lost_ = !beginning;
}

std::vector<std::uint64_t> LockOrder::class_counts() const {
  std::vector<std::uint64_t> counts = older_classes_;
  counts.resize(rules_.size());
  for (PrefixTree::Node n = 1; n < prefixes_.size(); ++n) {
    counts[class_of_word(prefixes_.word(n))] += sequences_[n].count;
  }
  return counts;
}

// The locks below the last of a sequence, as far as it is known which they were.
void LockOrder::held_before(PrefixTree::Node node, std::vector<AlwaysHeld>& out) const {
  for (PrefixTree::Node n = prefixes_.parent(node); n != 0; n = prefixes_.parent(n)) {
    if (sequences_[n].instance == various) continue;
    const std::uint32_t word = prefixes_.word(n);
    const bool exclusive = (word & 3) == static_cast<std::uint32_t>(OrderMode::exclusive);
    out.push_back({{class_of_word(word), sequences_[n].instance}, exclusive});
  }
}

void keep_common(std::vector<AlwaysHeld>& common, std::span<const AlwaysHeld> here) {
  std::erase_if(common, [&](AlwaysHeld& c) {
    const auto it = std::find_if(here.begin(), here.end(),
                                 [&](const AlwaysHeld& h) { return h.lock == c.lock; });
    if (it != here.end()) c.exclusive &= it->exclusive;
    return it == here.end();
  });
}

std::optional<std::vector<AlwaysHeld>> LockOrder::always_held(std::uint32_t edge) const {
  if (forgot_) return std::nullopt;
  if (std::find(unlisted_.begin(), unlisted_.end(), edge) != unlisted_.end()) return std::nullopt;
  std::optional<std::vector<AlwaysHeld>> common;
  std::vector<AlwaysHeld> here;
  for (PrefixTree::Node n = 1; n < sequences_.size(); ++n) {
    const Sequence& s = sequences_[n];
    const auto begin = edge_lists_.begin() + s.edges, end = begin + s.edge_count;
    if (std::find(begin, end, edge) == end) continue;
    here.clear();
    held_before(n, here);
    if (common) {
      keep_common(*common, here);
    } else {
      common = here;
    }
  }
  return common;
}

std::optional<LockGuard> LockOrder::guard(const LockCircle& circle) const {
  std::vector<AlwaysHeld> seen;
  const auto in_circle = [&](LockVertex cls) {
    return std::any_of(circle.steps.begin(), circle.steps.end(),
                       [&](const CircleStep& s) { return graph_.edges()[s.edge].from == cls; });
  };
  for (const CircleStep& step : circle.steps) {
    const auto common = always_held(step.edge);
    if (!common) continue;
    // Outermost first: that is the lock a reader of the code thinks of.
    for (auto it = common->rbegin(); it != common->rend(); ++it) {
      if (in_circle(it->lock.cls)) continue;
      const bool excluded = std::any_of(seen.begin(), seen.end(), [&](const AlwaysHeld& c) {
        return c.lock == it->lock && (c.exclusive || it->exclusive);
      });
      if (excluded) return it->lock;
    }
    seen.insert(seen.end(), common->begin(), common->end());
  }
  return std::nullopt;
}

std::vector<std::uint64_t> LockOrder::edge_counts() const {
  std::vector<std::uint64_t> counts = older_counts_;
  counts.resize(graph_.edges().size());
  for (const Sequence& s : sequences_) {
    for (std::uint32_t i = 0; i < s.edge_count; ++i) counts[edge_lists_[s.edges + i]] += s.count;
  }
  return counts;
}

// A program that takes locks in ever new orders must not eat the memory: starts over with what is
// held now. Dependencies, circles and counts stay.
void LockOrder::bound_nodes() {
  if (prefixes_.size() <= node_limit_) return;
  older_counts_ = edge_counts();
  older_classes_ = class_counts();
  forgot_ = true;
  prefixes_.clear();
  sequences_.assign(1, {});
  edge_lists_.clear();
  for (Stack& stack : stacks_) {
    for (std::size_t i = 0; i < stack.held.size(); ++i) link(stack, i);
  }
  for (Sequence& s : sequences_) s.count = 0;
}

}  // namespace faultline
