// faultline view.
#include <string>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/load_command.hpp"
#include "cli/output_file.hpp"
#include "export/viewer_page.hpp"

namespace faultline {

int view_command(const ViewArguments& arguments) {
  std::vector<NamedFile> inputs;
  for (const std::string& trace : arguments.traces)
    inputs.push_back({"a trace to be shown", trace});
  if (!outputs_are_apart({{"--output", arguments.output}}, inputs)) return 2;
  std::vector<Diagnostic> problems;
  const std::string page = viewer_page(arguments.traces, problems);
  if (!problems.empty()) {
    print_diagnostics(problems);
    return 2;
  }
  return write_file(arguments.output, page) ? 0 : 2;
}

}  // namespace faultline
