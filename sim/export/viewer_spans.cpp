// From records to spans: see the header.
#include "export/viewer_spans.hpp"

#include <algorithm>

namespace faultline {

namespace {

std::uint8_t depth_of(std::size_t n) {
  return static_cast<std::uint8_t>(std::min<std::size_t>(n, 255));
}

}  // namespace

ViewerSpans::Task& ViewerSpans::task_of(std::uint32_t task) {
  if (task >= tasks_.size()) tasks_.resize(task + 1);
  return tasks_[task];
}

void ViewerSpans::begin(RecordIndex& open, RecordIndex at, ViewerSpanKind kind) {
  if (open != no_record) spans_.push_back({open, at, kind, 0});  // its end is missing
  open = at;
}

void ViewerSpans::end(RecordIndex& open, RecordIndex at, ViewerSpanKind kind) {
  if (open == no_record) return;  // began before the trace did
  spans_.push_back({open, at, kind, 0});
  open = no_record;
}

void ViewerSpans::pop(Task& task, RecordIndex at) {
  const Call& call = task.calls.back();
  spans_.push_back({call.begin, at, ViewerSpanKind::call, depth_of(task.calls.size() - 1)});
  if (call.fault != no_record) spans_.push_back({call.fault, at, ViewerSpanKind::fault, 0});
  task.calls.pop_back();
}

// Calls that were left without a record end with the one they were made from.
void ViewerSpans::ret(Task& task, std::uint32_t symbol, RecordIndex at) {
  const auto made = std::find_if(task.calls.rbegin(), task.calls.rend(),
                                 [&](const Call& call) { return call.symbol == symbol; });
  if (made == task.calls.rend()) return;  // called before the trace began
  const auto keep = static_cast<std::size_t>(task.calls.rend() - made) - 1;
  while (task.calls.size() > keep) pop(task, at);
}

void ViewerSpans::on_line(const TraceLine& line, RecordIndex at, std::uint32_t number,
                          std::uint32_t symbol) {
  if (line.context != Context::task) return;
  Task& task = task_of(number);
  if (task.wait != no_record) end(task.wait, at, ViewerSpanKind::wait);
  if (!line.known) return;
  switch (*line.known) {
    case Event::sim_step:
      return begin(task.step, at, ViewerSpanKind::step);
    case Event::sim_step_done:
      return end(task.step, at, ViewerSpanKind::step);
    case Event::sys_enter:
      return begin(task.syscall, at, ViewerSpanKind::syscall);
    case Event::sys_exit:
      return end(task.syscall, at, ViewerSpanKind::syscall);
    case Event::page_fault_user:
    case Event::page_fault_kernel:
      if (task.fault != no_record) {
        spans_.push_back({task.fault, task.fault, ViewerSpanKind::fault, 0});
      }
      task.fault = at;
      return;
    case Event::sim_call:
      task.calls.push_back({at, symbol, task.fault});
      task.fault = no_record;
      return;
    case Event::sim_ret:
      return ret(task, symbol, at);
    case Event::sim_wait:
      task.wait = at;
      return;
    default:
      return;
  }
}

void ViewerSpans::lost(RecordIndex at) {
  for (Task& task : tasks_) {
    while (!task.calls.empty()) pop(task, at);
    end(task.step, at, ViewerSpanKind::step);
    end(task.syscall, at, ViewerSpanKind::syscall);
    end(task.wait, at, ViewerSpanKind::wait);
    if (task.fault != no_record) {
      spans_.push_back({task.fault, task.fault, ViewerSpanKind::fault, 0});
      task.fault = no_record;
    }
  }
}

ViewerRuns::Cpu& ViewerRuns::cpu_of(std::uint32_t cpu) {
  if (cpu >= cpus_.size()) cpus_.resize(cpu + 1);
  return cpus_[cpu];
}

void ViewerRuns::close(Cpu& cpu) {
  if (cpu.open) runs_.push_back(cpu.run);
  cpu.open = false;
}

void ViewerRuns::on_line(const TraceLine& line, RecordIndex at, std::uint32_t task,
                         std::uint64_t time, bool waiting) {
  if (line.cpu < 0) return;
  Cpu& cpu = cpu_of(static_cast<std::uint32_t>(line.cpu));
  const bool other = cpu.open && cpu.run.task != task && line.context == Context::task;
  if (other || (cpu.pausing && cpu.last_time != time && !cpu.switched)) close(cpu);
  if (!cpu.open) {
    cpu.run = {at, at, static_cast<std::uint32_t>(line.cpu), task};
    cpu.open = true;
    cpu.switched = false;
  }
  cpu.run.end = at;
  cpu.last_time = time;
  const bool spins =
      line.known == Event::sim_call && line.text("func").find("spin") != std::string_view::npos;
  cpu.pausing =
      (waiting && !spins) || line.known == Event::sim_step_done || line.known == Event::sim_wait;
}

void ViewerRuns::switched(std::uint32_t number, std::uint32_t next, bool idle, RecordIndex at) {
  Cpu& cpu = cpu_of(number);
  close(cpu);
  if (idle) return;
  cpu.run = {at, at, number, next};
  cpu.open = true;
  cpu.switched = true;
}

void ViewerRuns::finish() {
  for (Cpu& cpu : cpus_) close(cpu);
  std::sort(runs_.begin(), runs_.end(), [](const ViewerRun& a, const ViewerRun& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.cpu < b.cpu;
  });
}

}  // namespace faultline
