// Traces as users keep them: text, text compressed with zstd, or folders of such files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.hpp"
#include "trace/text_reader.hpp"

namespace faultline {

/// The trace files that `paths` name, in order: a file itself; of a folder all below it that end in
/// .trace, .trace.zst or .ftrace.txt, sorted. What names nothing is told in `problems`; what of a
/// folder is left out, because it is text of the function_graph tracer, in `left_out`.
std::vector<std::string> trace_files(const std::vector<std::string>& paths,
                                     std::vector<Diagnostic>& problems,
                                     std::vector<Diagnostic>& left_out);

/// As read_trace_file(), also of a file that zstd has compressed, and of a pipe.
TraceResult read_any_trace(const std::string& path, LineSink sink);

/// The same. If the trace has no lock events, what its mmap_lock and XFS inode lock events say of
/// locks is told as lines that are `inferred`, and so is `*inferred`. A native trace may also have
/// no locks because it was asked to leave them out.
TraceResult read_trace_and_locks(const std::string& path, LineSink sink, bool* inferred);

/// What read_trace_and_locks() does, of a text in memory.
TraceResult read_text_and_locks(std::string_view text, const std::string& name, LineSink sink,
                                bool* inferred);

}  // namespace faultline
