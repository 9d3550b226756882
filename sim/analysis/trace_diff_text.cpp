// A DiffResult for people: the verdict first, then what differs in general, then the places.
#include <fmt/format.h>

#include "analysis/trace_diff.hpp"

namespace faultline {
namespace {

std::string number(std::uint64_t line) { return line == 0 ? std::string() : std::to_string(line); }

void append_hunk(std::string& out, const DiffHunk& hunk) {
  out += fmt::format("@@ task {}, step {} @@\n", hunk.task,
                     hunk.step.empty() ? "(before the first)" : hunk.step);
  for (const auto& line : hunk.lines) {
    out += fmt::format("{} {:>7} {:>7}  {}\n", line.mark, number(line.line_a), number(line.line_b),
                       line.text);
  }
  if (hunk.lines_left_out > 0) out += fmt::format("  ... {} lines more\n", hunk.lines_left_out);
}

}  // namespace

std::string diff_text(const DiffResult& result, const std::string& a, const std::string& b) {
  std::string out;
  for (const auto& error : result.errors) out += to_string(error) + "\n";
  if (!result.errors.empty()) return out;
  out += fmt::format("A: {}\nB: {}\n", a, b);
  for (const auto& note : result.notes) out += fmt::format("note: {}\n", note);
  for (const auto& [name, count] : result.allowed) {
    out += fmt::format("note: dropped by the allow list: {} ({} lines)\n", name, count);
  }
  if (result.same) return out + fmt::format("same: {} lines agree\n", result.equal);
  out += fmt::format("different: {} lines agree, {} only in A, {} only in B, in {} places\n",
                     result.equal, result.only_a, result.only_b, result.places);
  for (const auto& fact : result.facts) out += fact + "\n";
  for (const auto& [name, change] : result.columns) {
    out += fmt::format("{} differs in {} records", name, change.count);
    if (change.line_a > 0) {
      out += fmt::format(", first at A:{} B:{}", change.line_a, change.line_b);
    }
    if (!change.a.empty()) out += fmt::format(" ({} and {})", change.a, change.b);
    out += "\n";
  }
  for (const auto& hunk : result.hunks) append_hunk(out, hunk);
  if (result.places > result.hunks.size()) {
    out += fmt::format("... and {} places more\n", result.places - result.hunks.size());
  }
  return out;
}

}  // namespace faultline
