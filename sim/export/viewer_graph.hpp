// The lock order of a trace as the viewer draws it: classes, dependencies with their kinds, counts
// and first call paths, and the strong circles. Once for the locks that lock debugging knows, and
// once with the bit locks among them.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "export/viewer_model.hpp"

namespace faultline {

/// Feeds the lock order from the lines of a trace.
class ViewerOrder {
 public:
  ViewerOrder();

  void on_line(const TraceLine& line, std::uint32_t task);

  /// The task let go of a lock without a record that says so.
  void release(const TraceLine& line, std::uint32_t task, std::uint64_t id, std::string_view name);

  /// {classes: [name], graphs: [{edges, circles, findings}]}; the second graph has the bit locks.
  nlohmann::ordered_json json(const std::vector<ViewerTask>& tasks) const;

 private:
  void describe_recursive(const Record& record, std::string_view name);

  SymbolTable symbols_;
  LockOrderSink sink_;
  EventMask mask_;
  std::set<std::uint64_t> recursive_;  ///< instances that were described as such
};

}  // namespace faultline
