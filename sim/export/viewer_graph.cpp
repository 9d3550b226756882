// The order to JSON.
#include "export/viewer_graph.hpp"

#include <nlohmann/json.hpp>

namespace faultline {

namespace {

using Json = nlohmann::ordered_json;

Json sighting_json(const LockSurvey& survey, const LockSighting& seen, std::uint8_t kind) {
  return {{"kind", kind},
          {"task", survey.task(seen.trace, seen.task)},
          {"ns", seen.time.v},
          {"held", survey.path(seen.held_path)},
          {"wanted", survey.path(seen.wanted_path)}};
}

// A circle by the classes at its places: {names, edges, try_wait, ns, guard, instances}.
Json circle_json(const LockSurvey& survey, const LockOrder& order, const LockCircle& circle) {
  Json names = Json::array(), edges = Json::array();
  for (const CircleStep& step : circle.steps) {
    names.push_back(survey.printed(order.graph().edges()[step.edge].from));
    edges.push_back(step.edge);
  }
  Json out = {
      {"names", names}, {"edges", edges}, {"try_wait", circle.try_wait}, {"ns", circle.time.v}};
  if (const auto guard = order.guard(circle)) out["guard"] = survey.printed(guard->cls);
  return out;
}

Json instance_circle_json(const LockSurvey& survey, const InstanceCircle& circle) {
  Json names = Json::array();
  for (const InstanceStep& step : circle.steps) {
    names.push_back(survey.printed(step.held));
  }
  Json out = {{"names", names},
              {"edges", Json::array()},
              {"try_wait", circle.try_wait},
              {"ns", circle.time.v},
              {"instances", true}};
  if (circle.guard) out["guard"] = survey.printed(circle.guard->cls);
  return out;
}

// Edges carry: from, to, kinds, count, flags (1: on a strong circle, 2: on a closed path that is
// not strong), and the first sighting of each kind.
Json graph_json(const LockSurvey& survey, const LockOrder& order) {
  const LockGraph& graph = order.graph();
  const auto counts = order.edge_counts();
  const auto component = graph.components();
  std::vector<std::uint8_t> flags(graph.edges().size());
  Json circles = Json::array();
  for (const LockCircle& circle : graph.circles()) {
    for (const CircleStep& step : circle.steps) flags[step.edge] |= 1;
    circles.push_back(circle_json(survey, order, circle));
  }
  for (const InstanceCircle& circle : survey.sink().by_instance()) {
    circles.push_back(instance_circle_json(survey, circle));
  }
  Json edges = Json::array();
  for (std::size_t i = 0; i < graph.edges().size(); ++i) {
    const LockEdge& edge = graph.edges()[i];
    if (edge.from != edge.to && component[edge.from] == component[edge.to]) flags[i] |= 2;
    Json seen = Json::array();
    for (unsigned bit = 0; bit < 8; ++bit) {
      const auto kind = static_cast<std::uint8_t>(1u << bit);
      if (edge.kinds & kind) {
        seen.push_back(sighting_json(survey, graph.sighting(edge.seen[bit]), kind));
      }
    }
    edges.push_back({{"from", edge.from},
                     {"to", edge.to},
                     {"kinds", edge.kinds},
                     {"count", counts[i]},
                     {"flags", flags[i]},
                     {"seen", seen}});
  }
  return {{"edges", edges}, {"circles", circles}};
}

}  // namespace

Json order_json(const LockSurvey& survey) {
  Json classes = Json::array();
  const LockOrder& all = *survey.sink().with_bit_locks();
  for (LockVertex v = 0; v < all.graph().vertices(); ++v) classes.push_back(survey.printed(v));
  return {{"classes", classes},
          {"graphs", {graph_json(survey, survey.order()), graph_json(survey, all)}}};
}

}  // namespace faultline
