// Where two traces differ, as records of the viewer's models: each difference has a place in both
// traces, also in the one that lacks what the other has. Found as `faultline diff` finds them.
#pragma once

#include <array>
#include <vector>

#include "analysis/trace_diff.hpp"
#include "export/viewer_model.hpp"

namespace faultline {

/// A place in one trace. `side` is 0 at the record itself; where a trace lacks what the other has
/// it is 1 behind and -1 before the record.
struct ViewerPlace {
  RecordIndex at = no_record;
  int side = 0;

  bool operator==(const ViewerPlace&) const = default;
  auto operator<=>(const ViewerPlace&) const = default;
};

struct ViewerDifferences {
  /// By trace, in order of records, each once: all records that differ, and where one is missing.
  std::array<std::vector<ViewerPlace>, 2> places;
  /// By trace: the earliest difference, by the time since the trace's start where the record is.
  /// `at` is no_record if there is none.
  std::array<ViewerPlace, 2> first;
};

/// `diff` is of the records of both traces and has a line of context, from which the place of what
/// is missing is known; without such a line the place is that of the same time since the start. If
/// the records agree and only columns differ, the first of those counts.
ViewerDifferences viewer_differences(const DiffResult& diff, const ViewerModel& a,
                                     const ViewerModel& b);

/// The index of the record in a line of the file, or of the next after it; no_record if
/// there is none, and of line 0.
RecordIndex record_at_line(const ViewerModel& model, std::uint64_t line);

}  // namespace faultline
