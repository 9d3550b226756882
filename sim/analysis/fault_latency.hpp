// How long page faults took, as far as a trace tells: from the page_fault_user or page_fault_kernel
// record to the return of the function that was called next (sim_call, sim_ret). Where the trace
// has no calls, to the task's last record before it does something else: a lower bound, and counted
// as such.
#pragma once

#include <map>
#include <string>

#include "analysis/durations.hpp"
#include "trace/text_reader.hpp"

namespace faultline {

struct FaultTimes {
  Durations time;
  std::uint64_t bounded = 0;  ///< of these, lower bounds
};

class FaultLatency {
 public:
  void begin_trace() { open_.clear(); }
  void line(const TraceLine& line);
  void end_trace();

  /// By kind: "user write", "kernel read", "user exec", ...
  const std::map<std::string, FaultTimes>& kinds() const { return kinds_; }

 private:
  struct Open {
    std::string kind;
    std::uint64_t start = 0;
    std::uint64_t last = 0;
    int depth = 0;
    bool called = false;
  };
  void close(Open& fault, std::uint64_t end, bool bounded);

  std::map<std::int32_t, Open> open_;  // by pid
  std::map<std::string, FaultTimes> kinds_;
};

}  // namespace faultline
