// Playing a whole scenario as a sample of a benchmark: from its text to operations per CPU second.
#pragma once

#include <fmt/format.h>

#include <string>

#include "analysis/simulate.hpp"
#include "harness.hpp"
#include "scenario/known_words.hpp"

namespace bench {

/// The scenario `text`; ends the program with its errors if there are any.
inline faultline::Scenario load(const std::string& text) {
  const faultline::KnownWords known;
  faultline::LoadInput input;
  input.vocabulary = known.vocabulary();
  input.text = text;
  input.file = "bench";
  faultline::LoadResult loaded = faultline::load_scenario(std::move(input));
  if (const auto* const errors = std::get_if<std::vector<faultline::Diagnostic>>(&loaded)) {
    for (const auto& d : *errors) std::fprintf(stderr, "%s\n", to_string(d).c_str());
    std::exit(1);
  }
  return std::move(std::get<faultline::Scenario>(loaded));
}

/// Without records and without a watch on the order of locks.
inline faultline::SimulateOptions quiet() {
  faultline::SimulateOptions options;
  options.lock_order = false;
  return options;
}

/// CPU seconds that playing `scenario` takes; ends the program if it does not end well.
inline double seconds(const faultline::Scenario& scenario,
                      const faultline::SimulateOptions& options) {
  const double start = cpu_seconds();
  const faultline::Simulation run = simulate(scenario, options);
  const double took = cpu_seconds() - start;
  if (run.exit_code != 0) {
    std::fprintf(stderr, "bench: a scenario did not complete as it should\n");
    std::exit(1);
  }
  return took;
}

/// `operations` per CPU second of playing `scenario`.
inline double rate(const faultline::Scenario& scenario, const faultline::SimulateOptions& options,
                   double operations) {
  return operations / seconds(scenario, options);
}

}  // namespace bench
