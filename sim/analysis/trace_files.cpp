// Finding and unpacking traces.
#include "analysis/trace_files.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "analysis/reference_trace.hpp"
#include "analysis/text_file.hpp"
#include "analysis/traced_locks.hpp"

namespace faultline {

namespace fs = std::filesystem;

namespace {

bool is_trace_name(const std::string& name) {
  return name.ends_with(".trace") || name.ends_with(".trace.zst") || name.ends_with(".ftrace.txt");
}

Diagnostic problem(const std::string& path, std::string what) {
  Diagnostic d;
  d.file = path;
  d.what = std::move(what);
  return d;
}

TraceResult unreadable(const std::string& path, std::string what) {
  TraceResult result;
  result.readable = false;
  result.diagnostics.push_back(problem(path, std::move(what)));
  return result;
}

// The first line of a file's text; empty when it cannot be read.
std::string first_line(std::FILE* file) {
  std::string line(256, '\0');
  line.resize(std::fread(line.data(), 1, line.size(), file));
  std::rewind(file);
  line.resize(std::min(line.size(), line.find('\n')));
  return line;
}

std::string first_line(const std::string& path) {
  std::optional<Diagnostic> none;
  const TextFile file = open_text(path, none);
  return file ? first_line(file.get()) : std::string();
}

TraceResult read_file(std::FILE* file, const std::string& path, LineSink sink) {
  if (begins_reference_trace(first_line(file))) {
    return unreadable(
        path,
        "this is the reduced reference format, which has neither times nor numbers of "
        "locks; only diff --view events|locks reads it");
  }
  TraceReader reader(path, sink);
  std::string piece(std::size_t{1} << 20, '\0');
  std::size_t got = 0;
  bool empty = true;
  do {
    got = std::fread(piece.data(), 1, piece.size(), file);
    empty = empty && got == 0;
  } while (reader.feed({piece.data(), got}) && got > 0);
  if (std::ferror(file)) return unreadable(path, "reading failed");
  TraceResult result = reader.finish();
  // Nothing was looked at, so nothing may be said to be in order.
  if (result.readable && result.info.records == 0 && !result.info.native) {
    return unreadable(path, empty ? "the file is empty" : "there is no record in it");
  }
  return result;
}

// Hands lines on, each followed by the lock events that it implies.
struct WithLocks {
  LineSink sink;
  TracedLocks locks;
  bool any = false;

  bool operator()(const TraceLine& line) {
    if (!sink.fn(sink.self, line)) return false;
    auto take = [&](const TraceLine& made) {
      any = true;
      sink.fn(sink.self, made);
    };
    locks.line(line, line_sink(take));
    return true;
  }
};

// Any lock event but sim_lock_info, which is also told of without them.
constexpr std::string_view lock_event = ": lock_acquire: ";

}  // namespace

std::vector<std::string> trace_files(const std::vector<std::string>& paths,
                                     std::vector<Diagnostic>& problems,
                                     std::vector<Diagnostic>& left_out) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      if (fs::exists(path, error)) {
        files.push_back(path);
      } else {
        problems.push_back(problem(path, "No such file or directory"));
      }
      continue;
    }
    std::vector<std::string> found;
    for (auto it = fs::recursive_directory_iterator(path, error);
         !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
      const std::string name = it->path().string();
      if (it->is_regular_file() && is_trace_name(name)) found.push_back(name);
    }
    std::erase_if(found, [&](const std::string& name) {
      const bool graph = first_line(name) == "# tracer: function_graph";
      if (graph) left_out.push_back(problem(name, "left out: text of the function_graph tracer"));
      return graph;
    });
    if (error) problems.push_back(problem(path, error.message()));
    if (!error && found.empty()) problems.push_back(problem(path, "no trace is in this folder"));
    std::sort(found.begin(), found.end());
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

TraceResult read_any_trace(const std::string& path, LineSink sink) {
  std::optional<Diagnostic> problem;
  const TextFile file = open_text(path, problem);
  if (!file) return unreadable(path, problem->what);
  return read_file(file.get(), path, sink);
}

TraceResult read_trace_and_locks(const std::string& path, LineSink sink, bool* inferred) {
  *inferred = false;
  std::optional<Diagnostic> problem;
  const TextFile file = open_text(path, problem);
  if (!file) return unreadable(path, problem->what);
  if (occurs_in(file.get(), lock_event)) return read_file(file.get(), path, sink);
  WithLocks both{sink, {}};
  TraceResult result = read_file(file.get(), path, line_sink(both));
  *inferred = both.any;
  return result;
}

TraceResult read_text_and_locks(std::string_view text, const std::string& name, LineSink sink,
                                bool* inferred) {
  *inferred = false;
  if (text.find(lock_event) != text.npos) return read_trace_text(text, name, sink);
  WithLocks both{sink, {}};
  TraceResult result = read_trace_text(text, name, line_sink(both));
  *inferred = both.any;
  return result;
}

}  // namespace faultline
