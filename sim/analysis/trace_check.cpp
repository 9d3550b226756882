// The reader of all others, told to stop at the first record that is not ours.
#include "analysis/trace_check.hpp"

#include <utility>

namespace faultline {

TraceCheck::TraceCheck(std::string file)
    : reader_(std::move(file),
              {nullptr, [](void*, const TraceLine& line) { return line.native; }}) {}

bool TraceCheck::finish(std::vector<Diagnostic>& problems) {
  const TraceResult result = reader_.finish();
  if (!result.info.native || result.usable()) return true;
  problems.insert(problems.end(), result.diagnostics.begin(), result.diagnostics.end());
  return false;
}

}  // namespace faultline
