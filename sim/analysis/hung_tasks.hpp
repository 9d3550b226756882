// Tasks that wait for a lock longer than a kernel finds natural. Linux 6.12 kernel/hung_task.c: a
// task that has not run for 120 seconds and cannot be killed is told of in the log. Here the wait
// is told of when it is over; one that never ends is a deadlock or leaves the run stuck, which have
// findings of their own. Left out: waits for mmap_lock, most of which can be killed, and waits for
// anything but a lock.
#pragma once

#include <map>
#include <vector>

#include "scenario/run_result.hpp"
#include "trace/record.hpp"
#include "trace/tracer.hpp"

namespace faultline {

class HungTasks {
 public:
  /// `tracer` names the tasks and locks of the records to come.
  explicit HungTasks(const Tracer& tracer) : tracer_(tracer) {}

  static EventMask mask();
  void on_record(const Record& record);
  /// In the order in which the waits ended; the first of each task and lock.
  std::vector<Finding> findings() const { return findings_; }

 private:
  const Tracer& tracer_;
  std::map<std::uint32_t, Nanos> since_;  // by task
  std::vector<Finding> findings_;
};

}  // namespace faultline
