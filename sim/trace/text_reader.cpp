// Cutting the input into lines, comments and headers, and the understanding of known events.
#include "trace/text_reader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "trace/line_parser.hpp"
#include "trace/tool_text.hpp"

namespace faultline {
namespace {

constexpr std::size_t piece_size = 1 << 20;
// So many lines at the beginning that are no trace lines, and the file is something else.
constexpr std::uint64_t patience = 25;

// Undoes the writer's %-escapes.
std::string header_text(std::string_view word) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  std::string text;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '%' && i + 2 < word.size() && digit(word[i + 1]) >= 0 &&
        digit(word[i + 2]) >= 0) {
      text += static_cast<char>(digit(word[i + 1]) * 16 + digit(word[i + 2]));
      i += 2;
    } else {
      text += word[i];
    }
  }
  return text;
}

// A kprobe may bear the name of an event: `(function+0x4/0x50)`, `(caller+... <- function) ret=`.
bool is_probe(std::string_view body) {
  return body.starts_with('(') && body.find("+0x") < body.find(')');
}

}  // namespace

TraceReader::TraceReader(std::string file, LineSink sink) : file_(std::move(file)), sink_(sink) {}

bool TraceReader::feed(std::string_view piece) {
  while (!piece.empty() && !stopped_) {
    const auto newline = piece.find('\n');
    const auto part = piece.substr(0, newline);
    if (!skipping_ && partial_.size() + part.size() > max_line) {
      ++line_;
      complain(1, "the line is longer than 1 MiB");
      partial_.clear();
      skipping_ = true;
    }
    if (newline == std::string_view::npos) {
      if (!skipping_) partial_ += part;
      return !stopped_;
    }
    if (skipping_) {
      skipping_ = false;
    } else if (partial_.empty()) {
      take_line(part);
    } else {
      partial_ += part;
      const auto whole = std::exchange(partial_, {});
      take_line(whole);
    }
    piece.remove_prefix(newline + 1);
  }
  return !stopped_;
}

TraceResult TraceReader::finish() {
  if (!stopped_ && !partial_.empty()) {
    const auto last = std::exchange(partial_, {});
    if (result_.info.native) {
      // Every line we write ends in a newline, so this one was cut; half a number reads as a whole
      // one, so it is not used.
      ++line_;
      add_diagnostic(last.size() + 1, "the last line is cut off");
    } else {
      take_line(last);
    }
  }
  TraceInfo& info = result_.info;
  if (info.native) {
    const bool counted = !declared_records_ || *declared_records_ == info.records;
    if (ended_ && !counted && !stopped_) {
      complain(1, "the end line counts " + std::to_string(*declared_records_) +
                      " records, but there are " + std::to_string(info.records));
    }
    info.complete = ended_ && counted;
  } else {
    info.complete = info.lost == 0 && info.overwritten == 0;
    if (result_.readable && info.records == 0 && result_.malformed > 0) {
      refuse("this is not a trace: no line looks like ftrace text");
    }
  }
  if (!result_.readable) info.complete = false;
  return std::move(result_);
}

void TraceReader::take_line(std::string_view text) {
  ++line_;
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (text.empty()) return;
  if (text.front() == '#') return comment(text);
  if (ended_) return complain(1, "there is text behind the end line");
  if (lost_line(text)) return;
  if (result_.info.records > 0 && frame_line(text)) return;
  if (is_tool_line(text) && !result_.info.native) return;
  event_line(text);
}

void TraceReader::comment(std::string_view text) {
  constexpr std::string_view ours = "# faultline: ", tracer = "# tracer: ";
  constexpr std::string_view entries_line = "# entries-in-buffer/entries-written: ";
  if (text.starts_with(ours)) {
    header(text.substr(ours.size()));
  } else if (text.starts_with(tracer)) {
    const auto name = text.substr(tracer.size());
    if (name == "function_graph") {
      refuse(
          "text of the function_graph tracer cannot be read: its lines have neither CPU nor "
          "time; record events with tracer nop");
    }
  } else if (text.find("latency trace v") != std::string_view::npos) {
    refuse("ftrace's latency format cannot be read; turn the option latency-format off");
  } else if (text.starts_with(entries_line)) {
    entries(text.substr(entries_line.size()));
  }
}

// `48/160   #P:2`: in the buffer / ever written.
void TraceReader::entries(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return;
  const auto kept = parse_decimal(text.substr(0, slash));
  const auto end = text.find(' ', slash);
  const auto written =
      parse_decimal(text.substr(slash + 1, end == std::string_view::npos ? end : end - slash - 1));
  if (kept && written && *written > *kept) result_.info.overwritten = *written - *kept;
}

void TraceReader::header(std::string_view text) {
  TraceInfo& info = result_.info;
  const bool end = text.starts_with("end ");
  if (ended_) return complain(1, "there is text behind the end line");
  if (end) {
    ended_ = true;
    text.remove_prefix(4);
  } else if (info.native) {
    return complain(1, "a second header: are these two traces in one file?");
  }
  if (!end && info.records > 0) return complain(1, "the header must come before the records");
  info.native = true;
  bool format = false;
  while (!text.empty() && result_.readable) {
    const auto word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    const auto equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    const auto key = word.substr(0, equals), value = word.substr(equals + 1);
    if (key == "format") {
      format = true;
      if (value != "1") refuse("format " + std::string(value) + " is not known (1 is)");
    } else {
      header_pair(key, value);
    }
  }
  if (!end && !format && result_.readable) complain(1, "the header does not say its format");
  if (end && !declared_records_) complain(1, "the end line does not count the records");
}

void TraceReader::header_pair(std::string_view key, std::string_view value) {
  TraceInfo& info = result_.info;
  const auto number = [&]() -> std::uint64_t {
    const auto v = parse_decimal(value);
    if (!v) complain(1, std::string(key) + " must be a number, not `" + std::string(value) + "`");
    return v.value_or(0);
  };
  if (key == "scenario") {
    info.scenario = header_text(value);
  } else if (key == "profile") {
    info.profile = header_text(value);
    family_ = family_of(info.profile);
  } else if (key == "seed") {
    info.seed = number();
  } else if (key == "level") {
    info.level = parse_level(value);
    if (!info.level) complain(1, "level `" + std::string(value) + "` is not known");
  } else if (key == "events") {
    info.events = header_text(value);
  } else if (key == "outcome") {
    info.outcome = header_text(value);
  } else if (key == "records") {
    declared_records_ = number();
  }
}

bool TraceReader::lost_line(std::string_view text) {
  if (text.find("EVENTS") == std::string_view::npos) return false;
  const auto lost = parse_lost(text);
  if (!lost) return false;
  ++result_.info.lost;
  TraceLine line;
  line.kind = TraceLine::Kind::lost;
  line.line = line_;
  line.cpu = lost->cpu;
  line.lost = lost->count;
  line.body = text;
  deliver(line);
  return true;
}

// A stack dump belongs to the record above; in ftrace's text that is one that only begins the dump,
// of the task whose event it belongs to.
bool TraceReader::frame_line(std::string_view text) {
  const auto function = stack_frame(text);
  if (!function) return false;
  TraceLine line;
  line.kind = TraceLine::Kind::frame;
  line.line = line_;
  line.pid = last_pid_;
  line.cpu = last_cpu_;
  line.context = last_context_;
  line.body = *function;
  if (!function->empty()) deliver(line);
  return true;
}

void TraceReader::event_line(std::string_view text) {
  if (line_ == 1 && text.starts_with('{')) {
    return refuse(
        "this is JSON, not a trace; `faultline run FILE --trace OUT` makes one of a scenario");
  }
  std::size_t column = 0;
  const auto parts = parse_line(text, column);
  if (!parts) {
    complain(column + 1, "not a trace line (TASK-PID [CPU] FLAGS SECONDS: event: ...)");
    const bool hopeless = !result_.info.native && result_.info.records == 0;
    if (hopeless && result_.malformed >= patience) {
      refuse("this is not a trace: no line looks like ftrace text");
    }
    return;
  }
  TraceLine line;
  line.line = line_;
  line.task = parts->task;
  line.pid = parts->pid;
  line.tgid = parts->tgid;
  line.cpu = parts->cpu;
  line.flags = parts->flags;
  line.context = parts->context;
  line.time_ns = parts->time_ns;
  line.event = parts->event;
  line.body = parts->body;
  last_pid_ = line.pid;
  last_cpu_ = line.cpu;
  last_context_ = line.context;
  if (!result_.info.native && begins_stack(line.event, line.body)) return;
  understand(line);
  ++result_.info.records;
  deliver(line);
}

void TraceReader::understand(TraceLine& line) {
  line.known = catalogue::find(line.event);
  if (!line.known) {
    ++result_.info.unknown_events;
    return;
  }
  const EventInfo& info = catalogue::info(*line.known);
  // A native trace says its kernel; a real one is tried in the order of the catalogue.
  const auto matches = [&](std::string_view body) {
    if (family_) {
      const Format& own = catalogue::format(*line.known, *family_);
      if (parse_fields(own, info.name.size(), body, fields_)) return true;
    }
    for (const Format* format : info.formats) {
      if (parse_fields(*format, info.name.size(), body, fields_)) return true;
    }
    return false;
  };
  auto padless = line.body;
  while (padless.starts_with(' ')) padless.remove_prefix(1);
  if (matches(line.body) || (padless.size() < line.body.size() && matches(padless))) {
    line.fields = fields_.span();
    return;
  }
  if (auto text = kernel_text(*line.known, line.body); text && !result_.info.native) {
    rewritten_ = std::move(*text);
    if (matches(rewritten_)) {
      line.body = rewritten_;
      line.fields = fields_.span();
      return;
    }
  }
  if (is_probe(line.body)) {
    line.known.reset();
    ++result_.info.unknown_events;
    return;
  }
  // Another kernel may print something else under a name we know; our own text may not.
  ++result_.info.unparsed;
  if (result_.info.native) {
    complain(1, "the fields of " + std::string(info.name) + " do not fit its format");
  }
}

void TraceReader::deliver(TraceLine& line) {
  line.native = result_.info.native;
  if (sink_.fn != nullptr && !sink_.fn(sink_.self, line)) stopped_ = true;
}

void TraceReader::complain(std::size_t column, std::string message) {
  ++result_.malformed;
  add_diagnostic(column, std::move(message));
}

void TraceReader::refuse(std::string message) {
  result_.readable = false;
  stopped_ = true;
  // The reason must be seen even where complaints have filled the list.
  if (result_.diagnostics.size() == TraceResult::max_diagnostics) result_.diagnostics.pop_back();
  add_diagnostic(1, std::move(message));
}

void TraceReader::add_diagnostic(std::size_t column, std::string message) {
  if (result_.diagnostics.size() == TraceResult::max_diagnostics) return;
  Diagnostic d;
  d.complaint = Complaint::input;
  d.file = file_;
  d.line = static_cast<std::uint32_t>(line_);
  d.column = line_ == 0 ? 0 : static_cast<std::uint32_t>(column);
  d.what = std::move(message);
  result_.diagnostics.push_back(std::move(d));
}

TraceResult read_trace(std::istream& in, const std::string& file, LineSink sink) {
  TraceReader reader(file, sink);
  std::string piece(piece_size, '\0');
  do {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    if (!reader.feed({piece.data(), static_cast<std::size_t>(in.gcount())})) break;
  } while (in);
  auto result = reader.finish();
  if (in.bad()) {
    result.readable = false;
    result.info.complete = false;
    result.diagnostics.push_back({Complaint::input, file, 0, 0, {}, "reading failed"});
  }
  return result;
}

TraceResult read_trace_text(std::string_view text, const std::string& file, LineSink sink) {
  TraceReader reader(file, sink);
  reader.feed(text);
  return reader.finish();
}

TraceResult read_trace_file(const std::string& path, LineSink sink) {
  TraceReader reader(path, sink);
  const auto failed = [&] {
    const int error = errno;
    auto result = reader.finish();
    result.readable = false;
    result.info.complete = false;
    result.diagnostics.push_back({Complaint::input, path, 0, 0, {}, std::strerror(error)});
    return result;
  };
  int fd;
  do {
    fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return failed();
  std::string piece(piece_size, '\0');
  for (;;) {
    const auto n = ::read(fd, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      ::close(fd);
      errno = error;
      return failed();
    }
    if (n == 0 || !reader.feed({piece.data(), static_cast<std::size_t>(n)})) break;
  }
  ::close(fd);
  return reader.finish();
}

}  // namespace faultline
