// Recording dependencies of instances, and a graph of them at the end: it has a vertex for each
// class that has no other subclass, and one for each instance of the others.
#include "analysis/instance_order.hpp"

#include <algorithm>
#include <set>

namespace faultline {

namespace {
constexpr std::uint32_t instance_bit = 1u << 31;
}  // namespace

void InstanceOrder::add_class(LockVertex cls, std::uint32_t family, const LockOrder& order) {
  families_.resize(std::max<std::size_t>(families_.size(), cls + 1));
  families_[cls] = family;
  members_.resize(std::max<std::size_t>(members_.size(), family + 1));
  split_.resize(members_.size());
  if (family == 0 || ++members_[family] != 2) return;
  split_[family] = true;
  active_ = true;
  note_what_classes_know(family, order);
}

// Until now that name had one subclass, and only the first sighting of each dependency is left.
void InstanceOrder::note_what_classes_know(std::uint32_t family, const LockOrder& order) {
  for (const LockEdge& e : order.graph().edges()) {
    if (families_[e.from] != family && families_[e.to] != family) continue;
    for (unsigned bit = 0; bit < e.seen.size(); ++bit) {
      const auto kind = static_cast<std::uint8_t>(1u << bit);
      if (e.kinds & kind) note(kind, {e.from, e.to, order.graph().sighting(e.seen[bit])});
    }
  }
}

std::uint32_t InstanceOrder::vertex(LockVertex cls, std::uint32_t trace, std::uint64_t instance) {
  if (!split(cls)) return cls;
  const auto next = static_cast<std::uint32_t>(seen_.size());
  return instance_bit | seen_.try_emplace({trace, instance}, next).first->second;
}

void InstanceOrder::note(std::uint8_t kind, const InstanceStep& step) {
  if (edges_.size() >= max_edges) return;
  const LockSighting& s = step.seen;
  const std::uint32_t from = vertex(step.held, s.trace, s.held_instance);
  const std::uint32_t to = vertex(step.wanted, s.trace, s.wanted_instance);
  if (from == to) return;
  const std::uint64_t both = std::uint64_t{from} << 32 | to;
  if (known_.try_emplace({both, kind}, edges_.size()).second) {
    edges_.push_back({from, to, kind, step});
  }
}

void InstanceOrder::acquire(const LockPlace& place, std::uint32_t trace, const LockUse& use,
                            std::span<const HeldEntry> held) {
  const bool all = split(use.cls);
  const bool try_wait = use.attempt == LockAttempt::try_then_wait;
  for (const HeldEntry& h : held) {
    if (!all && !split(h.use.cls)) continue;
    // A nest lock serialises whoever takes several of a name.
    if (use.nest != 0 && families_[h.use.cls] == families_[use.cls]) continue;
    note(edge_kind::of(h.use.mode, use.mode, try_wait),
         {h.use.cls,
          use.cls,
          {place.time, trace, place.task, place.context, h.use.mode, use.mode, h.use.instance,
           use.instance, h.path, place.path}});
  }
}

std::vector<InstanceCircle> InstanceOrder::circles(const LockOrder& order) const {
  std::vector<InstanceCircle> out;
  if (!active_) return out;
  LockGraph graph;
  std::map<std::uint32_t, LockVertex> vertices;
  std::vector<std::pair<LockVertex, LockVertex>> classes;  // by edge
  const auto add = [&](std::uint32_t from, std::uint32_t to, std::uint8_t kind,
                       const InstanceStep& step) {
    for (const std::uint32_t v : {from, to}) {
      if (!vertices.contains(v)) vertices.emplace(v, graph.add_vertex());
    }
    const auto edge = graph.add(vertices.at(from), vertices.at(to), kind, step.seen);
    if (edge == classes.size()) classes.emplace_back(step.held, step.wanted);
  };
  for (const LockEdge& e : order.graph().edges()) {
    if (split(e.from) || split(e.to) || e.from == e.to) continue;
    for (unsigned bit = 0; bit < e.seen.size(); ++bit) {
      const auto kind = static_cast<std::uint8_t>(1u << bit);
      if (!(e.kinds & kind)) continue;
      add(e.from, e.to, kind, {e.from, e.to, order.graph().sighting(e.seen[bit])});
    }
  }
  for (const Edge& e : edges_) add(e.from, e.to, e.kind, e.step);
  std::set<std::set<LockVertex>> known;
  for (const LockCircle& circle : order.graph().circles()) {
    std::set<LockVertex> set;
    for (const CircleStep& s : circle.steps) set.insert(order.graph().edges()[s.edge].from);
    known.insert(std::move(set));
  }
  for (const LockCircle& circle : graph.circles()) {
    InstanceCircle found{{}, circle.try_wait, circle.time};
    std::set<LockVertex> set;
    for (const CircleStep& s : circle.steps) {
      const auto [held, wanted] = classes[s.edge];
      found.steps.push_back({held, wanted, graph.sighting(s)});
      set.insert({held, wanted});
    }
    // One of a kind is enough: a file system has many inodes.
    if (known.insert(std::move(set)).second) out.push_back(std::move(found));
  }
  return out;
}

}  // namespace faultline
