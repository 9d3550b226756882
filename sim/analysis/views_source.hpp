// The formats a view can be made from, each told apart by its first lines and fed line by line into
// a ViewBuilder.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "analysis/views.hpp"
#include "analysis/views_builder.hpp"
#include "base/diagnostic.hpp"

namespace faultline {

/// Feeds the lines of one trace to a builder. Lines may come from anywhere, in order; the format is
/// decided by the first one that tells.
class ViewSource {
 public:
  ViewSource(const ViewOptions& options, TextPool& pool, ViewTrace& out);

  /// One line without its newline. Lines that are none of the format's are counted.
  void line(std::string_view text);

  /// The trace has Faultline's header.
  bool native() const { return source_ == TraceSource::native; }

  /// Ends the trace; complains when nothing in it was a trace.
  void finish(const std::string& name, std::vector<Diagnostic>& problems);

 private:
  void reference_line(std::string_view text);
  void ftrace_line(std::string_view text);
  void header_line(std::string_view text);
  bool native_line(std::string_view task, std::int64_t pid, std::string_view event,
                   std::string_view body);
  bool kernel_line(std::string_view task, std::int64_t pid, std::string_view event,
                   std::string_view body);
  bool lock_line(std::string_view task, std::int64_t pid, std::string_view event,
                 std::string_view body);
  void kernel_mark(std::string_view task, std::uint64_t key, std::uint64_t mark);

  ViewTrace& out_;
  ViewBuilder builder_;
  std::optional<TraceSource> source_;
  bool ended_ = false;         // the native end line was seen
  std::uint64_t number_ = 0;   // lines read
  std::uint64_t records_ = 0;  // of them, records
  std::uint64_t foreign_ = 0;  // lines that are none of the format's
  std::uint64_t first_foreign_ = 0;
};

}  // namespace faultline
