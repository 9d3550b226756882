// Text and JSON of power cuts. See the header.
#include "scenario/cut_report.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "scenario/report_words.hpp"

namespace faultline {

std::string cut_line_text(const CutLine& line) {
  const std::string file = line.file.empty() ? "no file, device" : line.file;
  std::string values;
  for (const std::uint64_t value : line.values) {
    values += fmt::format("{}{:#x}", values.empty() ? "" : " or ", value);
  }
  return fmt::format("{}+{:#x}: {}", file, line.at, values);
}

std::string cuts_text(const Scenario& scenario, const std::vector<CutResult>& cuts,
                      std::size_t most_lines) {
  std::size_t width = std::string_view("power cut after").size();
  for (const CutResult& cut : cuts) {
    width = std::max(width, step_text(scenario, cut.step).size());
  }
  std::string text = fmt::format("{:<{}}  {:>12}  {:>13}  {:>6}\n", "power cut after", width,
                                 "log lost", "lines pending", "images");
  for (const CutResult& cut : cuts) {
    text += fmt::format("{:<{}}  {:>12}  {:>13}  {:>6}\n", step_text(scenario, cut.step), width,
                        cut.lost_records, cut.pending_lines, cut.images);
    const std::size_t shown = std::min(most_lines, cut.lines.size());
    for (std::size_t i = 0; i < shown; ++i) {
      text += fmt::format("    {}\n", cut_line_text(cut.lines[i]));
    }
    if (shown < cut.pending_lines) {
      text += fmt::format("    and {} more\n", cut.pending_lines - shown);
    }
    for (const std::string& finding : cut.findings) text += fmt::format("    {}\n", finding);
  }
  return text;
}

Json cuts_json(const Scenario& scenario, const std::vector<CutResult>& cuts) {
  Json all = Json::array();
  for (const CutResult& cut : cuts) {
    Json json;
    json["step"] = step_text(scenario, cut.step);
    json["time_ns"] = cut.time.v;
    json["log_records_lost"] = cut.lost_records;
    json["lines_pending"] = cut.pending_lines;
    json["images"] = cut.images;
    json["lines"] = Json::array();
    for (const CutLine& line : cut.lines) {
      Json one;
      one["file"] = line.file.empty() ? Json(nullptr) : Json(line.file);
      one["at"] = fmt::format("{:#x}", line.at);
      one["values"] = Json::array();
      for (const std::uint64_t value : line.values) {
        one["values"].push_back(fmt::format("{:#x}", value));
      }
      json["lines"].push_back(std::move(one));
    }
    json["findings"] = cut.findings;
    all.push_back(std::move(json));
  }
  return all;
}

}  // namespace faultline
