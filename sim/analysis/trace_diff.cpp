// The two comparisons. Tasks are aligned by name, steps by what they are called, so that a step
// more on one side is one difference. Of records that agree but for a column (a time, a CPU) only
// the number and the first are kept: one event more shifts all later times.
#include "analysis/trace_diff.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "analysis/trace_diff_hunks.hpp"
#include "analysis/trace_diff_records.hpp"
#include "analysis/views_lines.hpp"
#include "analysis/views_text.hpp"

namespace faultline {
namespace {

/// Whether two files hold the same bytes up to the last newline; much faster than comparing
/// records, and the usual case in a test.
bool same_text(LineReader& a, LineReader& b) {
  a.seek(0);
  b.seek(0);
  while (true) {
    const auto line_a = a.next();
    const auto line_b = b.next();
    if (!line_a || !line_b) return !line_a && !line_b && !a.problem() && !b.problem();
    if (*line_a != *line_b) return false;
  }
}

class RecordDiff {
 public:
  RecordDiff(const std::string& path_a, const std::string& path_b, const DiffOptions& options)
      : options_(options),
        filter_(options.ignore),
        path_a_(path_a),
        path_b_(path_b),
        text_a_(path_a),
        text_b_(path_b) {}

  DiffResult run() {
    const auto a = read_records(text_a_, path_a_, filter_, result_.errors);
    if (same_text(text_a_, text_b_)) {
      if (result_.errors.empty()) all_same(a);
      return std::move(result_);
    }
    const auto b = read_records(text_b_, path_b_, filter_, result_.errors);
    if (!result_.errors.empty()) return std::move(result_);
    about(a, b);
    all_tasks(a, b);
    if (!different() && !filter_.ignores("time") && a.interleaving != b.interleaving) {
      result_.facts.push_back("every task does the same, but tasks take turns in another order");
    }
    result_.same = !different();
    note_unused();
    return std::move(result_);
  }

 private:
  bool different() const {
    return result_.places > 0 || !result_.columns.empty() || !result_.facts.empty();
  }

  void all_same(const RecordTrace& trace) {
    about(trace, trace);
    result_.equal = trace.records;
    result_.same = true;
    note_unused();
  }

  void note_unused() {
    for (const auto& word : filter_.unused()) {
      result_.notes.push_back(fmt::format("ignored, but in neither trace: {}", word));
    }
  }

  void all_tasks(const RecordTrace& a, const RecordTrace& b) {
    std::vector<bool> matched(b.tasks.size(), false);
    for (const auto& task : a.tasks) {
      const auto other = std::find_if(b.tasks.begin(), b.tasks.end(), [&](auto& candidate) {
        return candidate.name == task.name && candidate.ordinal == task.ordinal;
      });
      if (other == b.tasks.end()) {
        tasks(task, RecordTask{});
      } else {
        matched[static_cast<std::size_t>(other - b.tasks.begin())] = true;
        tasks(task, *other);
      }
    }
    for (std::size_t i = 0; i < b.tasks.size(); ++i) {
      if (!matched[i]) tasks(RecordTask{}, b.tasks[i]);
    }
  }

  /// Headers and ends of native traces.
  void about(const RecordTrace& a, const RecordTrace& b) {
    for (const auto* key : {"scenario", "profile", "seed", "level"}) {
      const auto of = [&](const RecordTrace& trace) {
        const auto found = trace.header.find(key);
        return found == trace.header.end() ? std::string("none") : found->second;
      };
      if (of(a) == of(b)) continue;
      result_.notes.push_back(fmt::format("{}: {} in A, {} in B", key, of(a), of(b)));
    }
    const auto outcome = [](const RecordTrace& trace) {
      const auto found = trace.end.find("outcome");
      return found == trace.end.end() ? std::string("none") : found->second;
    };
    if (outcome(a) != outcome(b)) {
      result_.facts.push_back(fmt::format("outcome: {} in A, {} in B", outcome(a), outcome(b)));
    }
    if (a.other_lines != b.other_lines) {
      result_.facts.push_back("one has more lines that are no records than the other");
    }
    for (const auto& [trace, name] : {std::pair{&a, 'A'}, std::pair{&b, 'B'}}) {
      if (!trace->complete) {
        result_.notes.push_back(fmt::format("{} is incomplete: its end line is missing", name));
      }
      if (trace->other_lines == 0) continue;
      result_.notes.push_back(
          fmt::format("{} has {} lines that are no records", name, trace->other_lines));
    }
  }

  void tasks(const RecordTask& a, const RecordTask& b) {
    const auto& name = a.steps.empty() ? b.name : a.name;
    if (a.steps.empty() || b.steps.empty()) {
      result_.facts.push_back(
          fmt::format("task {} is only in {}", name, a.steps.empty() ? 'B' : 'A'));
    } else if (a.pid != b.pid && !filter_.ignores("pid")) {
      column("pid", 0, 0, std::to_string(a.pid), std::to_string(b.pid));
    }
    // Steps are aligned by their label: equal labels get equal keys.
    Interner ids;
    std::vector<std::uint64_t> keys_a;
    std::vector<std::uint64_t> keys_b;
    for (const auto& step : a.steps) keys_a.push_back(ids.intern(step.label));
    for (const auto& step : b.steps) keys_b.push_back(ids.intern(step.label));
    std::size_t at_a = 0;
    std::size_t at_b = 0;
    const RecordStep none;
    const auto unmatched = [&](std::size_t until_a, std::size_t until_b) {
      for (; at_a < until_a; ++at_a) steps(name, a.steps[at_a], none);
      for (; at_b < until_b; ++at_b) steps(name, none, b.steps[at_b]);
    };
    for (const auto& block : match_sequences(keys_a, keys_b)) {
      unmatched(block.a, block.b);
      for (std::size_t i = 0; i < block.length; ++i) steps(name, a.steps[at_a++], b.steps[at_b++]);
    }
    unmatched(a.steps.size(), b.steps.size());
  }

  void steps(const std::string& task, const RecordStep& a, const RecordStep& b) {
    DiffPlace place;
    place.task = task;
    place.step = a.items.empty() ? b.label : a.label;
    place.text_a = [this](const DiffItem& item) { return text_at(text_a_, item); };
    place.text_b = [this](const DiffItem& item) { return text_at(text_b_, item); };
    for (const auto& block : diff_items(a.items, b.items, place, options_, result_)) {
      for (std::size_t i = 0; i < block.length; ++i) {
        compare_columns(a.items[block.a + i], b.items[block.b + i]);
      }
    }
  }

  static std::string text_at(LineReader& reader, const DiffItem& item) {
    reader.seek(item.place);
    const auto line = reader.next();
    return line ? std::string(trim(*line)) : std::string("(the file changed meanwhile)");
  }

  void compare_columns(const DiffItem& a, const DiffItem& b) {
    if (a.time != b.time && !filter_.ignores("time")) {
      column("time", a.line, b.line, fmt::format("{}ns", a.time), fmt::format("{}ns", b.time));
    }
    if (a.cpu != b.cpu && !filter_.ignores("cpu")) {
      column("cpu", a.line, b.line, std::to_string(a.cpu), std::to_string(b.cpu));
    }
    if (a.flags != b.flags && !filter_.ignores("flags")) column("flags", a.line, b.line, "", "");
  }

  void column(const std::string& name, std::uint64_t line_a, std::uint64_t line_b, std::string a,
              std::string b) {
    auto& change = result_.columns[name];
    if (change.count++ == 0) change = {1, line_a, line_b, std::move(a), std::move(b)};
  }

  const DiffOptions& options_;
  RecordFilter filter_;
  std::string path_a_;
  std::string path_b_;
  LineReader text_a_;
  LineReader text_b_;
  DiffResult result_;
};

std::vector<DiffItem> items_of(const std::vector<ViewLine>& lines) {
  std::vector<DiffItem> items;
  items.reserve(lines.size());
  for (const auto& line : lines) {
    DiffItem item;
    item.key = item.place = line.text;
    item.line = line.line;
    items.push_back(item);
  }
  return items;
}

void note_view(const ViewTrace& trace, char name, DiffResult& result) {
  if (!trace.complete) {
    result.notes.push_back(fmt::format("{} is incomplete: its end line is missing", name));
  }
  if (trace.timestamp_transactions > 0) {
    result.notes.push_back(
        fmt::format("{}: {} timestamp transactions cut", name, trace.timestamp_transactions));
  }
  for (const auto& [event, count] : trace.not_compared) {
    result.notes.push_back(fmt::format("{}: not in the view: {} ({})", name, event, count));
  }
  for (const auto& [event, count] : trace.allowed) result.allowed[event] += count;
}

}  // namespace

DiffResult diff_views(const ViewTrace& a, const ViewTrace& b, const TextPool& pool,
                      const DiffOptions& options) {
  DiffResult result;
  note_view(a, 'A', result);
  note_view(b, 'B', result);
  if (a.actors.size() != b.actors.size()) {
    result.facts.push_back(
        fmt::format("{} tasks with steps in A, {} in B", a.actors.size(), b.actors.size()));
  }
  const ViewActor no_actor;
  const ViewStep no_step;
  for (std::size_t t = 0; t < std::max(a.actors.size(), b.actors.size()); ++t) {
    const auto& task_a = t < a.actors.size() ? a.actors[t] : no_actor;
    const auto& task_b = t < b.actors.size() ? b.actors[t] : no_actor;
    if (task_a.steps.size() != task_b.steps.size() && t < a.actors.size() && t < b.actors.size()) {
      result.facts.push_back(fmt::format("task {}: {} steps in A, {} in B", t + 1,
                                         task_a.steps.size() - 1, task_b.steps.size() - 1));
    }
    for (std::size_t s = 0; s < std::max(task_a.steps.size(), task_b.steps.size()); ++s) {
      const auto& step_a = s < task_a.steps.size() ? task_a.steps[s] : no_step;
      const auto& step_b = s < task_b.steps.size() ? task_b.steps[s] : no_step;
      DiffPlace place;
      place.task = fmt::format("{} ({} / {})", t + 1, task_a.name, task_b.name);
      place.step = fmt::format("{} ({} / {})", s, step_a.label, step_b.label);
      place.text_a = place.text_b = [&](const DiffItem& item) {
        return std::string(pool.view(static_cast<std::uint32_t>(item.place)));
      };
      diff_items(items_of(step_a.lines), items_of(step_b.lines), place, options, result);
    }
  }
  if (result.equal == 0 && result.places == 0) {
    result.notes.push_back("neither trace has a line in this view");
  }
  result.same = result.places == 0 && result.facts.empty();
  return result;
}

DiffResult diff_traces(const std::string& path_a, const std::string& path_b,
                       const DiffOptions& options) {
  if (!options.view) return RecordDiff(path_a, path_b, options).run();
  TextPool pool;
  std::vector<Diagnostic> problems;
  const ViewOptions view{*options.view, options.allow};
  const auto a = reduce_trace(path_a, view, pool, problems);
  const auto b = reduce_trace(path_b, view, pool, problems);
  if (!problems.empty()) {
    DiffResult result;
    result.errors = std::move(problems);
    return result;
  }
  return diff_views(a, b, pool, options);
}

}  // namespace faultline
