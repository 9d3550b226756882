// Beginnings and ends of faults.
#include "analysis/fault_latency.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t X86_PF_WRITE = 2;
constexpr std::uint64_t X86_PF_INSTR = 16;

bool begins_something_else(Event event) {
  switch (event) {
    case Event::page_fault_user:
    case Event::page_fault_kernel:
    case Event::sys_enter:
    case Event::sys_exit:
    case Event::sim_step:
    case Event::sim_step_done:
      return true;
    default:
      return false;
  }
}

}  // namespace

void FaultLatency::close(Open& fault, std::uint64_t end, bool bounded) {
  FaultTimes& times = kinds_[fault.kind];
  times.time.add(end - fault.start);
  times.bounded += bounded;
}

void FaultLatency::line(const TraceLine& line) {
  if (line.kind == TraceLine::Kind::lost) return open_.clear();
  if (line.kind == TraceLine::Kind::frame) return;
  if (line.context != Context::task) return;
  const auto it = open_.find(line.pid);
  if (!line.known || line.fields.empty()) {
    if (it != open_.end()) it->second.last = line.time_ns;
    return;
  }
  const Event event = *line.known;
  if (it != open_.end()) {
    Open& fault = it->second;
    if (begins_something_else(event)) {
      close(fault, fault.last, true);
      open_.erase(it);
    } else {
      fault.last = line.time_ns;
      if (event == Event::sim_call) {
        fault.called = true;
        ++fault.depth;
      } else if (event == Event::sim_ret && fault.called && --fault.depth == 0) {
        close(fault, line.time_ns, false);
        open_.erase(it);
      }
    }
  }
  if (event != Event::page_fault_user && event != Event::page_fault_kernel) return;
  const std::uint64_t code = line.value("error_code");
  Open fault;
  fault.kind = event == Event::page_fault_user ? "user " : "kernel ";
  fault.kind += (code & X86_PF_INSTR) != 0 ? "exec" : (code & X86_PF_WRITE) != 0 ? "write" : "read";
  fault.start = fault.last = line.time_ns;
  open_[line.pid] = fault;
}

void FaultLatency::end_trace() {
  for (auto& [pid, fault] : open_) close(fault, fault.last, true);
  open_.clear();
}

}  // namespace faultline
