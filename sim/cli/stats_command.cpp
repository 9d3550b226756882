// faultline stats: locks, waits and faults of traces.
#include "analysis/stats.hpp"

#include "cli/arguments.hpp"
#include "cli/load_command.hpp"
#include "cli/output_file.hpp"

namespace faultline {

int stats_command(const StatsArguments& arguments) {
  Stats stats;
  read_stats(arguments.traces, stats);
  print_diagnostics(stats.left_out);
  if (!stats.errors.empty()) {
    print_diagnostics(stats.errors);
    return 2;
  }
  const std::string text = arguments.json ? stats_json(stats) : stats_text(stats, arguments.top);
  return write_stdout(text) ? 0 : 2;
}

}  // namespace faultline
