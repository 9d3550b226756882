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

/// The body as the kernel would print it; nothing when no plugin is known to print this one.
std::optional<std::string> kernel_text(Event event, std::string_view body);

}  // namespace faultline
