// From a survey's numbers to names.
#include "analysis/lock_report.hpp"

#include <bit>
#include <set>

namespace faultline {

namespace {

constexpr const char* kind_words[] = {"EN", "ER", "SN", "SR", "EN+", "ER+", "SN+", "SR+"};

class Namer {
 public:
  explicit Namer(const LockSurvey& survey) : survey_(survey) {}

  LockSeen seen(const LockSighting& s, LockVertex held, LockVertex wanted, bool try_wait) const {
    return {survey_.traces()[s.trace].name,
            survey_.task(s.trace, s.task),
            s.time,
            end(held, s.held_instance, s.held_mode, s.held_path),
            end(wanted, s.wanted_instance, s.wanted_mode, s.wanted_path),
            try_wait};
  }
  LockEnd end(LockVertex cls, std::uint64_t instance, OrderMode mode, std::uint32_t path) const {
    return {survey_.printed(cls), instance, mode, survey_.path(path)};
  }
  LockMisuseRow misuse(const LockMisuse& m) const {
    LockMisuseRow row;
    row.kind = m.kind;
    row.trace = survey_.traces()[m.trace].name;
    row.task = survey_.task(m.trace, m.place.task);
    row.time = m.place.time;
    row.lock = end(m.use.cls, m.use.instance, m.use.mode, m.place.path);
    row.try_then_wait = m.use.attempt == LockAttempt::try_then_wait;
    if (!m.has_other) return row;
    row.holder = survey_.task(m.trace, m.holder);
    row.other = end(m.other.use.cls, m.other.use.instance, m.other.use.mode, m.other.path);
    return row;
  }
  LockEdgeRow edge(const LockEdge& e) const {
    LockEdgeRow row;
    row.from = survey_.printed(e.from);
    row.to = survey_.printed(e.to);
    for (unsigned i = 0; i < 8; ++i) {
      if (e.kinds >> i & 1) row.kinds.emplace_back(kind_words[i]);
    }
    unsigned first = 0;
    while (e.seen[first] != e.first || !(e.kinds >> first & 1)) ++first;
    row.first = seen(survey_.order().graph().sighting(e.first), e.from, e.to,
                     first >= edge_kind::try_wait_shift);
    return row;
  }

 private:
  const LockSurvey& survey_;
};

void add_circles(const LockSurvey& survey, const Namer& namer, LockReport& report) {
  const LockGraph& graph = survey.order().graph();
  std::set<std::uint32_t> on_circle;
  for (const LockCircle& circle : graph.circles()) {
    LockCircleRow row;
    row.try_then_wait = circle.try_wait;
    for (const CircleStep& step : circle.steps) {
      const LockEdge& e = graph.edges()[step.edge];
      on_circle.insert(step.edge);
      row.steps.push_back(
          namer.seen(graph.sighting(step), e.from, e.to, (step.kind & edge_kind::plain) == 0));
    }
    if (const auto guard = survey.order().guard(circle)) row.guard = survey.printed(guard->cls);
    report.circles.push_back(std::move(row));
  }
  for (const std::uint32_t e : on_circle) report.edges[e].in_circle = true;
  for (const InstanceCircle& circle : survey.sink().by_instance()) {
    LockCircleRow row;
    row.instances = true;
    row.try_then_wait = circle.try_wait;
    if (circle.guard) row.guard = survey.printed(circle.guard->cls);
    for (const InstanceStep& s : circle.steps) {
      row.steps.push_back(namer.seen(s.seen, s.held, s.wanted, false));
    }
    report.circles.push_back(std::move(row));
  }
  report.more_circles = graph.more_circles();
  report.instances_truncated = survey.sink().instances_truncated();
}

}  // namespace

std::string mode_word(OrderMode mode) {
  switch (mode) {
    case OrderMode::exclusive:
      return "exclusive";
    case OrderMode::shared:
      return "shared";
    case OrderMode::recursive:
      return "shared, recursive";
  }
  return {};
}

std::string seconds_text(Nanos time) {
  std::string fraction = std::to_string(time.v % 1'000'000'000);
  fraction.insert(0, 9 - fraction.size(), '0');
  return std::to_string(time.v / 1'000'000'000) + "." + fraction;
}

LockReport lock_report(const LockSurvey& survey) {
  const Namer namer(survey);
  LockReport report;
  report.traces = survey.traces();
  const auto class_counts = survey.order().class_counts();
  for (std::size_t c = 0; c < class_counts.size(); ++c) {
    report.classes.push_back({survey.printed(static_cast<LockVertex>(c)), class_counts[c]});
  }
  const auto edge_counts = survey.order().edge_counts();
  const auto& edges = survey.order().graph().edges();
  for (std::size_t e = 0; e < edges.size(); ++e) {
    report.edges.push_back(namer.edge(edges[e]));
    report.edges.back().count = edge_counts[e];
    report.edges.back().traces = survey.edge_traces()[e];
  }
  add_circles(survey, namer, report);
  for (const LockMisuse& m : survey.order().misuses()) report.misuses.push_back(namer.misuse(m));
  report.deadlocks = survey.deadlocks();
  report.stuck = survey.stuck();
  return report;
}

}  // namespace faultline
