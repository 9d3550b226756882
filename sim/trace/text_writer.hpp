// A sink that writes the native trace text: header, one line a record, the end line. Runs the
// formats compiled in the catalogue; no printf and no allocation a line.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "trace/record.hpp"
#include "trace/text_sink.hpp"
#include "trace/tracer.hpp"

namespace faultline {

/// What the header line says.
struct TraceHeader {
  std::string scenario;
  std::string profile;  ///< also chooses the kernel family whose formats are printed
  std::uint64_t seed = 0;
  Level level = Level::all;
  std::string events;  ///< the `--events` globs; empty when none were given
};

/// The events that `--level` and `--events` choose together: those of the level that match; all of
/// the level when `globs` is empty.
EventMask chosen_events(Level level, std::string_view globs);

/// Writes a trace. Add it to the run's tracer with chosen_events(); call finish() at the end.
class TextWriter {
 public:
  /// Writes the header at once. `tracer` gives symbols and names of tasks and must outlive this.
  TextWriter(const Tracer& tracer, const TraceHeader& header, TextSink sink);
  TextWriter(const TextWriter&) = delete;
  TextWriter& operator=(const TextWriter&) = delete;
  /// Writes out what is buffered, without an end line: such a trace is incomplete.
  ~TextWriter();

  void on_record(const Record& record);

  /// Writes the end line and closes the sink. Returns 0, or the errno of the first failed write:
  /// then the file is incomplete. Nothing may be written afterwards.
  int finish(std::string_view outcome);

  /// Ends without an end line, for a run that was interrupted. Returns as finish().
  int abandon();

  /// Lines written so far.
  std::uint64_t records() const { return records_; }
  /// errno of the first failed write, 0 for none; the run may stop early on it.
  int error() const { return sink_.error(); }

 private:
  struct Prefix {
    CpuId cpu;
    Context context = Context::task;
    std::string text;  ///< `           comm-pid     [cpu] flags `; empty: not made yet
  };

  const Prefix& prefix_of(const Record& record);
  char* put_time(char* p, Nanos time);
  char* put_body(char* p, const Format& format, const Record& record);
  char* put_symbol(char* p, std::uint64_t id);
  char* put_cached_flags(char* p, FieldType type, std::uint64_t bits);
  char* make_room(char* p, std::size_t bytes);
  void put_text(std::string_view text);
  void flush();

  /// A rendered flag list; the same few lists come again and again.
  struct FlagText {
    std::uint64_t bits = 0;
    FieldType type = FieldType::literal;
    std::uint8_t length = 0;
    char text[96];
  };
  static constexpr std::size_t flag_slots = 64;

  const Tracer& tracer_;
  TextSink sink_;
  std::vector<const Format*> formats_;  ///< by event, of the header's family
  std::vector<Prefix> prefixes_;        ///< by task
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_;
  char* end_;                     ///< end of what is buffered
  std::uint64_t second_ = ~0ULL;  ///< the second whose text is in second_text_
  std::string second_text_;
  std::vector<FlagText> flags_;
  std::uint64_t records_ = 0;
  bool finished_ = false;
};

}  // namespace faultline
