// Reads traces into the accounts.
#include "analysis/stats.hpp"

#include "analysis/contention_source.hpp"
#include "analysis/trace_files.hpp"

namespace faultline {

void read_stats(const std::vector<std::string>& paths, Stats& out) {
  ContentionSource source(out.locks);
  const std::vector<std::string> files = trace_files(paths, out.errors, out.left_out);
  for (const std::string& file : files) {
    StatsTrace trace;
    trace.file = file;
    bool first = true;
    source.begin_trace();
    out.faults.begin_trace();
    out.parts.begin_trace();
    auto take = [&](const TraceLine& line) {
      source.line(line);
      if (line.inferred) return true;
      out.faults.line(line);
      out.parts.line(line);
      if (line.kind != TraceLine::Kind::record) return true;
      if (first) trace.first_ns = line.time_ns;
      first = false;
      trace.last_ns = std::max(trace.last_ns, line.time_ns);
      return true;
    };
    const TraceResult read = read_trace_and_locks(file, line_sink(take), &trace.inferred);
    source.end_trace(read.info.native);
    out.faults.end_trace();
    out.parts.end_trace();
    const TraceInfo& info = read.info;
    trace.scenario = info.scenario;
    trace.profile = info.profile;
    trace.records = info.records;
    trace.native = info.native;
    trace.complete = info.complete;
    trace.lost = info.lost;
    trace.overwritten = info.overwritten;
    trace.unknown_events = info.unknown_events;
    trace.unparsed = info.unparsed;
    trace.malformed = read.malformed;
    if (!read.usable()) {
      out.errors.insert(out.errors.end(), read.diagnostics.begin(), read.diagnostics.end());
    }
    out.traces.push_back(std::move(trace));
  }
  out.any_locks = source.any_locks();
}

}  // namespace faultline
