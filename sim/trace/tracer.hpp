// The one door through which everything the simulator does becomes a record. A disabled event costs
// one bit test; an enabled one is built on the stack and handed to each sink that wants it, in the
// order in which they were added. The tracer keeps nothing of a record itself.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "trace/record.hpp"
#include "trace/symbols.hpp"

namespace faultline {

/// Where records go: an object and a function called with it. The object must outlive the tracer's
/// use of it; the record is valid during the call only.
struct SinkRef {
  void* self = nullptr;
  void (*fn)(void* self, const Record& record) = nullptr;
};

/// A SinkRef that calls `sink.on_record(record)`.
template <class Sink>
SinkRef sink_ref(Sink& sink) {
  return {&sink, [](void* self, const Record& r) { static_cast<Sink*>(self)->on_record(r); }};
}

/// Name and number of a task as ftrace prints them.
struct TaskName {
  std::string comm;
  std::int32_t pid = 0;
};

/// Names of a run's tasks by TaskId; a task nobody named is `<...>` with pid 0.
class TaskTable {
 public:
  void set(TaskId task, std::string_view comm, std::int32_t pid);
  const TaskName& name(TaskId task) const {
    return task.v < names_.size() ? names_[task.v] : unknown_;
  }
  std::size_t size() const { return names_.size(); }

 private:
  std::vector<TaskName> names_;
  TaskName unknown_{"<...>", 0};
};

/// Takes events and spreads records. Also owns the run's symbols and names of tasks.
class Tracer {
 public:
  /// Is anybody interested in `event`?
  bool wants(Event event) const { return wanted_.test(event); }

  /// From now on `sink` gets every record of the events in `mask`.
  void add_sink(SinkRef sink, const EventMask& mask);

  /// From now on nothing else than these events is recorded, whatever sinks want.
  void restrict_to(const EventMask& mask) { wanted_ = wanted_ & mask; }

  /// Records one event in the context of a task. The arguments are the fields in catalogue order:
  /// integers, bools, enums and strong types; a symbol field takes a SymbolId, a string literal
  /// (kept by address: it must outlive the tracer) or a std::string_view.
  template <Event E, class... A>
  void emit(Nanos now, CpuId cpu, TaskId task, const A&... args) {
    emit_in<E>(Context::task, now, cpu, task, args...);
  }

  /// The same, for an interrupt that runs on top of `task`.
  template <Event E, class... A>
  void emit_in(Context context, Nanos now, CpuId cpu, TaskId task, const A&... args) {
    static_assert(sizeof...(A) == catalogue::arity(E), "one argument for each field of the event");
    if (!wants(E)) [[likely]]
      return;
    Record r;
    fill(r, E, context, now, cpu, task, args...);
    deliver(r);
  }

  /// The same for an event known only at run time; the number of arguments is checked then.
  template <class... A>
  void emit(Event event, Nanos now, CpuId cpu, TaskId task, const A&... args) {
    static_assert(sizeof...(A) <= max_args);
    check_arity(event, sizeof...(A));
    if (!wants(event)) [[likely]]
      return;
    Record r;
    fill(r, event, Context::task, now, cpu, task, args...);
    deliver(r);
  }

  /// Hands a finished record to the sinks that want it.
  void deliver(const Record& record);

  SymbolTable& symbols() { return symbols_; }
  const SymbolTable& symbols() const { return symbols_; }

  /// Gives a task the name and number its lines bear.
  void set_task(TaskId task, std::string_view comm, std::int32_t pid) {
    tasks_.set(task, comm, pid);
  }
  const TaskTable& tasks() const { return tasks_; }

 private:
  struct Sink {
    SinkRef ref;
    EventMask mask;
  };

  template <class T>
  std::uint64_t word(const T& value) {
    if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
      return static_cast<std::uint64_t>(value);  // sign-extends, as signed fields want it
    } else if constexpr (requires { value.v; }) {
      return static_cast<std::uint64_t>(value.v);
    } else if constexpr (std::is_convertible_v<T, const char*>) {
      return symbols_.intern_static(value).v;
    } else {
      return symbols_.intern(std::string_view(value)).v;
    }
  }

  template <class... A>
  void fill(Record& r, Event event, Context context, Nanos now, CpuId cpu, TaskId task,
            const A&... args) {
    r.time = now;
    r.event = event;
    r.cpu = cpu;
    r.task = task;
    r.n = sizeof...(A);
    r.context = context;
    std::size_t i = 0;
    ((r.arg[i++] = word(args)), ...);
  }

  static void check_arity(Event event, std::size_t n);

  EventMask wanted_;
  std::vector<Sink> sinks_;
  SymbolTable symbols_;
  TaskTable tasks_;
};

}  // namespace faultline
