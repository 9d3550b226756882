// Lines to records for the lock order, and the order to JSON.
#include "export/viewer_graph.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace faultline {

namespace {

using Json = nlohmann::ordered_json;

LockOrderOptions with_everything() {
  LockOrderOptions options;
  options.bit_locks = true;
  return options;
}

// A kernel's text does not say which readers are recursive. These always are: read sections of RCU,
// and the reader's side of a sequence count (include/linux/rcupdate.h, seqlock.h).
bool always_recursive(std::string_view name) {
  return name.starts_with("rcu_read_lock") || name.find("seqcount") != name.npos;
}

Json sighting_json(const LockSighting& seen, std::uint8_t kind, const LockNames& names) {
  return {{"kind", kind},
          {"task", names.task(seen.task)},
          {"ns", seen.time.v},
          {"held", names.path(seen.held_path)},
          {"wanted", names.path(seen.wanted_path)}};
}

// Edges carry: from, to, kinds, count, flags (1: on a strong circle, 2: on a closed path that is
// not strong), and the first sighting of each kind.
Json graph_json(const LockOrder& order, const LockNames& names) {
  const LockGraph& graph = order.graph();
  const auto counts = order.edge_counts();
  const auto component = graph.components();
  std::vector<std::uint8_t> flags(graph.edges().size());
  Json circles = Json::array();
  for (const LockCircle& circle : graph.circles()) {
    Json edges = Json::array();
    for (const CircleStep& step : circle.steps) {
      flags[step.edge] |= 1;
      edges.push_back(step.edge);
    }
    circles.push_back({{"edges", edges}, {"try_wait", circle.try_wait}, {"ns", circle.time.v}});
  }
  Json edges = Json::array();
  for (std::size_t i = 0; i < graph.edges().size(); ++i) {
    const LockEdge& edge = graph.edges()[i];
    if (edge.from != edge.to && component[edge.from] == component[edge.to]) flags[i] |= 2;
    Json seen = Json::array();
    for (unsigned bit = 0; bit < 8; ++bit) {
      const auto kind = static_cast<std::uint8_t>(1u << bit);
      if (edge.kinds & kind) {
        seen.push_back(sighting_json(graph.sighting(edge.seen[bit]), kind, names));
      }
    }
    edges.push_back({{"from", edge.from},
                     {"to", edge.to},
                     {"kinds", edge.kinds},
                     {"count", counts[i]},
                     {"flags", flags[i]},
                     {"seen", seen}});
  }
  Json findings = Json::array();
  for (const Finding& finding : lock_findings(order, names)) {
    if (finding.kind == "lock-cycle") findings.push_back(finding.text);
  }
  return {{"edges", edges}, {"circles", circles}, {"findings", findings}};
}

}  // namespace

ViewerOrder::ViewerOrder() : sink_(with_everything()), mask_(sink_.mask()) {}

void ViewerOrder::on_line(const TraceLine& line, std::uint32_t task) {
  if (line.kind == TraceLine::Kind::lost) return sink_.lost();
  if (!line.known || line.fields.empty() || !mask_.test(*line.known)) return;
  Record record;
  record.time = Nanos(line.time_ns);
  record.event = *line.known;
  record.cpu = CpuId(static_cast<std::uint16_t>(std::max(line.cpu, 0)));
  record.task = TaskId(task);
  record.context = line.context;
  record.n = static_cast<std::uint8_t>(line.fields.size());
  for (std::size_t i = 0; i < line.fields.size(); ++i) {
    const FieldValue& field = line.fields[i];
    const bool name = field.type == FieldType::sym || field.type == FieldType::ksym;
    record.arg[i] = name ? symbols_.intern(field.text).v : field.value;
  }
  if (record.event == Event::lock_acquire && record.arg[1] != 0) {
    describe_recursive(record, line.fields[2].text);
  }
  sink_.on_record(record);
}

void ViewerOrder::describe_recursive(const Record& record, std::string_view name) {
  if (!always_recursive(name) || !recursive_.insert(record.arg[0]).second) return;
  Record info = record;
  info.event = Event::sim_lock_info;
  info.n = 5;
  info.arg[1] = record.arg[2];
  info.arg[2] = 0;
  info.arg[3] = 1;
  info.arg[4] = 0;
  sink_.on_record(info);
}

void ViewerOrder::release(const TraceLine& line, std::uint32_t task, std::uint64_t id,
                          std::string_view name) {
  Record record;
  record.time = Nanos(line.time_ns);
  record.event = Event::lock_release;
  record.cpu = CpuId(static_cast<std::uint16_t>(std::max(line.cpu, 0)));
  record.task = TaskId(task);
  record.context = line.context;
  record.n = 2;
  record.arg[0] = id;
  record.arg[1] = symbols_.intern(name).v;
  sink_.on_record(record);
}

Json ViewerOrder::json(const std::vector<ViewerTask>& tasks) const {
  const TaskNamer namer = [&](TaskId task) {
    return task.v < tasks.size() ? tasks[task.v].name : std::string("?");
  };
  const LockNames names = sink_.names(symbols_, namer);
  Json classes = Json::array();
  const LockOrder& all = *sink_.with_bit_locks();
  for (LockVertex v = 0; v < all.graph().vertices(); ++v) classes.push_back(names.printed(v));
  return {{"classes", classes},
          {"graphs", {graph_json(sink_.order(), names), graph_json(all, names)}}};
}

}  // namespace faultline
