// From lines to records, with what a real kernel's text leaves out: lock events print neither
// subclasses nor recursive readers (Linux 6.12 include/trace/events/lock.h prints the map's name).
// There, a second lock of a name that is held counts as the next subclass, and a reader that holds
// the same instance, RCU, SRCU and sequence counters as recursive readers. A fault's try of
// mmap_lock is one that waits. What was held before such a trace began is unknown, so that its
// releases of what is not held mean nothing.
#include "analysis/lock_survey.hpp"

#include <algorithm>
#include <utility>

namespace faultline {

namespace {

// Readers that lockdep itself takes for recursive: rcu_lock_acquire(), srcu_lock_acquire(),
// seqcount_lockdep_reader_access().
bool reads_recursively(std::string_view name) {
  return name.starts_with("rcu_") || name.ends_with("srcu") || name.find("seqcount") != name.npos ||
         name.find("srcu_struct") != name.npos;
}

// Kernel threads that try the mmap_lock of programs and go on without it (mm/khugepaged.c,
// mm/ksm.c, mm/oom_kill.c).
bool scans_memory(std::string_view task) {
  return task == "khugepaged" || task == "ksmd" || task == "oom_reaper";
}

// What a dump begins with that is not the caller: the tracing itself, and lock debugging.
bool is_tracing(std::string_view function) {
  for (const std::string_view part :
       {"trace_event_", "perf_trace_", "__traceiter_", "trace_buffer_", "__ftrace_", "ftrace_",
        "lock_acquire", "_do_trace_"}) {
    if (function.find(part) != function.npos) return true;
  }
  return false;
}

bool is_symbol(FieldType type) { return type == FieldType::sym || type == FieldType::ksym; }

}  // namespace

LockSurvey::LockSurvey(const SurveyOptions& options)
    : options_(options),
      sink_(LockOrderOptions{true, options.bit_locks, options.try_wait}, &symbols_),
      mask_(sink_.mask()) {
  for (const Event e : {Event::lock_contended, Event::lock_acquired, Event::sim_bitlock_acquire,
                        Event::sim_bitlock_contended, Event::sim_bitlock_acquired,
                        Event::sim_bitlock_release, Event::sim_step}) {
    mask_.set(e);
  }
}

void LockSurvey::begin_trace(std::string name) {
  traces_.push_back({std::move(name), {}, false, 0, {}});
  tasks_.clear();
  last_key_ = -1;
  per_task_.clear();
  bit_owners_.clear();
  begun_ = false;
}

// Whose text it is is known with its first record.
void LockSurvey::begin(bool native) {
  begun_ = true;
  native_ = native;
  sink_.begin_trace(static_cast<std::uint32_t>(traces_.size() - 1), native_);
}

TaskId LockSurvey::task_of(const TraceLine& line) {
  // Every CPU has an idle task of its own, all with pid 0.
  const std::int64_t key = line.pid != 0 ? line.pid : -2 - std::int64_t{line.cpu};
  if (key == last_key_) return last_task_;
  const auto next = TaskId(static_cast<std::uint32_t>(tasks_.size()));
  const auto [it, fresh] = tasks_.emplace(key, next);
  if (fresh) {
    traces_.back().tasks.emplace_back(line.task);
    per_task_.emplace_back();
  } else if (traces_.back().tasks[it->second.v] == "<...>") {
    traces_.back().tasks[it->second.v] = line.task;
  }
  last_key_ = key;
  last_task_ = it->second;
  return last_task_;
}

void LockSurvey::line(const TraceLine& line) {
  if (!begun_) begin(line.native);
  if (line.kind == TraceLine::Kind::frame) return frame(line);
  if (line.kind == TraceLine::Kind::lost) {
    settle_all();
    return sink_.lost();
  }
  if (!native_ && !line.inferred) settle(per_task_[task_of(line).v]);
  if (!native_ && line.event == "sched_switch") return release_run_queue(line);
  if (!line.known || !mask_.test(*line.known) || line.fields.empty()) return;
  Record record;
  record.time = Nanos(line.time_ns);
  record.event = *line.known;
  record.cpu = CpuId(static_cast<std::uint16_t>(std::max(line.cpu, 0)));
  record.task = task_of(line);
  record.context = line.context;
  record.n = static_cast<std::uint8_t>(line.fields.size());
  for (std::size_t i = 0; i < line.fields.size(); ++i) {
    const FieldValue& field = line.fields[i];
    record.arg[i] = is_symbol(field.type) ? symbols_.intern(field.text).v : field.value;
  }
  feed(line, record);
}

// schedule() takes the run queue's lock, and whoever runs next releases it (finish_lock_switch()),
// which a trace of one task does not show.
void LockSurvey::release_run_queue(const TraceLine& line) {
  Record record;
  record.event = Event::lock_release;
  record.time = Nanos(line.time_ns);
  record.cpu = CpuId(0);
  record.task = task_of(line);
  record.context = Context::task;
  record.n = 2;
  std::vector<LockUse> gone;
  for (const HeldEntry& held : order().held(record.task)) {
    if (printed(held.use.cls).starts_with("&rq->")) gone.push_back(held.use);
  }
  for (const LockUse& use : gone) {
    record.arg[0] = use.instance;
    record.arg[1] = sink_.printed(use.cls).v;
    sink_.on_record(record);
  }
}

void LockSurvey::feed(const TraceLine& line, Record& record) {
  switch (record.event) {
    case Event::lock_acquire:
      ++traces_.back().lock_records;
      if (!native_) return acquire(line, record);
      break;
    case Event::lock_release:
      ++traces_.back().lock_records;
      if (!native_) settle(per_task_[record.task.v]);
      break;
    case Event::lock_contended:
    case Event::lock_acquired:
    case Event::sim_bitlock_acquire:
    case Event::sim_bitlock_contended:
    case Event::sim_bitlock_acquired:
    case Event::sim_bitlock_release:
    case Event::sim_step:
      watch_waits(line, record);
      break;
    default:
      break;
  }
  sink_.on_record(record);
}

// Where the call was made from stands behind the record, if at all, so it waits for the task's next
// line. The order of one task's records is all that matters.
void LockSurvey::acquire(const TraceLine& line, const Record& record) {
  PerTask& mine = per_task_[record.task.v];
  if (!line.inferred) settle(mine);
  mine.pending.push_back(record);
}

void LockSurvey::frame(const TraceLine& line) {
  constexpr std::size_t most = 32;
  PerTask& mine = per_task_[task_of(line).v];
  if (mine.pending.empty() || mine.frames.size() >= most) return;
  if (mine.frames.empty() && is_tracing(line.body)) return;
  mine.frames.push_back(symbols_.intern(line.body));
}

void LockSurvey::settle(PerTask& task) {
  if (task.pending.empty()) return;
  std::reverse(task.frames.begin(), task.frames.end());
  sink_.set_path(task.pending.front().task, task.pending.front().context, task.frames);
  for (Record& record : task.pending) {
    make_up(record);
    sink_.on_record(record);
    if (!waits_after_try(record)) continue;
    record.event = Event::sim_lock_try_wait;
    sink_.on_record(record);
  }
  task.pending.clear();
  task.frames.clear();
}

void LockSurvey::settle_all() {
  for (PerTask& task : per_task_) settle(task);
}

// A fault tries mmap_lock and waits for it when that fails (mm/memory.c get_mmap_lock_carefully(),
// before Linux 6.4 arch/x86/mm/fault.c). In the context of a task that has a program, whoever tries
// to read that lock is a fault; kernel threads that scan other programs' memory give up instead.
bool LockSurvey::waits_after_try(const Record& record) const {
  constexpr std::uint64_t try_and_read = 3;
  if (!options_.try_wait || record.context != Context::task) return false;
  if ((record.arg[1] & try_and_read) != try_and_read) return false;
  const SymbolId name(static_cast<std::uint32_t>(record.arg[2]));
  const std::string_view text = symbols_.text(name);
  if (text != "&mm->mmap_lock" && text != "&mm->mmap_sem") return false;
  return !scans_memory(traces_.back().tasks[record.task.v]);
}

void LockSurvey::make_up(Record& record) {
  const SymbolId name(static_cast<std::uint32_t>(record.arg[2]));
  const std::string_view text = symbols_.text(name);
  const bool read = (record.arg[1] & 2) != 0;
  if (read && reads_recursively(text)) return sink_.set_recursive(name);
  unsigned depth = 0;
  for (const HeldEntry& held : order().held(record.task, record.context)) {
    if (held.use.instance == record.arg[0]) {
      if (read && held.use.mode != OrderMode::exclusive) sink_.set_recursive(name);
      return;
    }
    const std::string_view other = symbols_.text(sink_.printed(held.use.cls));
    depth += split_printed_class(other).name == text ? 1 : 0;
  }
  if (depth == 0) return;
  record.arg[2] = symbols_.intern(std::string(text) + "/" + std::to_string(std::min(depth, 7u))).v;
}

void LockSurvey::watch_waits(const TraceLine& line, const Record& record) {
  PerTask& mine = per_task_[record.task.v];
  switch (record.event) {
    case Event::sim_step:
      mine.step = std::string(line.body);
      return;
    case Event::lock_contended:
    case Event::sim_bitlock_contended:
      mine.waits =
          Wait{record.arg[0],
               std::string(symbols_.text(SymbolId(static_cast<std::uint32_t>(record.arg[1])))),
               record.time, record.event == Event::sim_bitlock_contended};
      return;
    case Event::sim_bitlock_acquire:
      bit_owners_[record.arg[0]] = record.task;
      mine.waits.reset();
      return;
    case Event::sim_bitlock_release:
      bit_owners_.erase(record.arg[0]);
      return;
    default:
      mine.waits.reset();
  }
}

HappenedDeadlock LockSurvey::blocked_tasks() const {
  HappenedDeadlock deadlock{static_cast<std::uint32_t>(traces_.size() - 1), {}};
  const auto& names = traces_.back().tasks;
  for (std::uint32_t t = 0; t < per_task_.size(); ++t) {
    if (!per_task_[t].waits) continue;
    const Wait& wait = *per_task_[t].waits;
    BlockedTask blocked;
    blocked.task = names[t];
    blocked.step = per_task_[t].step;
    blocked.wants = wait.name;
    blocked.instance = wait.instance;
    blocked.since = wait.since;
    const auto held = order().held(TaskId(t));
    // The lock that is waited for lies on the stack since it was asked for.
    const bool on_top =
        !wait.bit_lock && !held.empty() && held.back().use.instance == wait.instance;
    if (on_top) {
      blocked.mode = held.back().use.mode == OrderMode::exclusive ? "exclusive" : "shared";
      blocked.path = path(held.back().path);
    }
    for (const HeldEntry& h : held.first(held.size() - (on_top ? 1 : 0))) {
      blocked.holds.push_back(printed(h.use.cls));
    }
    for (const auto& [instance, owner] : bit_owners_) {
      if (owner.v == t) blocked.holds.emplace_back("bit lock " + std::to_string(instance));
      if (instance == wait.instance) blocked.owners.push_back(names[owner.v]);
    }
    for (std::uint32_t o = 0; o < per_task_.size(); ++o) {
      auto others = order().held(TaskId(o));
      const auto& waits = per_task_[o].waits;
      if (waits && !waits->bit_lock && !others.empty()) others = others.first(others.size() - 1);
      const bool owns = std::any_of(others.begin(), others.end(), [&](const HeldEntry& h) {
        return h.use.instance == wait.instance;
      });
      if (owns) blocked.owners.push_back(names[o]);
    }
    deadlock.tasks.push_back(std::move(blocked));
  }
  return deadlock;
}

void LockSurvey::end_trace(const TraceInfo& info, bool inferred) {
  if (!begun_) begin(info.native);
  settle_all();
  traces_.back().inferred = inferred;
  if (info.outcome == "deadlock") deadlocks_.push_back(blocked_tasks());
  if (info.outcome == "stuck") stuck_.push_back(blocked_tasks());
  const auto counts = order().edge_counts();
  counts_before_.resize(counts.size());
  edge_traces_.resize(counts.size());
  for (std::size_t e = 0; e < counts.size(); ++e) {
    if (counts[e] != counts_before_[e]) ++edge_traces_[e];
  }
  counts_before_ = counts;
  traces_.back().info = info;
}

std::string LockSurvey::printed(LockVertex cls) const {
  return std::string(symbols_.text(sink_.printed(cls)));
}

const std::string& LockSurvey::task(std::uint32_t trace, TaskId id) const {
  return traces_[trace].tasks[id.v];
}

std::vector<std::string> LockSurvey::path(std::uint32_t node) const {
  return sink_.names(symbols_, {}).path(node);
}

}  // namespace faultline
