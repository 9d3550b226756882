// A lock report as JSON and as a graph for dot.
#include <algorithm>
#include <bit>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "analysis/lock_baseline.hpp"
#include "analysis/lock_report.hpp"

namespace faultline {

namespace {

using Json = nlohmann::ordered_json;

Json end_json(const LockEnd& end) {
  const auto parts = split_printed_class(end.name);
  return {{"name", end.name},
          {"class", std::string(parts.name)},
          {"subclass", parts.subclass},
          {"instance", fmt::format("{:#x}", end.instance)},
          {"mode", end.mode == OrderMode::exclusive ? "exclusive" : "shared"},
          {"recursive", end.mode == OrderMode::recursive},
          {"path", end.path}};
}

Json seen_json(const LockSeen& s) {
  return {{"trace", s.trace},         {"task", s.task},
          {"time_ns", s.time.v},      {"try_then_wait", s.try_then_wait},
          {"held", end_json(s.held)}, {"wanted", end_json(s.wanted)}};
}

Json edge_json(const LockEdgeRow& e) {
  return {{"from", e.from},
          {"to", e.to},
          {"kinds", e.kinds},
          {"count", e.count},
          {"traces", e.traces},
          {"in_cycle", e.in_circle},
          {"first", seen_json(e.first)}};
}

Json circle_json(const LockCircleRow& c) {
  Json steps = Json::array(), classes = Json::array();
  for (const LockSeen& s : c.steps) {
    steps.push_back(seen_json(s));
    classes.push_back(s.held.name);
  }
  return {{"classes", classes},
          {"verdict", "possible"},
          {"try_then_wait", c.try_then_wait},
          {"instances", c.instances},
          {"guard", c.guard.empty() ? Json(nullptr) : Json(c.guard)},
          {"steps", steps}};
}

const char* kind_word(LockMisuse::Kind kind) {
  switch (kind) {
    case LockMisuse::Kind::recursion:
      return "recursion";
    case LockMisuse::Kind::not_held:
      return "bad-release";
    case LockMisuse::Kind::missing_nest:
      return "missing-nest";
    case LockMisuse::Kind::init_held:
      return "init-held";
    case LockMisuse::Kind::wait_context:
      return "wait-context";
  }
  return "";
}

Json misuse_json(const LockMisuseRow& m) {
  Json json = {
      {"kind", kind_word(m.kind)}, {"trace", m.trace},         {"task", m.task},
      {"time_ns", m.time.v},       {"lock", end_json(m.lock)}, {"try_then_wait", m.try_then_wait}};
  json["holder"] = m.holder.empty() ? Json(nullptr) : Json(m.holder);
  json["other"] = m.holder.empty() ? Json(nullptr) : end_json(m.other);
  return json;
}

Json deadlock_json(const LockReport& report, const HappenedDeadlock& d) {
  Json tasks = Json::array();
  for (const BlockedTask& t : d.tasks) {
    tasks.push_back({{"task", t.task},
                     {"step", t.step},
                     {"wants", t.wants},
                     {"instance", fmt::format("{:#x}", t.instance)},
                     {"mode", t.mode},
                     {"since_ns", t.since.v},
                     {"path", t.path},
                     {"holds", t.holds},
                     {"held_by", t.owners}});
  }
  return {{"trace", report.traces[d.trace].name}, {"verdict", "happened"}, {"tasks", tasks}};
}

Json baseline_json(const BaselineDiff& diff) {
  Json added = Json::array(), gone = Json::array();
  for (const NewEdge& n : diff.added) {
    added.push_back({{"from", n.edge->from},
                     {"to", n.edge->to},
                     {"kind", n.kind},
                     {"known_otherwise", n.known_otherwise}});
  }
  for (const GoneEdge& e : diff.gone) {
    gone.push_back({{"from", e.from}, {"to", e.to}, {"kind", e.kind}});
  }
  return {{"file", diff.file}, {"new", added}, {"gone", gone}};
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

std::string lock_report_json(const LockReport& report, const BaselineDiff* baseline) {
  Json traces = Json::array(), classes = Json::array(), edges = Json::array();
  Json circles = Json::array(), misuses = Json::array(), deadlocks = Json::array();
  Json stuck = Json::array();
  for (const SurveyedTrace& t : report.traces) {
    traces.push_back({{"name", t.name},
                      {"source", t.info.native ? "faultline" : "kernel"},
                      {"complete", t.info.complete},
                      {"inferred", t.inferred},
                      {"outcome", t.info.outcome},
                      {"lock_records", t.lock_records}});
  }
  for (const LockClassRow& c : report.classes) {
    classes.push_back({{"name", c.name}, {"acquisitions", c.acquisitions}});
  }
  for (const LockEdgeRow& e : report.edges) edges.push_back(edge_json(e));
  for (const LockCircleRow& c : report.circles) circles.push_back(circle_json(c));
  for (const LockMisuseRow& m : report.misuses) misuses.push_back(misuse_json(m));
  for (const HappenedDeadlock& d : report.deadlocks) {
    deadlocks.push_back(deadlock_json(report, d));
  }
  for (const HappenedDeadlock& d : report.stuck) stuck.push_back(deadlock_json(report, d));
  const Json json = {{"format", 1},
                     {"traces", traces},
                     {"classes", classes},
                     {"edges", edges},
                     {"cycles", circles},
                     {"more_cycles", report.more_circles},
                     {"instances_truncated", report.instances_truncated},
                     {"misuses", misuses},
                     {"deadlocks", deadlocks},
                     {"stuck", stuck},
                     {"baseline", baseline != nullptr ? baseline_json(*baseline) : Json(nullptr)}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string lock_report_dot(const LockReport& report, const BaselineDiff* baseline) {
  std::string text = "digraph lock_order {\n  node [shape=box];\n";
  for (const LockClassRow& c : report.classes) text += "  " + quoted(c.name) + ";\n";
  for (const LockEdgeRow& e : report.edges) {
    const bool only_try = std::all_of(e.kinds.begin(), e.kinds.end(),
                                      [](const std::string& k) { return k.ends_with('+'); });
    const bool is_new =
        baseline != nullptr && std::any_of(baseline->added.begin(), baseline->added.end(),
                                           [&](const NewEdge& n) { return n.edge == &e; });
    // Width grows with the number of digits, so that hot edges do not hide the rest.
    text += fmt::format("  {} -> {} [label=\"{}{} x{}\" penwidth={}{}{}{}];\n", quoted(e.from),
                        quoted(e.to), is_new ? "NEW " : "", fmt::join(e.kinds, ","), e.count,
                        1 + std::bit_width(e.count) / 4, only_try ? " style=dashed" : "",
                        e.in_circle ? " color=red" : (is_new ? " color=blue" : ""),
                        is_new ? " fontcolor=blue" : "");
  }
  if (baseline == nullptr) return text + "}\n";
  for (const GoneEdge& e : baseline->gone) {
    text += fmt::format("  {} -> {} [label=\"gone {}\" style=dotted color=gray fontcolor=gray];\n",
                        quoted(e.from), quoted(e.to), e.kind);
  }
  return text + "}\n";
}

}  // namespace faultline
