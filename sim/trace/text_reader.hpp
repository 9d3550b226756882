// Reads trace text a line at a time: the native format, what a real kernel's tracefs prints
// (tracers nop and function; 4 or 5 flag columns or none, tgid column, lost events, interrupts),
// and what trace-cmd report and perf script make of it. Keeps nothing of a line once its callback
// returned, so that a trace of any size can be read. Text that only a stack view makes
// (function_graph, latency format) is refused with a reason.
#pragma once

#include <cstdint>
#include <istream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/diagnostic.hpp"
#include "trace/field_parser.hpp"
#include "trace/record.hpp"

namespace faultline {

/// One line of a trace. Its views are valid during the callback only.
struct TraceLine {
  enum class Kind : std::uint8_t {
    record,  ///< an event
    lost,    ///< events are missing here: nobody knows any more which locks are held
    frame,   ///< of a stack dump that belongs to the task's last record: `body` is the function,
             ///< innermost first
  };
  Kind kind = Kind::record;
  Context context = Context::task;  ///< a stack of its own in interrupts
  std::uint64_t line = 0;           ///< number in the file, from 1
  std::string_view task;            ///< comm; `<...>` when the kernel had forgotten it
  std::int32_t pid = 0;
  std::int32_t tgid = -1;  ///< -1: the text does not say
  std::int32_t cpu = -1;   ///< of a lost line: -1 when it does not say
  std::string_view flags;  ///< the columns as printed; empty when there are none
  std::uint64_t time_ns = 0;
  std::string_view event;              ///< empty for lines of the function tracer
  std::string_view body;               ///< what follows `event: `
  std::optional<Event> known;          ///< the catalogue has this event
  std::span<const FieldValue> fields;  ///< in record order; empty when unknown or not understood
  bool native = false;                 ///< the trace has Faultline's header
  bool inferred = false;   ///< not in the text: made from another line, which came just before
  std::uint64_t lost = 0;  ///< of a lost line: how many; 0 when it does not say

  /// The field of that name, or null.
  const FieldValue* field(std::string_view name) const {
    for (const auto& f : fields) {
      if (f.name == name) return &f;
    }
    return nullptr;
  }
  /// The number or text of a field; 0 or empty when there is none.
  std::uint64_t value(std::string_view name) const {
    const auto* f = field(name);
    return f ? f->value : 0;
  }
  std::string_view text(std::string_view name) const {
    const auto* f = field(name);
    return f ? f->text : std::string_view{};
  }
};

/// What is known of a trace once it was read.
struct TraceInfo {
  bool native = false;   ///< has Faultline's header
  std::string scenario;  ///< native only, as all up to `outcome`
  std::string profile;
  std::uint64_t seed = 0;
  std::optional<Level> level;
  std::string events;
  std::string outcome;            ///< of the end line; empty when there is none
  bool complete = false;          ///< native: the end line is there and its count is right; else:
                                  ///< nothing lost or overwritten
  std::uint64_t records = 0;      ///< event lines read
  std::uint64_t lost = 0;         ///< lines that say that events were lost
  std::uint64_t overwritten = 0;  ///< events a real kernel overwrote before this text was made
  std::uint64_t unknown_events = 0;  ///< records whose event the catalogue does not have
  std::uint64_t unparsed = 0;        ///< records of a known event whose fields were not understood
};

/// The result of reading: what was found, and what was wrong.
struct TraceResult {
  static constexpr std::size_t max_diagnostics = 20;
  TraceInfo info;
  bool readable = true;         ///< false: this is not a trace that can be read; see diagnostics
  std::uint64_t malformed = 0;  ///< lines that are no trace text; skipped
  std::vector<Diagnostic> diagnostics;  ///< the first max_diagnostics

  /// Is every line understood? (Incomplete is not malformed.)
  bool ok() const { return readable && malformed == 0; }

  /// Can something be said of it? In text of another program some lines may be anything; in ours
  /// none may. All readers go by this.
  bool usable() const { return info.native ? ok() : readable; }
};

/// Called with each line; false stops the reading (the result is then of what was read).
struct LineSink {
  void* self = nullptr;
  bool (*fn)(void* self, const TraceLine& line) = nullptr;
};

/// A LineSink that calls `callback(line)`; a callback that returns nothing never stops.
template <class Callback>
LineSink line_sink(Callback& callback) {
  return {&callback, [](void* self, const TraceLine& line) {
            auto& f = *static_cast<Callback*>(self);
            if constexpr (std::is_void_v<decltype(f(line))>) {
              f(line);
              return true;
            } else {
              return static_cast<bool>(f(line));
            }
          }};
}

/// Takes a trace in pieces of any size. `file` is for messages only.
class TraceReader {
 public:
  /// A line longer than this is malformed.
  static constexpr std::size_t max_line = 1 << 20;

  TraceReader(std::string file, LineSink sink);

  /// The next piece. False: no more is wanted (unreadable, or the sink stopped).
  bool feed(std::string_view piece);

  /// After the last piece.
  TraceResult finish();

 private:
  void take_line(std::string_view text);
  void comment(std::string_view text);
  void header(std::string_view text);
  void header_pair(std::string_view key, std::string_view value);
  void entries(std::string_view text);
  bool lost_line(std::string_view text);
  void event_line(std::string_view text);
  bool frame_line(std::string_view text);
  void understand(TraceLine& line);
  void deliver(TraceLine& line);
  void complain(std::size_t column, std::string message);
  void refuse(std::string message);
  void add_diagnostic(std::size_t column, std::string message);

  std::string file_;
  LineSink sink_;
  TraceResult result_;
  FieldList fields_;
  std::string rewritten_;  ///< the body of a line as the kernel would have printed it
  std::string partial_;    ///< beginning of a line whose end is in the next piece
  bool skipping_ = false;  ///< inside a line that is too long
  std::uint64_t line_ = 0;
  std::optional<Family> family_;
  std::optional<std::uint64_t> declared_records_;
  std::int32_t last_pid_ = 0;  ///< of the last record, as the CPU and the context
  std::int32_t last_cpu_ = -1;
  Context last_context_ = Context::task;
  bool stopped_ = false;
  bool ended_ = false;  ///< the end line was seen
};

/// Reads all of a stream, a text in memory, or a file.
TraceResult read_trace(std::istream& in, const std::string& file, LineSink sink);
TraceResult read_trace_text(std::string_view text, const std::string& file, LineSink sink);
TraceResult read_trace_file(const std::string& path, LineSink sink);

}  // namespace faultline
