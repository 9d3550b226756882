// The door to a run: a scenario in, its result out, with everything that watches it attached. What
// nobody asked for is not recorded: without a trace, a digest or an expectation about records, a
// run makes no records but those of locks.
#pragma once

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include <faultline/scenario.hpp>

#include "base/diagnostic.hpp"
#include "scenario/expectations.hpp"
#include "scenario/run_result.hpp"
#include "trace/catalogue.hpp"
#include "trace/tracer.hpp"

namespace faultline {

struct SimulateOptions {
  std::string trace_path;             ///< "" : no trace file
  std::string* trace_text = nullptr;  ///< the trace in memory, instead of a file
  Level level = Level::all;
  std::string events;  ///< globs; "" for all of the level
  SinkRef watcher;     ///< gets every record, if set
  bool digest = false;
  bool fault_parts = false;       ///< what the time of each fault went to, in its step's result
  bool lock_order = true;         ///< look for cycles in the order of locks
  bool check_invariants = false;  ///< look at the state of the kernel after every record
  std::uint64_t max_events = ~0ULL;
  Nanos max_time{~0ULL};
  std::vector<std::uint32_t> choices;  ///< of the chooser `replay`: task numbers
  bool cut_after_each_step = false;    ///< looks at what a power cut after each step would leave
  const volatile std::sig_atomic_t* interrupted = nullptr;  ///< set by a signal handler
};

struct Simulation {
  RunResult result;
  Judgement judgement;
  std::string digest;                  ///< 32 hex digits, if asked for
  std::vector<std::uint32_t> choices;  ///< task numbers; none by the chooser `timed`
  bool schedule_failed = false;        ///< a replay met a choice that could not be made
  int trace_error = 0;                 ///< errno of the first failed write of the trace
  std::vector<Diagnostic> errors;      ///< the scenario cannot be played; nothing else is valid
  int exit_code = 0;                   ///< as `faultline run` ends
};

/// Plays `scenario` once. InternalError passes through.
Simulation simulate(const Scenario& scenario, const SimulateOptions& options);

}  // namespace faultline
