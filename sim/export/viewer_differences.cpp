// Goes over the hunks of a diff, run by run of differing lines, and finds the records of both
// sides. A run that only one trace has is placed in the other by the equal lines around it.
#include "export/viewer_differences.hpp"

#include <algorithm>
#include <optional>
#include <tuple>

namespace faultline {

namespace {

class Finder {
 public:
  Finder(const ViewerModel& a, const ViewerModel& b) : models_{&a, &b} {}

  void hunk(const DiffHunk& hunk) {
    const auto& lines = hunk.lines;
    for (std::size_t begin = 0; begin < lines.size();) {
      if (lines[begin].mark == ' ') {
        ++begin;
        continue;
      }
      std::size_t end = begin;
      while (end < lines.size() && lines[end].mark != ' ') ++end;
      run(hunk, begin, end);
      begin = end;
    }
  }

  void columns(const DiffResult& diff) {
    for (const auto& [name, change] : diff.columns) {
      const ViewerPlace a{record_at_line(*models_[0], change.line_a)};
      const ViewerPlace b{record_at_line(*models_[1], change.line_b)};
      if (a.at != no_record && b.at != no_record) consider({a, b});
    }
  }

  ViewerDifferences finish() {
    for (auto& places : found_.places) {
      std::sort(places.begin(), places.end());
      places.erase(std::unique(places.begin(), places.end()), places.end());
    }
    return std::move(found_);
  }
  bool none() const { return found_.first[0].at == no_record; }

 private:
  static std::uint64_t number(const DiffLine& line, std::size_t of) {
    return of == 0 ? line.line_a : line.line_b;
  }

  void run(const DiffHunk& hunk, std::size_t begin, std::size_t end) {
    std::array<ViewerPlace, 2> pair;
    for (const std::size_t of : {0u, 1u}) {
      for (std::size_t i = begin; i < end; ++i) {
        if (number(hunk.lines[i], of) == 0) continue;
        const RecordIndex at = record_at_line(*models_[of], number(hunk.lines[i], of));
        if (at == no_record) continue;
        found_.places[of].push_back({at});
        if (pair[of].at == no_record) pair[of] = {at};
      }
    }
    for (const std::size_t of : {0u, 1u}) {
      if (pair[of].at != no_record || pair[1 - of].at == no_record) continue;
      pair[of] = lacking(hunk, begin, end, of, pair[1 - of].at);
      found_.places[of].push_back(pair[of]);
    }
    if (pair[0].at != no_record && pair[1].at != no_record) consider(pair);
  }

  ViewerPlace lacking(const DiffHunk& hunk, std::size_t begin, std::size_t end, std::size_t of,
                      RecordIndex other) const {
    const auto& lines = hunk.lines;
    const ViewerModel& model = *models_[of];
    // Lines that were left out may be this trace's: then it is not known to lack anything.
    const bool cut = end == lines.size() && hunk.lines_left_out > 0;
    if (begin > 0) {
      const RecordIndex at = record_at_line(model, number(lines[begin - 1], of));
      if (at != no_record) return {at, cut ? 0 : 1};
    }
    if (end < lines.size()) {
      const RecordIndex at = record_at_line(model, number(lines[end], of));
      if (at != no_record) return {at, -1};
    }
    const auto& time = model.records.time;
    if (time.empty()) return {};
    const auto moment = time.front() + since_start(1 - of, other);
    const auto it = std::upper_bound(time.begin(), time.end(), moment);
    return {static_cast<RecordIndex>(it - time.begin()) - 1, cut ? 0 : 1};
  }

  std::uint64_t since_start(std::size_t of, RecordIndex at) const {
    const auto& time = models_[of]->records.time;
    return time[at] - time.front();
  }

  void consider(const std::array<ViewerPlace, 2>& pair) {
    const std::size_t has = pair[0].side == 0 ? 0 : 1;
    const std::tuple key{since_start(has, pair[has].at), pair[has].at, has};
    if (earliest_ && *earliest_ <= key) return;
    earliest_ = key;
    found_.first = pair;
  }

  std::array<const ViewerModel*, 2> models_;
  ViewerDifferences found_;
  std::optional<std::tuple<std::uint64_t, RecordIndex, std::size_t>> earliest_;
};

}  // namespace

RecordIndex record_at_line(const ViewerModel& model, std::uint64_t line) {
  const auto& lines = model.records.line;
  if (line == 0) return no_record;
  const auto it = std::lower_bound(lines.begin(), lines.end(), line);
  return it == lines.end() ? no_record : static_cast<RecordIndex>(it - lines.begin());
}

ViewerDifferences viewer_differences(const DiffResult& diff, const ViewerModel& a,
                                     const ViewerModel& b) {
  Finder finder(a, b);
  for (const DiffHunk& hunk : diff.hunks) finder.hunk(hunk);
  if (finder.none()) finder.columns(diff);
  return finder.finish();
}

}  // namespace faultline
