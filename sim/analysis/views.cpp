// Opens a trace and feeds its lines to a ViewSource, one at a time: the text itself is never held.
#include "analysis/views.hpp"

#include "analysis/trace_check.hpp"
#include "analysis/views_lines.hpp"
#include "analysis/views_locks.hpp"
#include "analysis/views_source.hpp"
#include "analysis/views_text.hpp"

namespace faultline {

bool is_view_name(std::string_view name) {
  if (name == "ALLOC" || name == "MIGHT_FAULT") return true;
  if (name == "sys_enter" || name == "sys_exit") return true;
  return is_compared_event(name) || counted_class(name) == name;
}

ViewTrace reduce_trace(const std::string& path, const ViewOptions& options, TextPool& pool,
                       std::vector<Diagnostic>& problems) {
  ViewTrace out;
  ViewSource source(options, pool, out);
  TraceCheck check(path);
  LineReader reader(path);
  for (auto line = reader.next(); line; line = reader.next()) {
    check.feed(reader.raw());
    // Every line of ours ends in a newline; of half a line nothing is known.
    if (source.native() && !reader.raw().ends_with('\n')) continue;
    source.line(*line);
  }
  if (const auto problem = reader.problem()) {
    problems.push_back(*problem);
    return out;
  }
  if (check.finish(problems)) source.finish(path, problems);
  return out;
}

ViewTrace reduce_text(std::string_view text, const std::string& name, const ViewOptions& options,
                      TextPool& pool, std::vector<Diagnostic>& problems) {
  ViewTrace out;
  ViewSource source(options, pool, out);
  while (!text.empty()) {
    const auto end = text.find('\n');
    source.line(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  source.finish(name, problems);
  return out;
}

}  // namespace faultline
