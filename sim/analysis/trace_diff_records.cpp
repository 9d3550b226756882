// Records of a trace as keys: see the header. A key is a 64-bit hash of the event and its body, so
// two different records are taken for the same with a chance of one in 2^64 a pair.
#include "analysis/trace_diff_records.hpp"

#include <algorithm>
#include <iterator>

#include <xxhash.h>

#include "analysis/reference_trace.hpp"
#include "analysis/trace_check.hpp"
#include "analysis/views_text.hpp"
#include "trace/line_parser.hpp"

namespace faultline {
namespace {

constexpr std::string_view columns[] = {"time", "cpu", "flags", "pid"};

class RecordReader {
 public:
  RecordReader(RecordFilter& filter, RecordTrace& out) : filter_(filter), out_(out) {}

  void line(std::string_view text, std::uint64_t number, std::uint64_t offset) {
    if (text.starts_with('#')) return comment(text);
    std::size_t column = 0;
    const auto record = parse_line(text, column);
    if (!record) {
      if (!trim(text).empty()) ++out_.other_lines;
      return;
    }
    ++out_.records;
    auto& task = task_of(*record);
    if (record->event == "sim_step" || task.steps.empty()) begin_step(task, *record);
    DiffItem item;
    item.key = key_of(*record);
    item.place = offset;
    item.time = record->time_ns;
    item.line = static_cast<std::uint32_t>(number);
    item.cpu = static_cast<std::uint16_t>(record->cpu);
    const auto flags = XXH3_64bits(record->flags.data(), record->flags.size());
    item.flags = static_cast<std::uint16_t>(flags);
    task.steps.back().items.push_back(item);
    const std::uint64_t link[] = {out_.interleaving, task.id, item.key};
    out_.interleaving = XXH3_64bits(link, sizeof link);
  }

 private:
  void comment(std::string_view text) {
    if (!text.starts_with("# faultline:")) return;
    out_.native = true;
    text.remove_prefix(12);
    auto rest = text;
    if (next_word(rest) == "end") {
      out_.end = key_values(rest);
      ended_ = true;
    } else {
      out_.header = key_values(text);
    }
    out_.complete = ended_;
  }

  RecordTask& task_of(const LineParts& record) {
    const auto same = [&](const RecordTask& task) {
      return task.pid == record.pid && task.name == record.task;
    };
    if (last_ < out_.tasks.size() && same(out_.tasks[last_])) return out_.tasks[last_];
    std::uint32_t ordinal = 0;
    for (last_ = 0; last_ < out_.tasks.size(); ++last_) {
      if (same(out_.tasks[last_])) return out_.tasks[last_];
      if (out_.tasks[last_].name == record.task) ++ordinal;
    }
    const auto id = XXH3_64bits_withSeed(record.task.data(), record.task.size(), ordinal);
    out_.tasks.push_back({std::string(record.task), record.pid, ordinal, id, {}});
    return out_.tasks.back();
  }

  void begin_step(RecordTask& task, const LineParts& record) {
    auto& step = task.steps.emplace_back();
    if (record.event == "sim_step") step.label = std::string(record.body);
  }

  std::uint64_t key_of(const LineParts& record) {
    text_.assign(record.event);
    text_ += ':';
    text_ += filter_.canonical(record.event, record.body);
    return XXH3_64bits(text_.data(), text_.size());
  }

  RecordFilter& filter_;
  RecordTrace& out_;
  std::size_t last_ = 0;  // index of the task of the record before
  bool ended_ = false;
  std::string text_;
};

}  // namespace

RecordFilter::RecordFilter(const std::vector<std::string>& ignore)
    : ignore_(ignore.begin(), ignore.end()) {
  for (const auto& word : ignore_) {
    if (std::find(std::begin(columns), std::end(columns), word) == std::end(columns)) {
      fields_.insert(word);
    }
  }
}

std::string RecordFilter::canonical(std::string_view event, std::string_view body) {
  if (fields_.empty()) return std::string(body);
  const auto ignored = [&](std::string_view word) {
    const auto found = fields_.find(word);
    if (found != fields_.end()) used_.insert(*found);
    return found != fields_.end();
  };
  std::string out;
  const bool lock = event.starts_with("lock_") || event.starts_with("sim_bitlock_");
  if (lock && ignored("id")) {
    next_word(body);
    out = "*";
  }
  for (auto word = next_word(body); !word.empty(); word = next_word(body)) {
    if (!out.empty()) out += ' ';
    const auto equals = word.find('=');
    if (equals != word.npos && ignored(word.substr(0, equals))) {
      (out += word.substr(0, equals + 1)) += '*';
      continue;
    }
    out += word;
    if (equals == word.npos && ignored(word) && !next_word(body).empty()) out += " *";
  }
  return out;
}

std::vector<std::string> RecordFilter::unused() const {
  std::vector<std::string> out;
  std::set_difference(fields_.begin(), fields_.end(), used_.begin(), used_.end(),
                      std::back_inserter(out));
  return out;
}

std::map<std::string, std::string> key_values(std::string_view text) {
  std::map<std::string, std::string> out;
  for (auto word = next_word(text); !word.empty(); word = next_word(text)) {
    const auto equals = word.find('=');
    if (equals == word.npos) continue;
    out.emplace(word.substr(0, equals), word.substr(equals + 1));
  }
  return out;
}

RecordTrace read_records(LineReader& reader, const std::string& path, RecordFilter& filter,
                         std::vector<Diagnostic>& problems) {
  RecordTrace out;
  RecordReader records(filter, out);
  TraceCheck check(path);
  reader.seek(0);
  std::uint64_t number = 0;
  bool reference = false;
  for (auto line = reader.next(); line; line = reader.next()) {
    reference = reference || (++number == 1 && begins_reference_trace(*line));
    if (reference) break;
    check.feed(reader.raw());
    // Every line of ours ends in a newline; of half a line nothing is known.
    if (out.native && !reader.raw().ends_with('\n')) continue;
    records.line(*line, number, reader.offset());
  }
  if (reader.problem()) {
    problems.push_back(*reader.problem());
  } else if (!reference && !check.finish(problems)) {
    return out;
  } else if (reference || (out.records == 0 && !out.native)) {
    Diagnostic problem;
    problem.file = path;
    problem.what = reference ? "this is the reduced reference format, which has no records of its "
                               "own; compare it with --view events or --view locks"
                   : number == 0 ? "the file is empty"
                                 : "this is no trace: no line is a record of ftrace text";
    problems.push_back(problem);
  }
  return out;
}

}  // namespace faultline
