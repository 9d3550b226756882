// Spreading records to sinks; names of tasks.
#include "trace/tracer.hpp"

#include "base/bug.hpp"

namespace faultline {

void TaskTable::set(TaskId task, std::string_view comm, std::int32_t pid) {
  if (task.v >= names_.size()) names_.resize(std::size_t{task.v} + 1, unknown_);
  TaskName& name = names_[task.v];
  name.comm.assign(comm);
  for (char& c : name.comm) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';  // a line is one record
  }
  name.pid = pid;
}

void Tracer::add_sink(SinkRef sink, const EventMask& mask) {
  sinks_.push_back({sink, mask});
  wanted_ = wanted_ | mask;
}

void Tracer::deliver(const Record& record) {
  for (const Sink& sink : sinks_) {
    if (sink.mask.test(record.event)) sink.ref.fn(sink.ref.self, record);
  }
}

void Tracer::check_arity(Event event, std::size_t n) {
  FL_ASSERT(n == catalogue::info(event).n_fields);
}

}  // namespace faultline
