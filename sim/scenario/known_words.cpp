// Collects the words: see the header. A knob's words are written as `one|other` in its table.
#include "scenario/known_words.hpp"

#include "kernel/inject.hpp"
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

KnownWords::KnownWords() {
  for (const Knob& knob : all_knobs()) words_.push_back(split_words(knob.words));
  for (std::size_t i = 0; i < words_.size(); ++i) {
    const Knob& knob = all_knobs()[i];
    KnobSpec spec{knob.name, type_of(knob.type)};
    spec.words = words_[i];
    knobs_.push_back(spec);
  }
  for (const auto& row : catalogue::rows) events_.emplace_back(row.name);
}

Vocabulary KnownWords::vocabulary() const { return {knobs_, events_, fail_point_names()}; }

}  // namespace faultline
