// Puts packed traces into the shell. Of two traces the places where they differ are found as
// `faultline diff` finds them, aligned by task and step, and marked by record.
#include "export/viewer_page.hpp"

#include <algorithm>

#include "analysis/trace_diff.hpp"
#include "export/viewer_collect.hpp"
#include "export/viewer_pack.hpp"

namespace faultline {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view mark = "<!--faultline-data-->";

RecordIndex record_at_line(const ViewerModel& model, std::uint64_t line) {
  const auto& lines = model.records.line;
  const auto it = std::lower_bound(lines.begin(), lines.end(), line);
  return it == lines.end() ? no_record : static_cast<RecordIndex>(it - lines.begin());
}

// What differs, as records of one side: {first: index, places: [[from, count, task, step]], facts}.
Json side_json(const DiffResult& diff, const ViewerModel& model, bool is_a) {
  Json places = Json::array();
  RecordIndex first = no_record;
  for (const DiffHunk& hunk : diff.hunks) {
    for (const DiffLine& line : hunk.lines) {
      const std::uint64_t number = is_a ? line.line_a : line.line_b;
      if (number == 0 || line.mark == ' ') continue;
      const RecordIndex at = record_at_line(model, number);
      first = std::min(first, at);
      places.push_back({at, hunk.task, hunk.step});
    }
  }
  Json columns = Json::array();
  for (const auto& [name, change] : diff.columns) {
    const std::uint64_t line = is_a ? change.line_a : change.line_b;
    const RecordIndex at = line == 0 ? no_record : record_at_line(model, line);
    columns.push_back(
        {{"name", name}, {"count", change.count}, {"at", at == no_record ? Json() : Json(at)}});
  }
  return {{"side", is_a ? "A" : "B"}, {"same", diff.same},
          {"equal", diff.equal},      {"only_a", diff.only_a},
          {"only_b", diff.only_b},    {"first", first == no_record ? Json() : Json(first)},
          {"places", places},         {"columns", columns},
          {"facts", diff.facts}};
}

}  // namespace

std::string viewer_page(const std::vector<std::string>& paths, std::vector<Diagnostic>& problems) {
  std::vector<ViewerInput> inputs;
  for (const auto& path : paths) {
    if (auto input = collect_for_viewer(path, problems)) inputs.push_back(std::move(*input));
  }
  if (!problems.empty()) return {};
  DiffResult diff;
  if (paths.size() == 2) {
    DiffOptions options;
    options.context = 0;
    options.max_hunks = 1000;
    options.max_lines = 200;
    diff = diff_traces(paths[0], paths[1], options);
  }
  std::string data;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Json extra = Json::object();
    if (inputs.size() == 2) extra["diff"] = side_json(diff, inputs[i].model, i == 0);
    data += "<script type=\"application/octet-stream;base64\" class=\"trace\">";
    data += pack_for_viewer(inputs[i], extra);
    data += "</script>\n";
  }
  const std::string_view shell = viewer_shell();
  const std::size_t at = shell.find(mark);
  std::string page(shell.substr(0, at));
  page += data;
  page += shell.substr(at + mark.size());
  return page;
}

}  // namespace faultline
