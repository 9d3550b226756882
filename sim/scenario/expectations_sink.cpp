// Compiling the matches of a scenario and counting what fits them.
#include "scenario/expectations_sink.hpp"

#include <fmt/format.h>

namespace faultline {
namespace {

/// One RecordMatch of an expectation and where it stands below it.
struct PlacedMatch {
  const RecordMatch* match;
  std::string pointer;
};

std::vector<PlacedMatch> matches_of(const RunExpectation& expectation) {
  std::vector<PlacedMatch> all;
  if (const auto* count = std::get_if<ExpectCount>(&expectation.what)) {
    all.push_back({&count->match, "/count"});
  } else if (const auto* never = std::get_if<ExpectNever>(&expectation.what)) {
    all.push_back({&never->match, "/never"});
  } else if (const auto* order = std::get_if<ExpectOrder>(&expectation.what)) {
    for (std::size_t i = 0; i < order->matches.size(); ++i) {
      all.push_back({&order->matches[i], fmt::format("/order/{}", i)});
    }
  }
  return all;
}

}  // namespace

std::vector<Diagnostic> check_matches(const Scenario& scenario) {
  std::vector<Diagnostic> wrong;
  const Family family = family_of(scenario.kernel.profile);
  for (std::size_t i = 0; i < scenario.expect.size(); ++i) {
    for (const PlacedMatch& placed : matches_of(scenario.expect[i])) {
      const auto compiled = compile_match(*placed.match, family);
      const auto* error = std::get_if<MatchError>(&compiled);
      if (error == nullptr) continue;
      const std::string key = error->field.empty() ? "/event" : "/where/" + error->field;
      wrong.push_back({Complaint::meaning, scenario.file, scenario.expect[i].line, 1,
                       fmt::format("/expect/{}{}{}", i, placed.pointer, key), error->what});
    }
  }
  return wrong;
}

ExpectationSink::ExpectationSink(const Scenario& scenario, const SymbolTable& symbols)
    : symbols_(symbols), watches_(scenario.expect.size()), by_event_(event_count) {
  const Family family = family_of(scenario.kernel.profile);
  for (std::uint32_t i = 0; i < watches_.size(); ++i) {
    Watch& watch = watches_[i];
    watch.in_turn = std::holds_alternative<ExpectOrder>(scenario.expect[i].what);
    for (const PlacedMatch& placed : matches_of(scenario.expect[i])) {
      auto compiled = compile_match(*placed.match, family);
      auto* match = std::get_if<CompiledMatch>(&compiled);
      if (match == nullptr) {  // an order with a gap must not be met by the rest of it
        watch.matches.clear();
        watch.seen.wrong = std::get<MatchError>(compiled).what;
        break;
      }
      watch.matches.push_back(std::move(*match));
    }
    for (const CompiledMatch& match : watch.matches) {
      auto& users = by_event_[static_cast<std::size_t>(match.event())];
      if (users.empty() || users.back() != i) users.push_back(i);
      mask_.set(match.event());
    }
  }
}

void ExpectationSink::on_record(const Record& record) {
  for (const std::uint32_t index : by_event_[static_cast<std::size_t>(record.event)]) {
    Watch& watch = watches_[index];
    const std::uint64_t turn = watch.in_turn ? watch.seen.count : 0;
    if (turn >= watch.matches.size() || !watch.matches[turn].matches(record, symbols_)) continue;
    ++watch.seen.count;
    watch.seen.last = record.time;
    watch.seen.task = record.task;
  }
}

}  // namespace faultline
