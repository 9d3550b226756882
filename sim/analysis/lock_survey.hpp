// The lock order of one or many traces together: each is fed line by line, its own or a real
// kernel's text, and the union is one LockOrderSink. A real kernel's text begins in the middle and
// says less than ours: what is left out of it is made up for here (see lock_survey.cpp) and never
// leads to a complaint about what cannot be known.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/lock_order_sink.hpp"
#include "trace/symbols.hpp"
#include "trace/text_reader.hpp"

namespace faultline {

/// What a survey looks at.
struct SurveyOptions {
  bool try_wait = true;    ///< false: as the kernel's validator, nothing for a try that succeeds
  bool bit_locks = false;  ///< also the second graph, with the locks that lock debugging ignores
};

/// One trace of a survey.
struct SurveyedTrace {
  std::string name;  ///< its path
  TraceInfo info;
  bool inferred = false;  ///< it has no lock events: those of other tracepoints stand for them
  std::uint64_t lock_records = 0;
  std::vector<std::string> tasks;  ///< by TaskId: the names
};

/// A task that waited for a lock when its trace ended in deadlock: that which happened.
struct BlockedTask {
  std::string task;
  std::string step;  ///< `task.id verb`, if the trace has steps
  std::string wants;
  std::string mode;
  std::uint64_t instance = 0;
  Nanos since;
  std::vector<std::string> path;    ///< of the attempt, outermost call first
  std::vector<std::string> holds;   ///< printed names
  std::vector<std::string> owners;  ///< tasks that hold what it wants
};

/// A trace whose run ended in deadlock, or stuck: nobody could go on, and whoever waits for a lock
/// waits for one that is never released.
struct HappenedDeadlock {
  std::uint32_t trace = 0;
  std::vector<BlockedTask> tasks;
};

class LockSurvey {
 public:
  explicit LockSurvey(const SurveyOptions& options = {});
  LockSurvey(const LockSurvey&) = delete;
  LockSurvey& operator=(const LockSurvey&) = delete;

  void begin_trace(std::string name);
  void line(const TraceLine& line);
  void end_trace(const TraceInfo& info, bool inferred = false);

  const LockOrderSink& sink() const { return sink_; }
  const LockOrder& order() const { return sink_.order(); }
  const std::vector<SurveyedTrace>& traces() const { return traces_; }
  const std::vector<HappenedDeadlock>& deadlocks() const { return deadlocks_; }
  const std::vector<HappenedDeadlock>& stuck() const { return stuck_; }
  /// By edge: in how many traces it was seen.
  const std::vector<std::uint32_t>& edge_traces() const { return edge_traces_; }
  std::string printed(LockVertex cls) const;
  const std::string& task(std::uint32_t trace, TaskId id) const;
  std::vector<std::string> path(std::uint32_t node) const;

 private:
  struct Wait {
    std::uint64_t instance = 0;
    std::string name;
    Nanos since;
    bool bit_lock = false;
  };
  struct PerTask {
    std::optional<Wait> waits;
    std::string step;
    std::vector<Record> pending;   // acquisitions of one line, whose stack dump may follow
    std::vector<SymbolId> frames;  // of that, innermost first
  };

  void begin(bool native);
  TaskId task_of(const TraceLine& line);
  void feed(const TraceLine& line, Record& record);
  void acquire(const TraceLine& line, const Record& record);
  void frame(const TraceLine& line);
  void settle(PerTask& task);
  void settle_all();
  void release_run_queue(const TraceLine& line);
  void make_up(Record& record);
  bool waits_after_try(const Record& record) const;
  void watch_waits(const TraceLine& line, const Record& record);
  HappenedDeadlock blocked_tasks() const;

  SurveyOptions options_;
  SymbolTable symbols_;
  LockOrderSink sink_;
  EventMask mask_;
  std::vector<SurveyedTrace> traces_;
  std::vector<HappenedDeadlock> deadlocks_;
  std::vector<HappenedDeadlock> stuck_;
  std::vector<std::uint32_t> edge_traces_;
  std::vector<std::uint64_t> counts_before_;
  std::map<std::int64_t, TaskId> tasks_;  // by pid; idle tasks by CPU
  std::int64_t last_key_ = -1;
  TaskId last_task_;
  std::vector<PerTask> per_task_;
  std::map<std::uint64_t, TaskId> bit_owners_;
  bool begun_ = false;
  bool native_ = false;
};

}  // namespace faultline
