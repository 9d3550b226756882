// Steps, system calls, faults and kernel functions of tasks as spans, and which task had which CPU.
// A fault is the do_user_addr_fault (or whatever function comes first) that follows its event;
// where calls are not recorded it is a point.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "export/viewer_model.hpp"

namespace faultline {

class ViewerSpans {
 public:
  /// `symbol` names the function of a call or a return; its meaning is the caller's.
  void on_line(const TraceLine& line, RecordIndex at, std::uint32_t task, std::uint32_t symbol);

  /// Records are missing here: what is open ends.
  void lost(RecordIndex at);

  /// Ends what is open.
  void finish() { lost(no_record); }

  std::vector<ViewerSpan>& spans() { return spans_; }

 private:
  struct Call {
    RecordIndex begin = 0;
    std::uint32_t symbol = 0;
    RecordIndex fault = no_record;  ///< of which this is the handler
  };
  struct Task {
    std::vector<Call> calls;
    RecordIndex step = no_record;
    RecordIndex syscall = no_record;
    RecordIndex fault = no_record;  ///< was raised; its handler did not begin yet
    RecordIndex wait = no_record;   ///< sim_wait: until the task's next record
  };

  Task& task_of(std::uint32_t task);
  void begin(RecordIndex& open, RecordIndex at, ViewerSpanKind kind);
  void end(RecordIndex& open, RecordIndex at, ViewerSpanKind kind);
  void ret(Task& task, std::uint32_t symbol, RecordIndex at);
  void pop(Task& task, RecordIndex at);

  std::vector<Task> tasks_;
  std::vector<ViewerSpan> spans_;
};

/// Which task had which CPU, as far as records show it: from its first record there to the last
/// before another task's, or as the scheduler says where sched_switch is recorded.
class ViewerRuns {
 public:
  /// `waiting`: the task now waits for a lock, and has the CPU only while it spins.
  void on_line(const TraceLine& line, RecordIndex at, std::uint32_t task, std::uint64_t time,
               bool waiting);
  /// The scheduler gave the CPU to `next`.
  void switched(std::uint32_t cpu, std::uint32_t next, bool idle, RecordIndex at);
  void finish();
  std::vector<ViewerRun>& runs() { return runs_; }

 private:
  struct Cpu {
    ViewerRun run;
    std::uint64_t last_time = 0;
    bool open = false;
    bool pausing = false;   ///< the last record may be the last one for some time
    bool switched = false;  ///< by sched_switch: ends with the next one
  };
  void close(Cpu& cpu);
  Cpu& cpu_of(std::uint32_t cpu);

  std::vector<Cpu> cpus_;
  std::vector<ViewerRun> runs_;
};

}  // namespace faultline
