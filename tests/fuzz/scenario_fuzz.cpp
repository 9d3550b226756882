// Fuzz target: the scenario loader. Any bytes give a scenario or complaints in the order of the
// file, never a crash. A first line `--set KEY=VALUE` is given to it as the command line would.
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "scenario/load.hpp"

namespace {

using faultline::Diagnostic;

void demand(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "scenario_fuzz: %s\n", what);
  std::abort();
}

faultline::LoadInput input_of(std::string_view text) {
  faultline::LoadInput input{.text = std::string(text), .file = "fuzz.json"};
  constexpr std::string_view set = "--set ";
  if (text.substr(0, set.size()) != set) return input;
  const auto end = text.find('\n');
  const auto equals = text.find('=');
  if (end == std::string_view::npos || equals >= end) return input;
  input.overrides.push_back({std::string(text.substr(set.size(), equals - set.size())),
                             std::string(text.substr(equals + 1, end - equals - 1))});
  input.text = text.substr(end + 1);
  return input;
}

void check_complaints(const std::vector<Diagnostic>& complaints) {
  demand(!complaints.empty(), "refused without a reason");
  demand(complaints.size() <= 101, "more complaints than it promises");
  const Diagnostic* before = nullptr;
  for (const auto& complaint : complaints) {
    demand(!complaint.what.empty(), "a complaint that says nothing");
    const auto text = to_string(complaint);
    demand(text.find('\n') == std::string::npos,
           ("a complaint of more than one line: " + text).c_str());
    if (before && before->file == complaint.file && complaint.line != 0) {
      demand(std::pair(before->line, before->column) <= std::pair(complaint.line, complaint.column),
             "complaints out of order");
    }
    before = &complaint;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto result = load_scenario(input_of(text));
  if (const auto* complaints = std::get_if<1>(&result)) check_complaints(*complaints);
  return 0;
}
