// What a set of scenarios exercises of what Faultline knows: profiles, knobs, verbs and events. It
// counts runs and records; it says nothing of whether an expectation looks at them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include <faultline/scenario.hpp>

#include "trace/catalogue.hpp"
#include "trace/record.hpp"

namespace faultline {

struct Coverage {
  std::array<std::uint64_t, event_count> events{};  ///< records, by event
  std::map<std::string_view, std::uint64_t> verbs;  ///< steps, by the verb's name
  std::map<std::string, std::uint64_t> profiles;    ///< scenarios
  std::map<std::string, std::uint64_t> knobs;       ///< scenarios that set it

  /// A sink of records (trace/tracer.hpp).
  void on_record(const Record& record) { ++events[static_cast<std::size_t>(record.event)]; }
  /// Counts what the scenario itself says.
  void add(const Scenario& scenario);
  void add(const Coverage& other);

  /// A line for each sort, then the names that nothing has used.
  std::string text() const;
};

}  // namespace faultline
