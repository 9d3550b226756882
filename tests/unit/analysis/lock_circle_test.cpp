// Which circles are strong: the tables of lock_rules.md 1.7, the two corners of 1.5 and 1.8 in
// which a simpler search stays silent, and comparisons with naive models on small random graphs.
#include <bit>
#include <functional>

#include "base/rng.hpp"
#include "lock_script.hpp"

using namespace lock_test;

namespace {

/// An edge of that kind: a script that holds `from` and wants `to`.
std::string edge(char from, const std::string& kind, char to) {
  return std::string{from} + (kind[0] == 'E' ? "" : "r") + " " + to + (kind[1] == 'N' ? "" : "R");
}

std::string circle_of_kinds(const std::vector<std::string>& kinds) {
  std::vector<std::string> scripts;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    scripts.push_back(edge(static_cast<char>('A' + i), kinds[i],
                           static_cast<char>('A' + (i + 1) % kinds.size())));
  }
  return circles_of(scripts);
}

}  // namespace

TEST_CASE("two locks: which kinds of the two edges make a deadlock") {
  const std::map<std::pair<std::string, std::string>, bool> table = {
      {{"EN", "EN"}, true},  {{"SN", "EN"}, true}, {{"SN", "SN"}, true},  {{"EN", "ER"}, true},
      {{"ER", "ER"}, true},  {{"SR", "EN"}, true}, {{"SN", "ER"}, false}, {{"SR", "ER"}, false},
      {{"SR", "SN"}, false}, {{"SR", "SR"}, false}};
  REQUIRE(table.size() == 10);
  for (const auto& [kinds, deadlock] : table) {
    CAPTURE(kinds.first, kinds.second);
    CHECK(circle_of_kinds({kinds.first, kinds.second}) == (deadlock ? "AB" : ""));
    CHECK(circle_of_kinds({kinds.second, kinds.first}) == (deadlock ? "AB" : ""));
  }
}

TEST_CASE("three locks: anchors, whichever edge comes last") {
  const std::vector<std::pair<std::vector<std::string>, bool>> table = {
      {{"ER", "ER", "ER"}, true},
      {{"EN", "SR", "ER"}, true},
      {{"EN", "SR", "SN"}, false},
      {{"ER", "SR", "EN"}, false}};
  for (const auto& [kinds, deadlock] : table) {
    for (std::size_t turn = 0; turn < 3; ++turn) {
      CAPTURE(kinds[0], kinds[1], kinds[2], turn);
      std::vector<std::string> turned = kinds;
      std::rotate(turned.begin(), turned.begin() + static_cast<std::ptrdiff_t>(turn), turned.end());
      CHECK(circle_of_kinds(turned) == (deadlock ? "ABC" : ""));
    }
  }
}

TEST_CASE("the junction where the circle closes counts like any other") {
  // At A the wanted one is recursive and the holder shared, whether the edge out of A or the edge
  // into it comes last.
  CHECK(circles_of({"B AR", "Ar B"}) == "");
  CHECK(circles_of({"Ar B", "B AR"}) == "");
  CHECK(circles_of({"Ar B", "B AR", "A B"}) == "AB");
  CHECK(circles_of({"Ar B", "B AR", "B Ar"}) == "AB");
}

TEST_CASE("a recursive reader in the middle of a chain does not hide the lock below it") {
  CHECK(circles_of({"A BR C", "C A"}) == "AC");
  CHECK(circles_of({"A BR DR C", "C A"}) == "AC");
}

TEST_CASE("a class met first as a recursive reader is found again by a stronger way") {
  CHECK(circles_of({"CR BR", "C AR", "A B", "BR C"}) == "ABC");
  CHECK(circles_of({"BR C", "A B", "C AR", "CR BR"}) == "ABC");
}

TEST_CASE("plain inversions, and orders that are no inversion") {
  CHECK(circles_of({"A B", "B A"}) == "AB");
  CHECK(circles_of({"A B", "B C", "C A"}) == "ABC");
  CHECK(circles_of({"A B", "B C", "A C"}) == "");
  CHECK(circles_of({"A B", "B ?A"}) == "");
  CHECK(circles_of({"A B", "?B A"}) == "AB");
  CHECK(circles_of({"Ar Br", "Br Ar"}) == "AB");           // a queued writer makes it deadlock
  CHECK(circles_of({"A B C", "B C", "C D A"}) == "ABCD");  // A -> C goes through B
}

TEST_CASE("a circle through try-then-wait is told as such, until a plain one takes its place") {
  CHECK(circles_of({"A ~B", "B A"}) == "AB+");
  CHECK(circles_of({"A ~B", "B ~A"}) == "AB+");
  CHECK(circles_of({"A ~B", "B A", "A B"}) == "AB");
  CHECK(circles_of({"A B", "A ~B", "B A"}) == "AB");
  CHECK(circles_of({"A ~B", "B A", "B C", "C A"}) == "AB+ ABC+");
  CHECK(circles_of({"A ~B", "B A", "B C", "C A", "A B"}) == "AB ABC");
  CHECK(circles_of({"Ar ~BR", "Br A"}) == "");  // as weak as if it had waited
}

TEST_CASE("every circle is told, once for its set of classes") {
  CHECK(circles_of({"A B", "B A", "Ar B", "B Ar", "AR B"}) == "AB");
  CHECK(circles_of({"A B", "B C", "C D", "B D", "D A"}) == "ABCD ABD");
  CHECK(circles_of({"A B", "B C", "C A", "A C", "C B", "B A"}) == "AB ABC AC BC");
}

TEST_CASE("the witness begins with the edge that closed it and follows the edges") {
  Lab lab;
  lab.play("A Br", TaskId(0));
  lab.play("B C", TaskId(1));
  lab.play("C A", TaskId(2));
  REQUIRE(lab.order.graph().circles().size() == 1);
  std::string told;
  for (const auto& step : lab.order.graph().circles()[0].steps) {
    const LockEdge& e = lab.order.graph().edges()[step.edge];
    const LockSighting& s = lab.order.graph().sighting(step);
    told += std::string{lab.name(e.from), lab.name(e.to)} + std::to_string(s.task.v) +
            (s.wanted_mode == OrderMode::shared ? "r " : " ");
  }
  CHECK(told == "CA2 AB0r BC1 ");
}

TEST_CASE("an edge of a class to itself") {
  LockGraph graph;
  const LockVertex a = graph.add_vertex();
  graph.add(a, a, edge_kind::SR, {});
  CHECK(graph.circles().empty());
  graph.add(a, a, edge_kind::ER, {});
  REQUIRE(graph.circles().size() == 1);
  CHECK(graph.circles()[0].steps.size() == 1);
}

namespace {

/// One edge of one kind.
struct KindEdge {
  LockVertex from, to;
  std::uint8_t kind;
  bool held_exclusive() const { return (kind & edge_kind::exclusive) != 0; }
  bool wanted_recursive() const { return (kind & (edge_kind::ER | edge_kind::SR)) != 0; }
};

bool strong_junction(const KindEdge& a, const KindEdge& b) {
  return a.to == b.from && !(a.wanted_recursive() && !b.held_exclusive());
}

/// Is there any closed walk without a weak junction? By the transitive closure over single kinds.
bool has_strong_walk(const std::vector<KindEdge>& edges) {
  const std::size_t n = edges.size();
  std::vector<std::vector<bool>> leads(n, std::vector<bool>(n));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) leads[i][j] = strong_junction(edges[i], edges[j]);
  }
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        if (leads[i][k] && leads[k][j]) leads[i][j] = true;
      }
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (leads[i][i]) return true;
  }
  return false;
}

/// Sets of classes of all strong circles through the last edge in which each class occurs once.
std::set<std::vector<LockVertex>> circles_through_last(const std::vector<KindEdge>& edges) {
  std::set<std::vector<LockVertex>> found;
  std::vector<KindEdge> path{edges.back()};
  const std::function<void()> extend = [&] {
    const KindEdge last = path.back();
    if (strong_junction(last, path.front())) {
      std::vector<LockVertex> classes;
      for (const auto& e : path) classes.push_back(e.from);
      std::sort(classes.begin(), classes.end());
      found.insert(classes);
    }
    for (const auto& e : edges) {
      const bool repeats = std::any_of(path.begin(), path.end(),
                                       [&](const KindEdge& p) { return p.from == e.from; });
      if (repeats || !strong_junction(last, e)) continue;
      path.push_back(e);
      extend();
      path.pop_back();
    }
  };
  extend();
  return found;
}

std::set<std::vector<LockVertex>> known_circles(const LockGraph& graph) {
  std::set<std::vector<LockVertex>> known;
  for (const auto& circle : graph.circles()) {
    std::vector<LockVertex> classes;
    for (std::size_t i = 0; i < circle.steps.size(); ++i) {
      const auto& step = circle.steps[i];
      const auto& next = circle.steps[(i + 1) % circle.steps.size()];
      const LockEdge& e = graph.edges()[step.edge];
      const LockEdge& f = graph.edges()[next.edge];
      CHECK((e.kinds & step.kind) == step.kind);
      CHECK(std::has_single_bit(step.kind));
      CHECK(strong_junction({e.from, e.to, step.kind}, {f.from, f.to, next.kind}));
      classes.push_back(e.from);
    }
    std::sort(classes.begin(), classes.end());
    CHECK(std::adjacent_find(classes.begin(), classes.end()) == classes.end());
    CHECK(known.insert(classes).second);
  }
  return known;
}

}  // namespace

TEST_CASE("random graphs: exactly those with a strong closed walk have a circle") {
  Rng rng(20);
  for (int round = 0; round < 3000; ++round) {
    const std::uint64_t n = 2 + rng.below(4);
    LockGraph graph;
    for (std::uint64_t i = 0; i < n; ++i) graph.add_vertex();
    std::set<std::vector<LockVertex>> all;
    std::vector<KindEdge> edges;
    const std::uint64_t wanted = 2 + rng.below(3 * n);
    for (std::uint64_t i = 0; i < wanted; ++i) {
      const auto from = static_cast<LockVertex>(rng.below(n));
      const auto to = static_cast<LockVertex>(rng.below(n));
      // Mostly weak kinds, or every graph would deadlock at once.
      const std::uint8_t kinds[] = {1, 2, 4, 8, 2, 4, 8, 8};
      const KindEdge e{from, to, kinds[rng.below(8)]};
      if (from == to && e.kind != edge_kind::SR) continue;
      edges.push_back(e);
      const bool known_kind = std::count_if(edges.begin(), edges.end(), [&](const KindEdge& f) {
                                return f.from == from && f.to == to && f.kind == e.kind;
                              }) > 1;
      const std::size_t before = graph.circles().size();
      graph.add(from, to, e.kind, {});
      const auto known = known_circles(graph);
      REQUIRE(known.empty() == !has_strong_walk(edges));
      if (!known_kind) all.merge(circles_through_last(edges));
      REQUIRE(known == all);  // every strong circle and no weak one
      if (known_kind || all.empty() || graph.circles().size() == before) continue;
      // Of those that are new, the one told first is a shortest.
      for (std::size_t c = before + 1; c < graph.circles().size(); ++c) {
        CHECK(graph.circles()[c].steps.size() >= graph.circles()[before].steps.size());
      }
    }
    CHECK_FALSE(graph.more_circles());
    const auto component = graph.components();
    for (const auto& circle : known_circles(graph)) {
      for (const LockVertex v : circle) CHECK(component[v] == component[circle[0]]);
    }
  }
}

TEST_CASE("random programs: nearest holders say as much as all holders") {
  Rng rng(4);
  int with_circles = 0;
  for (int round = 0; round < 4000; ++round) {
    constexpr std::uint64_t n = 4;
    LockOrder order;
    LockGraph all;
    for (std::uint64_t i = 0; i < n; ++i) {
      order.add_class();
      all.add_vertex();
    }
    const std::uint64_t operations = 8 + rng.below(16);
    for (std::uint64_t i = 0; i < operations; ++i) {
      const LockPlace place{Nanos(i), TaskId(0)};
      const auto v = static_cast<LockVertex>(rng.below(n));
      const auto held = order.held(TaskId(0));
      const bool holds =
          std::any_of(held.begin(), held.end(), [&](const HeldEntry& h) { return h.use.cls == v; });
      if (holds) {
        if (rng.below(8) == 0) {
          order.downgrade(place, v, v);
        } else {
          order.release(place, v, v);
        }
        continue;
      }
      LockUse use{v, v};
      const OrderMode modes[] = {OrderMode::exclusive, OrderMode::shared, OrderMode::recursive,
                                 OrderMode::recursive};
      use.mode = modes[rng.below(4)];
      const std::uint64_t how = rng.below(6);
      if (how == 0) use.attempt = LockAttempt::trylock;
      if (how == 1) use.attempt = LockAttempt::try_then_wait;
      if (use.attempt != LockAttempt::trylock) {
        for (const HeldEntry& h : held) {
          const bool try_wait = use.attempt == LockAttempt::try_then_wait;
          all.add(h.use.cls, v, edge_kind::of(h.use.mode, use.mode, try_wait), {});
        }
      }
      order.acquire(place, use);
    }
    CHECK(order.misuses().empty());
    CHECK(order.graph().circles().empty() == all.circles().empty());
    with_circles += all.circles().empty() ? 0 : 1;
  }
  CHECK(with_circles > 400);
  CHECK(with_circles < 3600);
}
