// What the lock order has to complain of, in words: possible circular waits, recursion, and
// releases of what is not held. Takes names from its caller, so that it serves runs and traces
// alike.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/instance_order.hpp"
#include "analysis/lock_order.hpp"
#include "scenario/run_result.hpp"

namespace faultline {

/// The name of a task, for people.
using TaskNamer = std::function<std::string(TaskId)>;

/// Names of what LockOrder knows by number.
struct LockNames {
  std::function<std::string(LockVertex)> printed;  ///< class with `/SUBCLASS` when that is not 0
  TaskNamer task;
  std::function<std::vector<std::string>(std::uint32_t)> path;  ///< outermost call first
};

/// A class name as printed, in its parts.
struct PrintedClass {
  std::string_view name;
  std::uint8_t subclass = 0;
};
PrintedClass split_printed_class(std::string_view printed);

/// Findings of kind `lock-cycle`, `recursion`, `bad-release` and `kernel-warn` (a missing nest
/// lock; initialising what is held), in order of time. A cycle's locks come in pairs, held and
/// wanted, one pair for each dependency, beginning with the one that closed it.
std::vector<Finding> lock_findings(const LockOrder& order, const LockNames& names);

/// A circle of instances, each edge between locks of two classes.
Finding instance_finding(const std::vector<InstanceStep>& steps, const LockNames& names);

}  // namespace faultline
