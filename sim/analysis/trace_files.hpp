// Traces as users keep them: text, text compressed with zstd, or folders of such files.
#pragma once

#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "trace/text_reader.hpp"

namespace faultline {

/// The trace files that `paths` name, in order: a file itself; of a folder all below it that end in
/// .trace, .trace.zst or .ftrace.txt, sorted. What names nothing is told in `problems`.
std::vector<std::string> trace_files(const std::vector<std::string>& paths,
                                     std::vector<Diagnostic>& problems);

/// As read_trace_file(), also of a file that zstd has compressed.
TraceResult read_any_trace(const std::string& path, LineSink sink);

}  // namespace faultline
