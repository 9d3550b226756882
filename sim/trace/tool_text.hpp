// What tools print where the kernel's own text would say something else: lines of trace-cmd report
// and perf script that are no events, and the bodies that plugins of libtraceevent 1.7 make of some
// events. All of it was seen in the output of trace-cmd 3.1.6 and perf 6.1.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "trace/record.hpp"

namespace faultline {

/// A line that trace-cmd puts around the events: the number of CPUs, which of them are empty.
bool is_tool_line(std::string_view line);

/// The function of a line of a stack dump, as ftrace's option stacktrace (` => f+0x1/0x2`),
/// trace-cmd
/// (`=> f (address)`) and perf (tab, address, `f+0x1 (where)`) print it; empty for one of a
/// program. Nothing for another line.
std::optional<std::string_view> stack_frame(std::string_view line);

/// Whether a record is none, but begins a stack dump.
bool begins_stack(std::string_view event, std::string_view body);

/// The body as the kernel would print it; nothing when no plugin is known to print this one.
std::optional<std::string> kernel_text(Event event, std::string_view body);

}  // namespace faultline
