// Edges and circles of the lock-order graph. The graph itself is Boost's adjacency list, with the
// number of the edge as its property; the search walks it breadth first over (class, arrived only
// as a recursive reader). Left out: the class comparison callbacks that a few kernel classes have.
#include "analysis/lock_graph.hpp"

#include <algorithm>
#include <bit>

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/strong_components.hpp>

#include "base/bug.hpp"

namespace faultline {

using namespace edge_kind;

struct LockGraph::Adjacency {
  using Graph =
      boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, boost::no_property,
                            boost::property<boost::edge_index_t, std::uint32_t>>;
  Graph graph;

  template <class F>
  void each_out(LockVertex v, F&& f) const {
    const auto [begin, end] = boost::out_edges(v, graph);
    for (auto it = begin; it != end; ++it) f(boost::get(boost::edge_index, graph, *it));
  }
};

namespace {

/// The kinds of `edge` out of `allowed`, plain and try-then-wait folded into the low four bits.
std::uint8_t folded(const LockEdge& edge, std::uint8_t allowed) {
  const auto kinds = static_cast<std::uint8_t>(edge.kinds & allowed);
  return static_cast<std::uint8_t>((kinds | (kinds >> try_wait_shift)) & plain);
}

/// What remains of an edge's kinds for one who came as a recursive reader only: at a lock that is
/// merely held shared such a reader does not wait.
std::uint8_t usable(std::uint8_t kinds, bool recursive_only) {
  return recursive_only ? kinds & exclusive : kinds;
}

bool recursive_only_after(std::uint8_t kinds) { return (kinds & (EN | SN)) == 0; }

}  // namespace

LockGraph::LockGraph() : adjacency_(std::make_unique<Adjacency>()) {}
LockGraph::~LockGraph() = default;
LockGraph::LockGraph(LockGraph&&) noexcept = default;
LockGraph& LockGraph::operator=(LockGraph&&) noexcept = default;

LockVertex LockGraph::add_vertex() {
  boost::add_vertex(adjacency_->graph);
  return static_cast<LockVertex>(vertex_count_++);
}

const LockSighting& LockGraph::sighting(const CircleStep& step) const {
  return sightings_[edges_[step.edge].seen[std::countr_zero(step.kind)]];
}

std::uint32_t LockGraph::add(LockVertex from, LockVertex to, std::uint8_t kind,
                             const LockSighting& sighting) {
  FL_ASSERT(from < vertex_count_ && to < vertex_count_ && std::has_single_bit(kind));
  auto& graph = adjacency_->graph;
  const auto [found, exists] = boost::edge(from, to, graph);
  std::uint32_t index = static_cast<std::uint32_t>(edges_.size());
  if (exists) {
    index = boost::get(boost::edge_index, graph, found);
  } else {
    boost::add_edge(from, to, index, graph);
    edges_.push_back({from, to, 0, static_cast<std::uint32_t>(sightings_.size()), {}});
  }
  LockEdge& edge = edges_[index];
  if (edge.kinds & kind) return index;
  const std::uint8_t before = folded(edge, all);
  edge.seen[std::countr_zero(kind)] = static_cast<std::uint32_t>(sightings_.size());
  edge.kinds |= kind;
  sightings_.push_back(sighting);

  // A plain kind may turn a circle that try-then-wait alone made into one that any validator sees;
  // a kind known in its other form opens no new way beyond that.
  const bool is_plain = (kind & plain) != 0;
  const auto low = static_cast<std::uint8_t>(is_plain ? kind : kind >> try_wait_shift);
  if (is_plain && search(index, low, plain)) other_circles(index, low, plain);
  if ((before & low) == 0 && search(index, low, all)) other_circles(index, low, all);
  return index;
}

// Looks for a strong circle that the new `kind` of `edge` closes; true if there is one.
bool LockGraph::search(std::uint32_t edge, std::uint8_t kind, std::uint8_t allowed) {
  const auto walk = shortest_walk(edge, kind, allowed);
  if (walk.empty()) return false;
  const Nanos time = sightings_.back().time;
  auto circle = elementary(walk, allowed);
  const bool through_edge = std::any_of(circle.begin(), circle.end(),
                                        [&](const CircleStep& s) { return s.edge == edge; });
  record(std::move(circle), allowed, time);
  if (through_edge) return true;
  auto simple = simple_circle(edge, kind, allowed);
  if (simple.empty()) return false;
  record(std::move(simple), allowed, time);
  return true;
}

// A shortest strong closed walk that begins with `edge` taken as `kind`; empty when there is none.
std::vector<CircleStep> LockGraph::shortest_walk(std::uint32_t edge, std::uint8_t kind,
                                                 std::uint8_t allowed) const {
  constexpr std::uint32_t none = ~0U;
  struct Arrival {
    LockVertex at;
    bool recursive_only;
    std::uint32_t by;        // edge
    std::uint32_t previous;  // arrival
  };
  const LockEdge& added = edges_[edge];
  std::vector<Arrival> queue{{added.to, recursive_only_after(kind), edge, none}};
  std::vector<std::uint8_t> visited(vertex_count_ * 2);
  const auto visit = [&](LockVertex v, bool recursive_only) {
    // To have come by a waiting way is worth more: whoever may go on as a recursive reader may
    // then.
    if (visited[v * 2] || (recursive_only && visited[v * 2 + 1])) return false;
    visited[v * 2 + (recursive_only ? 1 : 0)] = 1;
    return true;
  };
  visit(added.to, queue[0].recursive_only);
  for (std::uint32_t head = 0; head < queue.size(); ++head) {
    const Arrival here = queue[head];
    if (here.at == added.from && (!here.recursive_only || (kind & exclusive))) {
      std::vector<CircleStep> walk;
      for (std::uint32_t i = head; i != none; i = queue[i].previous) {
        walk.push_back({queue[i].by, 0});
      }
      std::reverse(walk.begin(), walk.end());
      return walk;
    }
    adjacency_->each_out(here.at, [&](std::uint32_t out) {
      const auto kinds = usable(folded(edges_[out], allowed), here.recursive_only);
      if (kinds == 0) return;
      const bool recursive_only = recursive_only_after(kinds);
      if (visit(edges_[out].to, recursive_only)) {
        queue.push_back({edges_[out].to, recursive_only, out, head});
      }
    });
  }
  return {};
}

bool LockGraph::choose_kinds(std::vector<CircleStep>& steps, std::uint8_t allowed) const {
  const auto pick = [&](CircleStep& step, bool& recursive_only) {
    const auto kinds =
        usable(static_cast<std::uint8_t>(folded(edges_[step.edge], allowed)), recursive_only);
    if (kinds == 0) return false;
    recursive_only = recursive_only_after(kinds);
    const unsigned mine = edges_[step.edge].kinds & allowed;
    const auto order = recursive_only ? std::array{ER, SR} : std::array{EN, SN};
    for (const unsigned shift : {0u, try_wait_shift}) {
      for (const unsigned k : order) {
        if (!(kinds & k) || !(mine & (k << shift))) continue;
        step.kind = static_cast<std::uint8_t>(k << shift);
        return true;
      }
    }
    FL_BUG("an edge lost its kinds");
  };
  // Either the last edge arrives waiting, or the first is taken as if it had not.
  for (const bool start : {true, false}) {
    bool recursive_only = start;
    const bool passes = std::all_of(steps.begin(), steps.end(),
                                    [&](CircleStep& s) { return pick(s, recursive_only); });
    if (passes && (start || !recursive_only)) return true;
  }
  return false;
}

// A strong closed walk in which a class occurs twice falls into two, of which at least one is
// strong: cuts until each class occurs once, keeping the part with the walk's first edge if it can.
std::vector<CircleStep> LockGraph::elementary(std::vector<CircleStep> walk,
                                              std::uint8_t allowed) const {
  const auto from = [&](std::size_t i) { return edges_[walk[i].edge].from; };
  const auto cut = [&]() {
    for (std::size_t i = 0; i < walk.size(); ++i) {
      for (std::size_t j = i + 1; j < walk.size(); ++j) {
        if (from(i) != from(j)) continue;
        const auto at = [&](std::size_t n) {
          return walk.begin() + static_cast<std::ptrdiff_t>(n);
        };
        std::vector<CircleStep> inner(at(i), at(j));
        std::vector<CircleStep> outer(walk.begin(), at(i));
        outer.insert(outer.end(), at(j), walk.end());
        if (i == 0) std::swap(inner, outer);
        walk = choose_kinds(outer, allowed) ? std::move(outer) : std::move(inner);
        return true;
      }
    }
    return false;
  };
  while (cut()) continue;
  FL_ASSERT(choose_kinds(walk, allowed));
  return walk;
}

// A shortest strong circle through `edge` in which each class occurs once. Only needed where the
// shortest walk repeats a class, which takes recursive readers; the search is bounded.
std::vector<CircleStep> LockGraph::simple_circle(std::uint32_t edge, std::uint8_t kind,
                                                 std::uint8_t allowed) const {
  constexpr std::size_t longest = 10;
  std::uint32_t budget = 200'000;
  const LockEdge& added = edges_[edge];
  std::vector<CircleStep> path{{edge, 0}};
  std::vector<std::uint8_t> on_path(vertex_count_);
  const auto extend = [&](auto& self, LockVertex v, bool recursive_only,
                          std::size_t limit) -> bool {
    if (v == added.from) return !recursive_only || (kind & exclusive);
    if (path.size() >= limit || budget == 0) return false;
    --budget;
    on_path[v] = 1;
    bool found = false;
    adjacency_->each_out(v, [&](std::uint32_t out) {
      const auto kinds = usable(folded(edges_[out], allowed), recursive_only);
      if (found || kinds == 0 || on_path[edges_[out].to]) return;
      path.push_back({out, 0});
      found = self(self, edges_[out].to, recursive_only_after(kinds), limit);
      if (!found) path.pop_back();
    });
    on_path[v] = 0;
    return found;
  };
  for (std::size_t limit = 2; limit <= longest && budget != 0; ++limit) {
    if (!extend(extend, added.to, recursive_only_after(kind), limit)) continue;
    FL_ASSERT(choose_kinds(path, allowed));
    return path;
  }
  return {};
}

// All strong circles through the new `kind` of `edge` in which each class occurs once. There may be
// exponentially many, so their length, their number and the work for them are bounded.
void LockGraph::other_circles(std::uint32_t edge, std::uint8_t kind, std::uint8_t allowed) {
  std::uint32_t budget = 20'000;
  const LockEdge& added = edges_[edge];
  const Nanos time = sightings_.back().time;
  const std::vector<std::uint32_t> component = components();
  std::vector<CircleStep> path{{edge, 0}};
  std::vector<std::uint8_t> on_path(vertex_count_);
  const auto extend = [&](auto& self, LockVertex v, bool recursive_only) -> void {
    if (v == added.from) {
      if (recursive_only && !(kind & exclusive)) return;
      std::vector<CircleStep> circle = path;
      FL_ASSERT(choose_kinds(circle, allowed));
      record(std::move(circle), allowed, time);
      return;
    }
    if (path.size() == max_length || budget == 0 || circles_.size() >= max_circles) {
      more_circles_ = true;
      return;
    }
    --budget;
    on_path[v] = 1;
    adjacency_->each_out(v, [&](std::uint32_t out) {
      const LockVertex to = edges_[out].to;
      const auto kinds = usable(folded(edges_[out], allowed), recursive_only);
      if (kinds == 0 || on_path[to] || component[to] != component[added.from]) return;
      path.push_back({out, 0});
      self(self, to, recursive_only_after(kinds));
      path.pop_back();
    });
    on_path[v] = 0;
  };
  extend(extend, added.to, recursive_only_after(kind));
}

void LockGraph::record(std::vector<CircleStep> steps, std::uint8_t allowed, Nanos time) {
  std::vector<LockVertex> classes;
  for (const auto& step : steps) classes.push_back(edges_[step.edge].from);
  std::sort(classes.begin(), classes.end());
  const bool try_wait = std::any_of(steps.begin(), steps.end(),
                                    [](const CircleStep& s) { return (s.kind & plain) == 0; });
  FL_ASSERT(allowed == all || !try_wait);
  const auto [it, inserted] = known_.emplace(std::move(classes), circles_.size());
  if (inserted) {
    circles_.push_back({std::move(steps), try_wait, time});
    return;
  }
  LockCircle& known = circles_[it->second];
  if (known.try_wait && !try_wait) known = {std::move(steps), false, time};
}

std::vector<std::uint32_t> LockGraph::components() const {
  std::vector<std::uint32_t> component(vertex_count_);
  if (vertex_count_ != 0) {
    boost::strong_components(
        adjacency_->graph,
        boost::make_iterator_property_map(component.begin(),
                                          boost::get(boost::vertex_index, adjacency_->graph)));
  }
  return component;
}

}  // namespace faultline
