// Watches the records that a scenario's `count`, `order` and `never` speak of while the run goes
// on. It asks for those events only: a scenario without such expectations costs no tracing at all.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <faultline/scenario.hpp>

#include "base/diagnostic.hpp"
#include "scenario/record_match.hpp"
#include "trace/record.hpp"
#include "trace/symbols.hpp"

namespace faultline {

/// What was seen of one expectation.
struct Sighting {
  /// `count` and `never`: how many records matched. `order`: how many of its matches came, in turn.
  std::uint64_t count = 0;
  Nanos last{};         ///< when the last of these was
  TaskId task{};        ///< and whose it was
  std::string wrong{};  ///< why nothing could be seen; "" when it was watched
};

/// What is wrong with the events, fields and values that run expectations name; empty when they can
/// all be watched. Positions are those of the expectation's line.
std::vector<Diagnostic> check_matches(const Scenario& scenario);

/// A sink for Tracer::add_sink. `scenario` and `symbols` must outlive it. Matches that
/// check_matches() complains of are not watched; their expectations are not met.
class ExpectationSink {
 public:
  ExpectationSink(const Scenario& scenario, const SymbolTable& symbols);

  /// The events it needs; none() when there is nothing to watch.
  const EventMask& mask() const { return mask_; }
  void on_record(const Record& record);

  /// What was seen of Scenario::expect[index]; zeroes for other kinds of expectation.
  const Sighting& seen(std::size_t index) const { return watches_[index].seen; }

 private:
  struct Watch {
    std::vector<CompiledMatch> matches;
    bool in_turn = false;
    Sighting seen;
  };

  const SymbolTable& symbols_;
  EventMask mask_;
  std::vector<Watch> watches_;                        ///< by index of the expectation
  std::vector<std::vector<std::uint32_t>> by_event_;  ///< expectations that name an event
};

}  // namespace faultline
