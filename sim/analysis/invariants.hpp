// Watches a run for `--check-invariants`: after every record it looks at the state of the kernel
// (kernel/mm/check_mm.hpp, kernel/fs/check_dax.hpp) and at what the record itself shows
// (fault_rules.hpp), and makes findings of what is wrong, with the record at which it was first
// seen. A record is made at least at every lock, call and step, so that nothing that another task
// could meet goes unseen; a rule that a task is just changing is looked at when it is done. A run
// whose state is large is looked at less often, by a count of what looking costs: the same records
// in every run.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "analysis/fault_rules.hpp"
#include "kernel/fs/check_dax.hpp"
#include "kernel/kernel.hpp"
#include "scenario/run_result.hpp"
#include "trace/tracer.hpp"

namespace faultline {

class InvariantWatch {
 public:
  explicit InvariantWatch(const Tracer& tracer);

  /// From now on records are of this kernel, which must outlive the last call of findings().
  void watch(const Kernel& k) { k_ = &k; }
  void on_record(const Record& record);
  /// Looks once more, at the end of the run; one finding for each rule and process.
  std::vector<Finding> findings();

 private:
  struct TaskState {
    std::string step;  ///< "TASK.ID verb" of the current one
    bool in_syscall = false;
  };

  void follow(const Record& record);
  /// Null: at the end of the run.
  void look(const Record* record);
  void found(std::string_view rule, std::uint32_t mm, const std::string& text,
             const std::string& place);
  std::string place_of(const Record* record) const;

  const Tracer& tracer_;
  const Kernel* k_ = nullptr;
  FaultRules fault_rules_;
  std::vector<TaskState> tasks_;
  std::size_t in_syscall_ = 0;
  DaxHistory dax_;
  std::uint64_t budget_;
  std::uint64_t last_cost_ = 0;
  Nanos looked_{};  ///< when the latest look was
  std::map<std::pair<std::string, std::uint32_t>, Finding> found_;
  std::vector<std::pair<std::string, std::uint32_t>> order_;
};

}  // namespace faultline
