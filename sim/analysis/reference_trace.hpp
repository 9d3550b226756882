// Reads the reduced format in which real kernels' traces are kept beside the conformance tests:
// `## STEP n: text` lines, and lines `P name: body`, `P ACQ CLASS@1 read`, `P REL CLASS@1`,
// `P call f`, `P ret  f = X`, `P ALLOC ...`, `P MIGHT_FAULT ...`, `P WAIT ...`, where the first
// column names who did it (P the main thread, C, D, E children or other threads).
// One line at a time, without state; what a line means for a comparison is decided in views.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace faultline {

/// What one line of a reference file is.
enum class ReferenceKind : std::uint8_t {
  header,       ///< `# key: value`, or an empty line
  step,         ///< `## STEP n: text`: `text` holds the text, `actor` whose step it is
  event,        ///< a tracepoint: `name`, `text` is its body
  acquire,      ///< `name` is the class, `text` what follows it (mode, `trylock`)
  release,      ///< `name` is the class
  call,         ///< `name` is the function
  ret,          ///< `name` is the function, `text` its value
  alloc,        ///< an allocation that may enter reclaim
  might_fault,  ///< the annotation
  wait,         ///< a wait that no lock stands for
};

/// One line; views point into the text it was parsed from.
struct ReferenceLine {
  ReferenceKind kind = ReferenceKind::header;
  char actor = 0;  ///< the first column; 0 in a header
  std::string_view name;
  std::string_view text;
};

/// Parses one line (without its newline). Nothing when it is none of the format's.
std::optional<ReferenceLine> parse_reference_line(std::string_view line);

/// Whether `line`, the first of a file that is not empty, begins a file of this format.
bool begins_reference_trace(std::string_view line);

}  // namespace faultline
