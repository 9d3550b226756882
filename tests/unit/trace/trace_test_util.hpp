// Helpers of the trace tests: writing records to a string, reading lines back as values.
#pragma once

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "trace/text_reader.hpp"
#include "trace/text_writer.hpp"

namespace trace_test {

using namespace faultline;

/// A line that outlives its callback.
struct Line {
  TraceLine::Kind kind;
  Context context;
  std::string task, flags, event, body;
  std::int32_t pid, tgid, cpu;
  std::uint64_t time_ns, line, lost;
  std::optional<Event> known;
  struct Value {
    std::string name, text;
    FieldType type;
    std::uint64_t value;
  };
  std::vector<Value> fields;

  const Value* field(const std::string& name) const {
    for (const auto& f : fields) {
      if (f.name == name) return &f;
    }
    return nullptr;
  }
};

struct ReadBack {
  TraceResult result;
  std::vector<Line> lines;
};

inline Line keep(const TraceLine& l) {
  Line line{l.kind,
            l.context,
            std::string(l.task),
            std::string(l.flags),
            std::string(l.event),
            std::string(l.body),
            l.pid,
            l.tgid,
            l.cpu,
            l.time_ns,
            l.line,
            l.lost,
            l.known,
            {}};
  for (const auto& f : l.fields) {
    line.fields.push_back({std::string(f.name), std::string(f.text), f.type, f.value});
  }
  return line;
}

inline ReadBack read(const std::string& text) {
  ReadBack back;
  auto callback = [&](const TraceLine& l) { back.lines.push_back(keep(l)); };
  back.result = read_trace_text(text, "test.txt", line_sink(callback));
  return back;
}

inline std::string data_file(const std::string& name) {
  std::ifstream in(std::string(FAULTLINE_SOURCE_DIR) + "/tests/unit/trace/data/" + name);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

inline const std::vector<std::string>& raw_files() {
  static const std::vector<std::string> names = {"dax-fork-child-write-shared.locks.ftrace.txt",
                                                 "dax-read-hole.events.ftrace.txt",
                                                 "dax-read-hole.locks.ftrace.txt",
                                                 "dax-truncate-mapped.events.ftrace.txt",
                                                 "dax-write-hole.events.ftrace.txt",
                                                 "dax-write-hole.locks.ftrace.txt",
                                                 "pagecache-read-cold.events.ftrace.txt"};
  return names;
}

/// The body a record prints as, under a profile.
inline std::string print_body(const Tracer& tracer, const Record& record,
                              const std::string& profile = "linux-6.12") {
  std::string text;
  TextWriter writer(tracer, {"s", profile, 1, Level::all, ""}, TextSink::to_memory(&text));
  writer.on_record(record);
  writer.finish("completed");
  const auto begin = text.find(std::string(catalogue::info(record.event).name) + ": ");
  const auto body = begin + catalogue::info(record.event).name.size() + 2;
  return text.substr(body, text.find('\n', body) - body);
}

/// The record that a line with understood fields came from; texts are interned into `tracer`.
inline Record rebuild(Tracer& tracer, const Line& line) {
  const EventInfo& info = catalogue::info(*line.known);
  Record r;
  r.time = Nanos(line.time_ns);
  r.event = *line.known;
  r.cpu = CpuId(static_cast<std::uint16_t>(line.cpu));
  r.task = TaskId(0);
  r.n = info.n_fields;
  r.context = line.context;
  r.arg.fill(0);
  for (std::size_t i = 0; i < line.fields.size(); ++i) {
    const auto& f = line.fields[i];
    r.arg[i] = f.value;
    if (f.type == FieldType::sym || f.type == FieldType::ksym) {
      r.arg[i] = tracer.symbols().intern(f.text).v;
    } else if (f.type == FieldType::ip && f.value == ip_symbol_bit) {
      r.arg[i] = ip_symbol(tracer.symbols().intern(f.text));
    }
  }
  return r;
}

}  // namespace trace_test
