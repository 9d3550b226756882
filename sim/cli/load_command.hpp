// Reading a scenario for a sub-command: the text, the overrides, the words that only other layers
// know. Complaints go to standard error.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <faultline/scenario.hpp>

#include "cli/arguments.hpp"
#include "scenario/load.hpp"

namespace faultline {

/// --set, and what --profile, --chooser and --seed are short for. False: said what is wrong.
bool collect_overrides(const RunArguments& a, std::vector<Override>& out);

/// The scenario at `path` with `overrides`; nothing after the complaints were printed (exit code
/// 2). Without a schedule nothing can be replayed.
std::optional<Scenario> load_for_command(const std::string& path, std::vector<Override> overrides,
                                         bool has_schedule = false);

/// Prints diagnostics, one a line.
void print_diagnostics(const std::vector<Diagnostic>& diagnostics);

}  // namespace faultline
