// Reading a scenario for a sub-command.
#include "cli/load_command.hpp"

#include <cstdio>

#include "scenario/known_words.hpp"

namespace faultline {

void print_diagnostics(const std::vector<Diagnostic>& diagnostics) {
  for (const Diagnostic& d : diagnostics) std::fprintf(stderr, "%s\n", to_string(d).c_str());
}

bool collect_overrides(const RunArguments& a, std::vector<Override>& out) {
  for (const std::string& text : a.set) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      std::fprintf(stderr, "--set %s: KEY=VALUE is wanted\n", text.c_str());
      return false;
    }
    out.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  if (!a.profile.empty()) out.push_back({"/kernel/profile", a.profile});
  if (!a.schedule.empty()) out.push_back({"/schedule/chooser", "replay"});
  if (!a.chooser.empty()) out.push_back({"/schedule/chooser", a.chooser});
  if (a.seed) out.push_back({"/schedule/seed", std::to_string(*a.seed)});
  return true;
}

std::optional<Scenario> load_for_command(const std::string& path, std::vector<Override> overrides,
                                         bool has_schedule) {
  auto text = read_input(path);
  if (const auto* const error = std::get_if<Diagnostic>(&text)) {
    print_diagnostics({*error});
    return std::nullopt;
  }
  const KnownWords known;
  LoadInput input;
  input.text = std::move(std::get<std::string>(text));
  input.file = path;
  input.overrides = std::move(overrides);
  input.vocabulary = known.vocabulary();
  LoadResult loaded = load_scenario(std::move(input));
  if (const auto* const errors = std::get_if<std::vector<Diagnostic>>(&loaded)) {
    print_diagnostics(*errors);
    return std::nullopt;
  }
  Scenario scenario = std::move(std::get<Scenario>(loaded));
  if (scenario.schedule.chooser == ChooserKind::replay && !has_schedule) {
    print_diagnostics(
        {{Complaint::meaning, path == "-" ? "standard input" : path, 0, 0, "/schedule/chooser",
          "replay needs a schedule: faultline replay SCENARIO --schedule FILE"}});
    return std::nullopt;
  }
  return scenario;
}

}  // namespace faultline
