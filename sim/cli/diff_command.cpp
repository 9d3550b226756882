// faultline diff.
#include <string>
#include <vector>

#include "analysis/trace_diff.hpp"
#include "cli/arguments.hpp"
#include "cli/load_command.hpp"
#include "cli/output_file.hpp"

namespace faultline {

namespace {
std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  std::size_t begin = 0;
  while (begin < list.size()) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    if (end > begin) words.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}
}  // namespace

int diff_command(const DiffArguments& arguments) {
  DiffOptions options;
  options.ignore = split(arguments.ignore);
  options.allow = split(arguments.allow);
  if (arguments.view == "events") options.view = ViewKind::events;
  if (arguments.view == "locks") options.view = ViewKind::locks;
  const DiffResult result = diff_traces(arguments.a, arguments.b, options);
  if (!result.errors.empty()) {
    print_diagnostics(result.errors);
    return 2;
  }
  const std::string text = diff_text(result, arguments.a, arguments.b);
  if (!write_stdout(text)) return 2;
  return result.same ? 0 : 1;
}

}  // namespace faultline
