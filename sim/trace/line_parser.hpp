// Takes the fixed part of a line of ftrace, trace-cmd report or perf script apart: task, pid, tgid,
// CPU, flag columns, time, event.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "trace/record.hpp"

namespace faultline {

/// The fixed part of a line. Views point into the line.
struct LineParts {
  std::string_view task;
  std::int32_t pid = 0;
  std::int32_t tgid = -1;
  std::int32_t cpu = -1;
  std::string_view flags;
  Context context = Context::task;
  std::uint64_t time_ns = 0;
  std::string_view event;
  std::string_view body;
  bool perf = false;  ///< in the shape of perf script
};

/// The parts of one line; nothing, and in `bad_column` (from 0) the place, when it is none.
std::optional<LineParts> parse_line(std::string_view line, std::size_t& bad_column);

/// How many events a `CPU:n [LOST m EVENTS]` line says are missing.
struct LostEvents {
  std::int32_t cpu = -1;
  std::uint64_t count = 0;  ///< 0: it does not say
};

/// A line that says that events were lost, in any of the kernel's and trace-cmd's wordings.
std::optional<LostEvents> parse_lost(std::string_view line);

/// All of `text` as a decimal number.
std::optional<std::uint64_t> parse_decimal(std::string_view text);

}  // namespace faultline
