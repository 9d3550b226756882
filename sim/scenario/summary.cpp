// Lays out the summary. Rows of the step table are made first, so that columns can be aligned.
#include "scenario/summary.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "scenario/cut_report.hpp"
#include "scenario/report_words.hpp"

namespace faultline {
namespace {

constexpr std::size_t most_rows = 60, first_rows = 40;

enum class Tone : std::uint8_t { plain, good, bad, title };

std::string_view escape(Tone tone) {
  switch (tone) {
    case Tone::good:
      return "\x1b[32m";
    case Tone::bad:
      return "\x1b[31m";
    case Tone::title:
      return "\x1b[1m";
    case Tone::plain:
      break;
  }
  return {};
}

// A scenario's own text must not command the reader's terminal.
std::string clean(std::string_view text) {
  std::string all(text);
  for (char& c : all) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return all;
}

constexpr std::size_t columns = 6;

/// A line of the step table.
struct Row {
  std::array<std::string, columns> cells;
  Tone tone = Tone::plain;
};

class Summary {
 public:
  Summary(const SummaryInput& in, Paint paint) : in_(in), paint_(paint) {}
  std::string text();

 private:
  void line(std::string_view text, Tone tone = Tone::plain);
  void head();
  void steps();
  void table(const std::vector<Row>& rows);
  Row row(StepRef ref) const;
  std::string result_cell(Verb verb, const StepResult& step) const;
  static std::string faults_cell(const StepResult& step);
  void power_cut();
  void findings();
  void finding(const Finding& finding, bool expected);
  void deadlock(const Finding& finding);
  void lock(const FindingLock& lock, std::string_view task, std::size_t width,
            std::string_view wants);
  void expectations();
  void expectation(const Verdict& verdict);
  void close();

  const SummaryInput& in_;
  Paint paint_;
  std::string text_;
};

void Summary::line(std::string_view text, Tone tone) {
  std::string body = clean(text);
  while (body.ends_with(' ')) body.pop_back();
  const bool painted = paint_ == Paint::colour && tone != Tone::plain && !body.empty();
  text_ += painted ? fmt::format("{}{}\x1b[0m\n", escape(tone), body) : body + "\n";
}

void Summary::head() {
  const RunResult& result = in_.result;
  line(in_.scenario.name, Tone::title);
  for (const auto& doc : in_.scenario.doc) line("  " + doc);
  line("");
  line(fmt::format("profile {}, seed {}", in_.scenario.kernel.profile, in_.seed));
  const bool told = std::any_of(result.findings.begin(), result.findings.end(),
                                [&](const Finding& each) { return each.text == result.reason; });
  const std::string reason = told || result.reason.empty() ? "" : ": " + result.reason;
  line(fmt::format("{} at {} after {} events{}", outcome_text(result.outcome),
                   time_text(result.time), result.events, reason),
       in_.judgement.outcome_expected ? Tone::plain : Tone::bad);
}

std::string Summary::result_cell(Verb verb, const StepResult& step) const {
  if (step.state == StepState::not_reached) return "not reached";
  if (step.state == StepState::blocked) return "blocked";
  if (step.signal) return signal_with_code(step.signal->sig, step.signal->code);
  if (step.failed) return errno_text(step_errno(step));
  return has_value(verb) || step.result != 0 ? value_text(verb, step.result) : "ok";
}

// "2, last MAJOR|NOPAGE 4KiB".
std::string Summary::faults_cell(const StepResult& step) {
  if (step.fault_count == 0) return {};
  const std::string leaf = fault_leaf(step.last_fault);
  return fmt::format("{}{}{}, leaf {}", step.fault_count, step.fault_count > 1 ? ", last " : ": ",
                     fault_text(step.last_fault.result.v), leaf);
}

Row Summary::row(StepRef ref) const {
  const Step& declared = in_.scenario.tasks[ref.task.v].steps[ref.index];
  const StepResult& step = in_.result.steps[ref.task.v][ref.index];
  const bool reached = step.state != StepState::not_reached;
  const bool done = step.state == StepState::done;
  Row row;
  row.cells = {step_text(in_.scenario, ref),
               std::string(verb_name(declared.verb)),
               result_cell(declared.verb, step),
               reached ? time_text(step.start) : "",
               done ? time_text(step.end - step.start) : "",
               faults_cell(step)};
  return row;
}

bool simply_succeeded(const StepResult& step) {
  return step.state == StepState::done && !step.failed && !step.signal;
}

void Summary::steps() {
  std::size_t total = 0;
  for (const auto& task : in_.result.steps) total += task.size();
  if (total == 0) return;
  std::vector<Row> rows{{{"step", "verb", "result", "start", "took", "faults"}, Tone::title}};
  const std::size_t first = total > most_rows ? first_rows : most_rows;
  std::size_t left_good = 0, left_other = 0;
  for (std::uint32_t task = 0; task < in_.result.steps.size(); ++task) {
    for (std::uint32_t i = 0; i < in_.result.steps[task].size(); ++i) {
      const bool good = simply_succeeded(in_.result.steps[task][i]);
      const std::size_t shown = rows.size() - 1;
      if (shown < first || (!good && shown < most_rows)) {
        rows.push_back(row({TaskId(task), i}));
      } else {
        ++(good ? left_good : left_other);
      }
    }
  }
  line("");
  table(rows);
  if (left_good + left_other == 0) return;
  line(fmt::format("{} of {} steps are not shown: {} succeeded, {} did not (--report has all)",
                   left_good + left_other, total, left_good, left_other));
}

void Summary::table(const std::vector<Row>& rows) {
  std::array<std::size_t, columns> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < columns; ++i) {
      widths[i] = std::max(widths[i], row.cells[i].size());
    }
  }
  for (const Row& row : rows) {
    std::string text;
    for (std::size_t i = 0; i < columns; ++i) {
      const bool time = i == 3 || i == 4;
      text += time ? fmt::format("{:>{}}  ", row.cells[i], widths[i])
                   : fmt::format("{:<{}}  ", row.cells[i], widths[i]);
    }
    line(text, row.tone);
  }
}

void Summary::findings() {
  if (in_.result.findings.empty()) return;
  line("");
  line("findings", Tone::title);
  for (std::size_t i = 0; i < in_.result.findings.size(); ++i) {
    finding(in_.result.findings[i], in_.judgement.finding_expected[i]);
  }
}

void Summary::finding(const Finding& finding, bool expected) {
  const bool possible = finding.kind == "lock-cycle";
  const char* note = possible ? " (possible)" : expected ? " (expected)" : "";
  line(fmt::format("  {}{}: {}", finding.kind, note, finding.text),
       expected ? Tone::plain : Tone::bad);
  if (!finding.locks.empty()) deadlock(finding);
}

void Summary::lock(const FindingLock& lock, std::string_view task, std::size_t width,
                   std::string_view wants) {
  const bool held = lock.role == "held";
  const bool moded = held || wants == "wants";
  line(fmt::format("    {:<{}}  {} {}{}", task, width, held ? "holds" : wants, lock_text(lock),
                   moded ? " (" + lock.mode + ")" : ""));
  if (lock.path.empty()) return;
  line(fmt::format("    {:<{}}        {} {}", "", width, held ? "taken in" : "in",
                   fmt::join(lock.path, " > ")));
}

// Each task in order of appearance: what it holds, then what it wants; the last wants what the
// first holds.
void Summary::deadlock(const Finding& finding) {
  std::vector<std::string_view> tasks;
  std::size_t width = 0;
  for (const FindingLock& lock : finding.locks) {
    width = std::max(width, lock.task.size());
    if (std::find(tasks.begin(), tasks.end(), lock.task) == tasks.end()) tasks.push_back(lock.task);
  }
  for (const auto task : tasks) {
    std::string_view name = task;
    for (const bool wanted : {false, true}) {
      for (const FindingLock& each : finding.locks) {
        if (each.task != task || (each.role == "wanted") != wanted) continue;
        lock(each, name, width, finding.kind == "bad-release" ? "released" : "wants");
        name = {};
      }
    }
  }
  if (finding.kind == "deadlock") line(fmt::format("    and so round to {}", tasks.front()));
}

void Summary::power_cut() {
  if (in_.result.cuts.empty()) return;
  constexpr std::size_t most_lines = 8;
  const CutResult& cut = in_.result.cuts.back();
  line("");
  line(fmt::format("power cut: {} records of the log lost, {} lines pending, {} images",
                   cut.lost_records, cut.pending_lines, cut.images),
       Tone::title);
  const std::size_t shown = std::min(most_lines, cut.lines.size());
  for (std::size_t i = 0; i < shown; ++i) line("  " + cut_line_text(cut.lines[i]));
  if (shown < cut.pending_lines) {
    line(fmt::format("  and {} more lines", cut.pending_lines - shown));
  }
}

void Summary::expectation(const Verdict& verdict) {
  line(fmt::format("  {:<8}  {}", verdict.held ? "ok" : "NOT HELD", verdict.text),
       verdict.held ? Tone::good : Tone::bad);
  if (!verdict.detail.empty()) line(fmt::format("            {}", verdict.detail));
}

void Summary::expectations() {
  const auto& verdicts = in_.judgement.verdicts;
  if (verdicts.empty()) return;
  const auto held =
      std::count_if(verdicts.begin(), verdicts.end(), [](auto& each) { return each.held; });
  line("");
  line(fmt::format("expectations: {} of {} hold", held, verdicts.size()), Tone::title);
  const std::size_t first = verdicts.size() > most_rows ? first_rows : most_rows;
  std::size_t shown = 0, left_held = 0, left_other = 0;
  for (const Verdict& verdict : verdicts) {
    if (shown < first || (!verdict.held && shown < most_rows)) {
      expectation(verdict);
      ++shown;
    } else {
      ++(verdict.held ? left_held : left_other);
    }
  }
  if (left_held + left_other == 0) return;
  line(fmt::format("  {} more are not shown: {} hold, {} do not (--report has all)",
                   left_held + left_other, left_held, left_other));
}

// Why the exit code is not 0, where the parts above do not show it at a glance.
void Summary::close() {
  const Judgement& judgement = in_.judgement;
  const int code = exit_code(in_.result, judgement);
  std::vector<std::string> reasons;
  if (!judgement.all_held()) reasons.emplace_back("an expectation does not hold");
  if (!judgement.outcome_expected) {
    reasons.push_back(
        fmt::format("nobody expected the outcome {}", outcome_text(in_.result.outcome)));
  }
  for (std::size_t i = 0; i < in_.result.findings.size(); ++i) {
    if (judgement.finding_expected[i]) continue;
    if (in_.result.findings[i].kind == outcome_text(in_.result.outcome)) continue;
    reasons.push_back(fmt::format("nobody expected the {}", in_.result.findings[i].kind));
    break;
  }
  line("");
  if (code == 0) return line("ok", Tone::good);
  line(fmt::format("not ok: {} (exit code {})", fmt::join(reasons, "; "), code), Tone::bad);
}

std::string Summary::text() {
  head();
  steps();
  power_cut();
  findings();
  expectations();
  close();
  return std::move(text_);
}

}  // namespace

std::string summary_text(const SummaryInput& input, Paint paint) {
  return Summary(input, paint).text();
}

}  // namespace faultline
