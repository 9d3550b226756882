// faultline list ... and faultline schema.
#include <fmt/format.h>

#include <string>

#include "cli/arguments.hpp"
#include "cli/output_file.hpp"
#include "kernel/drivers/presets.hpp"
#include "kernel/profiles/profile.hpp"
#include "machine/presets.hpp"
#include "machine/tlb_geometry.hpp"
#include "scenario/schema.hpp"
#include "scenario/support.hpp"
#include "trace/catalogue.hpp"

namespace faultline {

namespace {

// Profiles that the format knows; those without a table of their own are not built yet.
std::string list_profiles() {
  std::string out;
  for (const Support& s : support_table()) {
    if (s.sort != "profile") continue;
    std::string_view sentence = "not built yet";
    for (const ProfileRow& row : all_profiles()) {
      if (row.name == s.word) sentence = row.sentence;
    }
    out += fmt::format("{:<26} {}\n", s.word, sentence);
  }
  return out;
}

// Sizes of the MMU's caches: entries, and ways where an array has several sets.
std::string geometry_text() {
  std::string out = fmt::format("\n{:<24} {:<5}", "MMU", "size");
  for (unsigned p = 0; p < PRESETS; ++p) {
    out += fmt::format(" {:<22}", preset_name(static_cast<Preset>(p)));
  }
  out += " what\n";
  for (const GeometryRow& row : geometry_rows()) {
    out += fmt::format("{:<24} {:<5}", row.name, row.array ? "x way" : "");
    for (unsigned p = 0; p < PRESETS; ++p) {
      const TlbGeometry& g = tlb_geometry(static_cast<Preset>(p));
      const std::string size =
          row.array ? fmt::format("{} x {}", (g.*row.array).entries, (g.*row.array).ways)
                    : fmt::format("{}", g.*row.count);
      out += fmt::format(" {:<22}", fmt::format("{} ({})", size, row.source[p]));
    }
    out += fmt::format(" {}\n", row.what);
  }
  return out;
}

std::string list_presets() {
  std::string out = fmt::format("{:<24} {:<5}", "cost", "unit");
  for (unsigned p = 0; p < PRESETS; ++p) {
    out += fmt::format(" {:<22}", preset_name(static_cast<Preset>(p)));
  }
  out += " what\n";
  for (const CostRow& row : cost_rows()) {
    out += fmt::format("{:<24} {:<5}", row.name, row.unit);
    for (unsigned p = 0; p < PRESETS; ++p) {
      out +=
          fmt::format(" {:<22}", fmt::format("{} ({})", row.value[p].value, row.value[p].source));
    }
    out += fmt::format(" {}\n", row.what);
  }
  out += geometry_text();
  out += "\nDrivers of character devices:\n";
  for (const DriverPresetRow& row : driver_presets()) {
    out += fmt::format("{:<24} {}\n", row.name, row.sentence);
  }
  return out;
}

std::string list_verbs() {
  std::string out;
  for (const Support& s : support_table()) {
    if (s.sort != "verb") continue;
    out += fmt::format("{:<18}{}\n", s.word, s.built ? "" : "not built yet");
  }
  return out;
}

std::string list_events() {
  std::string out;
  for (std::size_t e = 0; e < event_count; ++e) {
    const auto event = static_cast<Event>(e);
    const EventInfo& info = catalogue::info(event);
    out += fmt::format("{:<32} {:<7}", info.name, level_name(info.level));
    for (const Field& field : info.fields) out += fmt::format(" {}", field.name);
    out += '\n';
  }
  return out;
}

std::string list_knobs() {
  std::string out;
  for (const Knob& knob : all_knobs()) {
    const std::string_view type = knob.type == KnobKind::boolean  ? "true|false"
                                  : knob.type == KnobKind::number ? "number"
                                                                  : knob.words;
    out += fmt::format("{:<24} {:<22} default {:<8} {}\n", knob.name, type, knob.fallback,
                       knob.sentence);
  }
  return out;
}

int print(const std::string& text) { return write_stdout(text) ? 0 : 2; }

}  // namespace

int list_command(const ListArguments& arguments) {
  if (arguments.what == "profiles") return print(list_profiles());
  if (arguments.what == "presets") return print(list_presets());
  if (arguments.what == "verbs") return print(list_verbs());
  if (arguments.what == "events") return print(list_events());
  return print(list_knobs());
}

int schema_command() { return print(schema_text()); }

}  // namespace faultline
