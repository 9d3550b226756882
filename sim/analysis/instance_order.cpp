// Recording dependencies of instances, and a graph of them at the end: it has a vertex for each
// class that has no other subclass, and one for each instance of the others. That a name has two
// subclasses may show late in a trace, so the different stacks of a trace are kept to its end.
#include "analysis/instance_order.hpp"

#include <algorithm>
#include <set>

namespace faultline {

void InstanceOrder::add_class(LockVertex cls, std::uint32_t family) {
  families_.resize(std::max<std::size_t>(families_.size(), cls + 1));
  families_[cls] = family;
  const std::size_t families = std::max<std::size_t>(split_.size(), family + 1);
  split_.resize(families);
  here_.resize(families);
}

void InstanceOrder::begin_trace(std::uint32_t trace) {
  trace_ = trace;
  std::fill(here_.begin(), here_.end(), Here());
  known_.clear();
  vertices_.clear();
  stacks_.clear();
  entries_.clear();
  stacks_missing_ = false;
  seen_ = {};
}

// A class is wanted: is it the second of its name in this trace?
bool InstanceOrder::newly_split(LockVertex cls) {
  Here& here = here_[families_[cls]];
  if (families_[cls] == 0 || here.split) return false;
  if (!here.any) here.first = cls;
  here.any = true;
  here.split = here.first != cls;
  return here.split;
}

std::uint32_t InstanceOrder::vertex(LockVertex cls, std::uint64_t instance) {
  const std::uint32_t family = families_[cls] != 0 ? families_[cls] : ~cls;
  const auto [it, fresh] = vertices_.try_emplace({family, instance}, next_vertex_);
  next_vertex_ += fresh;
  return it->second;
}

void InstanceOrder::note(std::uint8_t kind, const InstanceStep& step,
                         std::vector<AlwaysHeld> common) {
  const LockSighting& s = step.seen;
  if (families_[step.held] == families_[step.wanted] && families_[step.held] != 0 &&
      s.held_instance == s.wanted_instance) {
    return;
  }
  const std::uint32_t from = vertex(step.held, s.held_instance);
  const std::uint32_t to = vertex(step.wanted, s.wanted_instance);
  const auto [it, fresh] =
      known_.try_emplace({from, to, step.held, step.wanted, kind}, edges_.size());
  if (!fresh) return keep_common(edges_[it->second].common, common);
  if (edges_.size() < max_edges) {
    edges_.push_back({from, to, kind, step, std::move(common)});
  } else {
    truncated_ = true;
    known_.erase(it);
  }
}

bool InstanceOrder::seen_before(const LockUse& use, std::span<const HeldEntry> held) {
  std::uint64_t h = 0;
  const auto mix = [&h](const LockUse& u) {
    h = (h ^ u.instance) * 0x9e37'79b9'7f4a'7c15;
    h ^= (h >> 32) ^ (std::uint64_t{u.cls} << 8 | static_cast<std::uint64_t>(u.mode) << 4 |
                      static_cast<std::uint64_t>(u.attempt));
  };
  for (const HeldEntry& entry : held) mix(entry.use);
  mix(use);
  h = (h * 0xd6e8'feb8'6659'fd93) | 1;
  std::uint64_t& slot = seen_[h >> 52];
  if (slot == h) return true;
  slot = h;
  return false;
}

void InstanceOrder::acquire(const LockPlace& place, const LockUse& use,
                            std::span<const HeldEntry> held) {
  if (newly_split(use.cls)) {
    split_[families_[use.cls]] = true;
    truncated_ |= stacks_missing_;
    for (const Stack& s : stacks_) {
      note_all(s.place, s.use, std::span(entries_).subspan(s.begin, s.end - s.begin));
    }
  }
  if (use.attempt == LockAttempt::trylock || held.empty() || seen_before(use, held)) return;
  note_all(place, use, held);
  if (stacks_.size() == max_stacks) {
    stacks_missing_ = true;
    return;
  }
  stacks_.push_back({place, use, entries_.size(), entries_.size() + held.size()});
  entries_.insert(entries_.end(), held.begin(), held.end());
}

// The dependencies in which an instance matters.
void InstanceOrder::note_all(const LockPlace& place, const LockUse& use,
                             std::span<const HeldEntry> held) {
  const bool try_wait = use.attempt == LockAttempt::try_then_wait;
  for (const HeldEntry& h : held) {
    if (!split_here(h.use.cls) && !split_here(use.cls)) continue;
    // A nest lock serialises whoever takes several of a name.
    if (use.nest != 0 && families_[h.use.cls] == families_[use.cls]) continue;
    std::vector<AlwaysHeld> others;
    for (const HeldEntry& other : held) {
      if (&other == &h) continue;
      others.push_back(
          {{other.use.cls, other.use.instance}, other.use.mode == OrderMode::exclusive});
    }
    note(edge_kind::of(h.use.mode, use.mode, try_wait),
         {h.use.cls,
          use.cls,
          {place.time, trace_, place.task, place.context, h.use.mode, use.mode, h.use.instance,
           use.instance, h.path, place.path}},
         std::move(others));
  }
}

namespace {

// The lock that two steps of the circle always hold and that is none of its own.
std::optional<LockGuard> guard_of(const std::vector<InstanceStep>& steps,
                                  const std::vector<std::vector<AlwaysHeld>>& common) {
  const auto own = [&](const LockGuard& lock) {
    return std::any_of(steps.begin(), steps.end(), [&](const InstanceStep& s) {
      return s.held == lock.cls && s.seen.held_instance == lock.instance;
    });
  };
  std::vector<AlwaysHeld> seen;
  for (const std::vector<AlwaysHeld>& here : common) {
    for (const AlwaysHeld& h : here) {
      if (own(h.lock)) continue;
      const bool excluded = std::any_of(seen.begin(), seen.end(), [&](const AlwaysHeld& s) {
        return s.lock == h.lock && (s.exclusive || h.exclusive);
      });
      if (excluded) return h.lock;
    }
    seen.insert(seen.end(), here.begin(), here.end());
  }
  return std::nullopt;
}

// The graph in which circles are searched, with what each of its edges stands for.
struct InstanceGraph {
  struct Meaning {
    LockVertex held, wanted;
    std::vector<AlwaysHeld> common;
  };
  LockGraph graph;
  std::map<std::uint64_t, LockVertex> vertices;
  std::vector<Meaning> meanings;  // by edge

  void add(std::uint64_t from, std::uint64_t to, std::uint8_t kind, const InstanceStep& step,
           const std::vector<AlwaysHeld>& common) {
    for (const std::uint64_t v : {from, to}) {
      if (!vertices.contains(v)) vertices.emplace(v, graph.add_vertex());
    }
    const auto edge = graph.add(vertices.at(from), vertices.at(to), kind, step.seen);
    if (edge == meanings.size()) {
      meanings.push_back({step.held, step.wanted, common});
    } else {
      keep_common(meanings[edge].common, common);
    }
  }
};

}  // namespace

std::vector<InstanceCircle> InstanceOrder::circles(const LockOrder& order) const {
  std::vector<InstanceCircle> out;
  if (edges_.empty()) return out;
  InstanceGraph all;
  constexpr std::uint64_t instance_bit = 1ULL << 32;
  const auto place = [&](LockVertex cls, std::uint32_t vertex) {
    return split(cls) ? instance_bit | vertex : std::uint64_t{cls};
  };
  const std::vector<LockEdge>& edges = order.graph().edges();
  for (std::uint32_t i = 0; i < edges.size(); ++i) {
    const LockEdge& e = edges[i];
    if (split(e.from) || split(e.to) || e.from == e.to) continue;
    const auto common = order.always_held(i);
    for (unsigned bit = 0; bit < e.seen.size(); ++bit) {
      const auto kind = static_cast<std::uint8_t>(1u << bit);
      if (!(e.kinds & kind)) continue;
      all.add(e.from, e.to, kind, {e.from, e.to, order.graph().sighting(e.seen[bit])},
              common.value_or(std::vector<AlwaysHeld>()));
    }
  }
  for (const Edge& e : edges_) {
    all.add(place(e.step.held, e.from), place(e.step.wanted, e.to), e.kind, e.step, e.common);
  }
  std::set<std::set<LockVertex>> known;
  for (const LockCircle& circle : order.graph().circles()) {
    std::set<LockVertex> set;
    for (const CircleStep& s : circle.steps) set.insert(edges[s.edge].from);
    known.insert(std::move(set));
  }
  for (const LockCircle& circle : all.graph.circles()) {
    InstanceCircle found{{}, circle.try_wait, circle.time, {}};
    std::vector<std::vector<AlwaysHeld>> common;
    std::set<LockVertex> set;
    for (const CircleStep& s : circle.steps) {
      const auto& meaning = all.meanings[s.edge];
      found.steps.push_back({meaning.held, meaning.wanted, all.graph.sighting(s)});
      common.push_back(meaning.common);
      set.insert({meaning.held, meaning.wanted});
    }
    // One of a kind is enough: a file system has many inodes.
    if (!known.insert(std::move(set)).second) continue;
    found.guard = guard_of(found.steps, common);
    out.push_back(std::move(found));
  }
  return out;
}

}  // namespace faultline
