// Counting what scenarios exercise, and the table of what they leave out.
#include "cli/coverage.hpp"

#include <fmt/format.h>

#include <vector>

#include "kernel/profiles/profile.hpp"
#include "scenario/support.hpp"

namespace faultline {

void Coverage::add(const Scenario& scenario) {
  ++profiles[scenario.kernel.profile];
  for (const KnobSetting& knob : scenario.kernel.set) ++knobs[knob.name];
  for (const TaskSpec& task : scenario.tasks) {
    for (const Step& step : task.steps) ++verbs[verb_name(step.verb)];
  }
}

void Coverage::add(const Coverage& other) {
  for (std::size_t e = 0; e < event_count; ++e) events[e] += other.events[e];
  for (const auto& [verb, n] : other.verbs) verbs[verb] += n;
  for (const auto& [profile, n] : other.profiles) profiles[profile] += n;
  for (const auto& [knob, n] : other.knobs) knobs[knob] += n;
}

namespace {

// One sort of things: how many there are and which of them were never used.
class Sort {
 public:
  explicit Sort(std::string_view name) : name_(name) {}

  void count(std::string_view word, bool used) {
    ++all_;
    if (!used) unused_.push_back(word);
  }

  std::string text() const {
    std::string out = fmt::format("{:<9}{:>4} of {:>4} used\n", name_, all_ - unused_.size(), all_);
    for (std::size_t i = 0; i < unused_.size(); ++i) {
      out += i % 4 == 0 ? "  not" : ",";
      out += fmt::format(" {}", unused_[i]);
      if (i % 4 == 3 || i + 1 == unused_.size()) out += '\n';
    }
    return out;
  }

 private:
  std::string_view name_;
  std::size_t all_ = 0;
  std::vector<std::string_view> unused_;
};

}  // namespace

std::string Coverage::text() const {
  Sort by_profile("profiles"), by_verb("verbs"), by_knob("knobs"), by_event("events");
  for (const Support& s : support_table()) {
    if (!s.built) continue;
    if (s.sort == "profile") by_profile.count(s.word, profiles.contains(std::string(s.word)));
    if (s.sort == "verb") by_verb.count(s.word, verbs.contains(s.word));
  }
  for (const Knob& knob : all_knobs()) {
    by_knob.count(knob.name, knobs.contains(std::string(knob.name)));
  }
  for (std::size_t e = 0; e < event_count; ++e) {
    by_event.count(catalogue::info(static_cast<Event>(e)).name, events[e] != 0);
  }
  return by_profile.text() + by_verb.text() + by_knob.text() + by_event.text();
}

}  // namespace faultline
