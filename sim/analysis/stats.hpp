// What `faultline stats` tells of traces: locks, waits, faults. The result is data; stats_text()
// prints it for people, stats_json() for programs. Times are whole nanoseconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/contention.hpp"
#include "analysis/fault_latency.hpp"
#include "analysis/fault_parts.hpp"
#include "base/diagnostic.hpp"

namespace faultline {

/// One trace that was read.
struct StatsTrace {
  std::string file;
  std::string scenario;  ///< native traces only, as `profile`
  std::string profile;
  std::uint64_t records = 0;
  std::uint64_t first_ns = 0;
  std::uint64_t last_ns = 0;
  bool native = false;
  bool complete = false;
  bool inferred = false;  ///< no lock events: locks are those of other tracepoints
  std::uint64_t lost = 0;
  std::uint64_t overwritten = 0;
  std::uint64_t unknown_events = 0;
  std::uint64_t unparsed = 0;
  std::uint64_t malformed = 0;
};

struct Stats {
  std::vector<StatsTrace> traces;
  Contention locks;
  FaultLatency faults;
  FaultParts parts;
  bool any_locks = false;
  std::vector<Diagnostic> left_out;  ///< files of folders that are no traces to account for
  std::vector<Diagnostic> errors;    ///< files that cannot be read: nothing else is valid
};

/// Reads all traces that `paths` name, folders included, one after the other.
void read_stats(const std::vector<std::string>& paths, Stats& out);

/// Tables; of instances, waits and call sites at most `top` rows each.
std::string stats_text(const Stats& stats, std::size_t top);
/// One JSON document with everything.
std::string stats_json(const Stats& stats);

}  // namespace faultline
