// Views: any trace (Faultline's own text, what a real kernel's ftrace printed, or the reduced
// reference format) as the lines on which a model and a kernel must agree, per task and step, in
// order. Two views: `events`, tracepoints with their meaningful fields, and `locks`, acquisitions
// and releases with class and mode and the two annotations that lock debugging makes.
// What varies with the clock and not with the code is cut from every source alike: timestamp
// transactions; so are the test program's own system calls, and faults on its own image and stack.
// Left out: interrupts, scheduling that is only preemption, and all that kernels number freely.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/interner.hpp"

namespace faultline {

enum class ViewKind : std::uint8_t { events, locks };

/// Which format a trace was read from.
enum class TraceSource : std::uint8_t { native, ftrace, reference };

/// Distinct texts by number, so that a long trace costs eight bytes a line and two traces compare
/// by number.
using TextPool = Interner;

/// One line of a view.
struct ViewLine {
  std::uint32_t text = 0;  ///< number in the pool
  std::uint32_t line = 0;  ///< line of the file it was made from, from 1; saturates
};

/// What one task did in one step.
struct ViewStep {
  std::string label;
  std::uint32_t line = 0;  ///< where the step begins
  std::vector<ViewLine> lines;
};

/// One task's steps in order. The first has no label and holds what a task did before its first
/// step (what a fork's child does on its way out of the kernel); it is empty for the first task.
struct ViewActor {
  std::string name;
  std::vector<ViewStep> steps;
};

/// A reduced trace and what was left out of it, by name and number of lines.
struct ViewTrace {
  TraceSource source = TraceSource::native;
  bool complete = true;                               ///< false: the native end line is missing
  std::vector<ViewActor> actors;                      ///< by first compared step
  std::map<std::string, std::uint64_t> not_compared;  ///< events that are in no view's table
  std::map<std::string, std::uint64_t> allowed;       ///< dropped because the allow list names them
  std::uint64_t timestamp_transactions = 0;           ///< how many were cut
};

struct ViewOptions {
  ViewKind kind = ViewKind::events;
  /// Names of events (`tlb_flush`) or of locks as the view prints them (`xfs_buf(agfl)`, `ALLOC`)
  /// whose lines are dropped and counted.
  std::vector<std::string> allow;
};

/// Whether some view has lines of that name, so that ViewOptions::allow can mean something by it.
bool is_view_name(std::string_view name);

/// Reduces the trace in the file `path` to a view. Problems are appended to `problems`; when there
/// are any, the result holds what could be read.
ViewTrace reduce_trace(const std::string& path, const ViewOptions& options, TextPool& pool,
                       std::vector<Diagnostic>& problems);

/// The same for a trace in memory; `name` stands for the file in problems.
ViewTrace reduce_text(std::string_view text, const std::string& name, const ViewOptions& options,
                      TextPool& pool, std::vector<Diagnostic>& problems);

}  // namespace faultline
