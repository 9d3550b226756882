// One pass over the lines: each goes to the parts that make spans, waits, CPU time, mappings and
// the lock order of it. Tasks are told apart by pid, the idle tasks by CPU.
#include "export/viewer_collect.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "analysis/lock_survey.hpp"
#include "analysis/trace_files.hpp"
#include "analysis/views_syscalls.hpp"
#include "export/viewer_graph.hpp"
#include "export/viewer_locks.hpp"
#include "export/viewer_maps.hpp"
#include "export/viewer_spans.hpp"

namespace faultline {

namespace {

class Collector {
 public:
  explicit Collector(ViewerModel& model) : model_(model), survey_({true, true}) {
    survey_.begin_trace({});
  }

  bool on_line(const TraceLine& line) {
    survey_.line(line);
    if (line.kind == TraceLine::Kind::frame) return true;
    if (line.inferred) {
      // It happened at the record that it was made from. A try that failed is no wait.
      const auto at = static_cast<RecordIndex>(model_.records.time.size() - 1);
      if (line.known != Event::lock_contended)
        locks_.on_line(line, at, stack_of(line, task_of(line)));
      return true;
    }
    if (model_.records.time.size() == no_record - 1) return false;
    const std::uint32_t task = task_of(line);
    const RecordIndex at = add(line, task);
    if (line.kind == TraceLine::Kind::lost) {
      spans_.lost(at);
      locks_.lost(at);
      return true;
    }
    woken(line, at);
    symbol_.assign(line.text("func"));
    spans_.on_line(line, at, task, symbol_.empty() ? 0 : functions_.intern(symbol_));
    const std::uint32_t stack = stack_of(line, task);
    locks_.on_line(line, at, stack);
    runs_.on_line(line, at, task, model_.records.time.back(), locks_.waiting(stack));
    maps_.on_line(line, at, task);
    run_queue_lock(line, at, stack);
    scheduled(line, at);
    if (line.known == Event::sys_enter) {
      const auto number = static_cast<std::int64_t>(line.value("id"));
      model_.syscalls.emplace(number, syscall_name(number));
    }
    return true;
  }

  void finish(const TraceInfo& info, bool locks_are_inferred) {
    spans_.finish();
    runs_.finish();
    locks_.finish();
    survey_.end_trace(info, locks_are_inferred);
    model_.info = info;
    model_.locks_are_inferred = locks_are_inferred;
    model_.spans = std::move(spans_.spans());
    model_.spans.insert(model_.spans.end(), locks_.spans().begin(), locks_.spans().end());
    std::sort(model_.spans.begin(), model_.spans.end(),
              [](const ViewerSpan& a, const ViewerSpan& b) {
                return a.begin != b.begin ? a.begin < b.begin : a.kind < b.kind;
              });
    model_.waits = std::move(locks_.waits());
    model_.runs = std::move(runs_.runs());
    model_.maps = maps_.finish(model_.tasks);
  }

  nlohmann::ordered_json order() const { return order_json(survey_); }

 private:
  static std::uint32_t stack_of(const TraceLine& line, std::uint32_t task) {
    return task * 3 + static_cast<std::uint32_t>(line.context);
  }

  std::uint32_t task_of(const TraceLine& line) {
    // A lost line belongs to no task; the one before it will do.
    if (line.kind == TraceLine::Kind::lost && !model_.records.task.empty()) {
      return model_.records.task.back();
    }
    const std::uint32_t task = task_of(line.pid, line.cpu, line.task);
    // What a task is called when it runs itself, not what it was when others spoke of it.
    if (line.task != "<...>") model_.tasks[task].name = line.task;
    return task;
  }

  std::uint32_t task_of(std::int32_t pid, std::int32_t cpu, std::string_view name) {
    const std::pair<std::int32_t, std::int32_t> key(pid, pid == 0 ? cpu : 0);
    const auto [it, fresh] = tasks_.emplace(key, static_cast<std::uint32_t>(model_.tasks.size()));
    if (fresh) model_.tasks.push_back({std::string(name), pid});
    return it->second;
  }

  RecordIndex add(const TraceLine& line, std::uint32_t task) {
    ViewerRecords& r = model_.records;
    const auto at = static_cast<RecordIndex>(r.time.size());
    std::uint64_t time = line.time_ns;
    if (!r.time.empty() && time < r.time.back()) {
      if (line.kind == TraceLine::Kind::record) ++model_.out_of_order;
      time = r.time.back();
    }
    r.time.push_back(time);
    r.task.push_back(task);
    r.cpu.push_back(static_cast<std::uint32_t>(std::max(line.cpu, 0)));
    r.message.push_back(message_of(line));
    r.context.push_back(static_cast<std::uint8_t>(line.context));
    r.line.push_back(static_cast<std::uint32_t>(line.line));
    return at;
  }

  std::uint32_t message_of(const TraceLine& line) {
    std::string_view event = line.event;
    if (line.kind == TraceLine::Kind::lost) {
      event = "lost";
      text_ = "lost: " + (line.lost == 0 ? std::string("some") : std::to_string(line.lost)) +
              " events are missing here";
    } else {
      text_.assign(event);
      text_ += ": ";
      text_ += line.body;
    }
    const std::uint32_t message = model_.messages.intern(text_);
    while (model_.message_event.size() <= message) {
      const std::uint32_t number = events_.intern(event);
      if (model_.events.size() <= number) model_.events.resize(number + 1);
      model_.events[number] = event;
      model_.message_event.push_back(number);
    }
    return message;
  }

  // Its first record after sched_waking: it goes on.
  void woken(const TraceLine& line, RecordIndex at) {
    if (waking_.empty()) return;
    const auto it = waking_.find(line.pid);
    if (it == waking_.end() || line.context != Context::task) return;
    model_.wakes.push_back({it->second, at});
    waking_.erase(it);
  }

  void scheduled(const TraceLine& line, RecordIndex at) {
    if (!line.known || line.fields.empty()) return;
    const auto pid = [&](std::string_view field) {
      return static_cast<std::int32_t>(line.value(field));
    };
    if (*line.known == Event::sched_waking) waking_.emplace(pid("pid"), at);
    if (*line.known != Event::sched_switch || line.cpu < 0) return;
    const std::int32_t next = pid("next_pid");
    runs_.switched(static_cast<std::uint32_t>(line.cpu),
                   task_of(next, line.cpu, line.text("next_comm")), next == 0, at);
  }

  // schedule() takes the lock of the run queue, and the next task releases it: after a switch it is
  // not held any more by who took it, whether a record says so or, since a trace may be filtered by
  // task, none does.
  void run_queue_lock(const TraceLine& line, RecordIndex at, std::uint32_t stack) {
    constexpr std::string_view name = "&rq->__lock";
    if (!line.known || line.fields.empty()) return;
    if (*line.known == Event::lock_acquire && line.text("name") == name) {
      run_queue_[stack] = line.value("id");
    } else if (*line.known == Event::lock_release && line.text("name") == name) {
      run_queue_.erase(stack);
    } else if (*line.known == Event::sched_switch) {
      const auto held = run_queue_.find(stack);
      if (held == run_queue_.end()) return;
      locks_.release(stack, held->second, at);
      run_queue_.erase(held);
    }
  }

  ViewerModel& model_;
  ViewerSpans spans_;
  ViewerRuns runs_;
  ViewerLocks locks_;
  ViewerMapper maps_;
  LockSurvey survey_;
  Interner events_;
  Interner functions_;
  std::map<std::pair<std::int32_t, std::int32_t>, std::uint32_t> tasks_;
  std::map<std::int32_t, RecordIndex> waking_;        // by pid: the event that wakes it
  std::map<std::uint32_t, std::uint64_t> run_queue_;  // by stack: the lock it holds
  std::string text_;
  std::string symbol_;
};

template <class Read>
std::optional<ViewerInput> collect(const std::string& path, std::vector<Diagnostic>& problems,
                                   const Read& read) {
  ViewerInput input;
  Collector collector(input.model);
  auto take = [&](const TraceLine& line) { return collector.on_line(line); };
  bool inferred = false;
  const TraceResult result = read(line_sink(take), &inferred);
  input.model.name = path.substr(path.find_last_of('/') + 1);
  input.model.malformed = result.malformed;
  if (!result.usable()) {
    problems.insert(problems.end(), result.diagnostics.begin(), result.diagnostics.end());
    return std::nullopt;
  }
  if (input.model.records.time.empty()) {
    Diagnostic problem;
    problem.file = path;
    problem.what = "no line of it is a record of ftrace text: there is nothing to show";
    problems.push_back(problem);
    return std::nullopt;
  }
  collector.finish(result.info, inferred);
  input.order = collector.order();
  return input;
}

}  // namespace

std::optional<ViewerInput> collect_for_viewer(const std::string& path,
                                              std::vector<Diagnostic>& problems) {
  return collect(path, problems, [&](LineSink sink, bool* inferred) {
    return read_trace_and_locks(path, sink, inferred);
  });
}

std::optional<ViewerInput> collect_text_for_viewer(std::string_view text, const std::string& name,
                                                   std::vector<Diagnostic>& problems) {
  return collect(name, problems, [&](LineSink sink, bool* inferred) {
    return read_text_and_locks(text, name, sink, inferred);
  });
}

}  // namespace faultline
