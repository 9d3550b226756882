// Reading a scenario for a sub-command.
#include "cli/load_command.hpp"

#include <cstdio>

#include "kernel/profiles/profile.hpp"
#include "trace/catalogue.hpp"

namespace faultline {

namespace {

std::vector<std::string_view> split_words(std::string_view words) {
  std::vector<std::string_view> out;
  while (!words.empty()) {
    const std::size_t bar = words.find('|');
    out.push_back(words.substr(0, bar));
    words = bar == std::string_view::npos ? std::string_view() : words.substr(bar + 1);
  }
  return out;
}

KnobType type_of(KnobKind kind) {
  switch (kind) {
    case KnobKind::boolean:
      return KnobType::boolean;
    case KnobKind::number:
      return KnobType::integer;
    case KnobKind::word:
      return KnobType::word;
  }
  return KnobType::integer;
}

}  // namespace

void print_diagnostics(const std::vector<Diagnostic>& diagnostics) {
  for (const Diagnostic& d : diagnostics) std::fprintf(stderr, "%s\n", to_string(d).c_str());
}

std::optional<Scenario> load_for_command(const std::string& path, std::vector<Override> overrides,
                                         bool has_schedule) {
  auto text = read_input(path);
  if (const auto* const error = std::get_if<Diagnostic>(&text)) {
    print_diagnostics({*error});
    return std::nullopt;
  }
  std::vector<std::vector<std::string_view>> words;
  std::vector<KnobSpec> knobs;
  for (const Knob& knob : all_knobs()) words.push_back(split_words(knob.words));
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Knob& knob = all_knobs()[i];
    KnobSpec spec{knob.name, type_of(knob.type)};
    spec.words = words[i];
    knobs.push_back(spec);
  }
  std::vector<std::string_view> events;
  for (const auto& row : catalogue::rows) events.emplace_back(row.name);
  LoadInput input;
  input.text = std::move(std::get<std::string>(text));
  input.file = path;
  input.overrides = std::move(overrides);
  input.vocabulary.knobs = knobs;
  input.vocabulary.events = events;
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
