// Puts packed traces into the shell. Of two traces the places where they differ are found as
// `faultline diff` finds them, aligned by task and step, and marked by record.
#include "export/viewer_page.hpp"

#include "analysis/trace_diff.hpp"
#include "export/viewer_collect.hpp"
#include "export/viewer_differences.hpp"
#include "export/viewer_pack.hpp"

namespace faultline {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view mark = "<!--faultline-data-->";

Json place_json(const ViewerPlace& place) {
  return place.at == no_record ? Json() : Json{place.at, place.side};
}

// What differs, as places of one side: a place is [record, side], see ViewerPlace.
Json side_json(const DiffResult& diff, const ViewerDifferences& found, std::size_t of) {
  Json places = Json::array();
  for (const ViewerPlace& place : found.places[of]) places.push_back(place_json(place));
  Json columns = Json::array();
  for (const auto& [name, change] : diff.columns) {
    columns.push_back({{"name", name}, {"count", change.count}});
  }
  return {{"side", of == 0 ? "A" : "B"},
          {"same", diff.same},
          {"equal", diff.equal},
          {"only_a", diff.only_a},
          {"only_b", diff.only_b},
          {"first", place_json(found.first[of])},
          {"places", places},
          {"columns", columns},
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
  ViewerDifferences found;
  if (paths.size() == 2) {
    DiffOptions options;
    options.context = 1;
    options.max_hunks = 1000;
    options.max_lines = 200;
    diff = diff_traces(paths[0], paths[1], options);
    found = viewer_differences(diff, inputs[0].model, inputs[1].model);
  }
  std::string data;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Json extra = Json::object();
    if (inputs.size() == 2) extra["diff"] = side_json(diff, found, i);
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
