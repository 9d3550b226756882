// Three formats, one builder.
// The reduced reference format says itself what its lines are. Faultline's own text marks steps
// with sim_step and locks outside lock debugging with sim_bitlock_*. What a real kernel's ftrace
// printed marks steps with prctl(0x50460000 + n) of the test program (0x1000 begins, 0x2000 ends),
// and shows buffer locks as xfs_buf_* events and the DAX entry lock as function probes.
#include "analysis/views_source.hpp"

#include <charconv>

#include "analysis/reference_trace.hpp"
#include "analysis/views_syscalls.hpp"
#include "analysis/views_text.hpp"
#include "trace/line_parser.hpp"

namespace faultline {
namespace {

constexpr std::string_view setup_prefix = "setup";
constexpr std::string_view same_prefix = "and_";  // goes on with what the step before it began
constexpr std::uint64_t mark_base = 0x50460000;
constexpr std::uint64_t mark_begin = 0x1000;
constexpr std::uint64_t mark_end = 0x2000;

std::optional<std::uint64_t> hex_number(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (result.ec != std::errc{} || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The test program's mark in `NR 157 (MARK, ...)`: what is above mark_base.
std::optional<std::uint64_t> step_mark(std::string_view event, std::string_view body) {
  if (event != "sys_enter") return std::nullopt;
  const auto call = split_syscall(body);
  if (!call || call->name != "prctl") return std::nullopt;
  const auto value = hex_number(trim(call->rest.substr(0, call->rest.find(','))));
  if (!value || *value < mark_base || *value > mark_base + mark_end) return std::nullopt;
  return *value - mark_base;
}

/// grab_mapping_entry() returns a locked entry, which has bit 0 set, or an error as an internal
/// entry, which has not.
bool is_locked_entry(std::string_view probe_body) {
  const auto value = field_of(probe_body, "ret");
  const auto number = value ? hex_number(*value) : std::nullopt;
  return number && (*number & 1) != 0;
}

}  // namespace

ViewSource::ViewSource(const ViewOptions& options, TextPool& pool, ViewTrace& out)
    : out_(out), builder_(options, pool, out) {}

void ViewSource::line(std::string_view text) {
  ++number_;
  builder_.at_line(number_);
  if (!source_) {
    if (trim(text).empty()) return;
    source_ = begins_reference_trace(text) ? TraceSource::reference : TraceSource::ftrace;
  }
  if (source_ == TraceSource::reference) return reference_line(text);
  if (text.starts_with('#')) return header_line(text);
  ftrace_line(text);
}

void ViewSource::header_line(std::string_view text) {
  if (!text.starts_with("# faultline:")) return;
  source_ = TraceSource::native;
  auto rest = text.substr(12);
  ended_ = ended_ || next_word(rest) == "end";
}

void ViewSource::reference_line(std::string_view text) {
  const auto line = parse_reference_line(text);
  if (!line) {
    if (foreign_++ == 0) first_foreign_ = number_;
    return;
  }
  const std::string_view task(&line->actor, 1);
  const auto key = static_cast<std::uint64_t>(line->actor);
  LockTake take;
  switch (line->kind) {
    case ReferenceKind::header:
      return;
    case ReferenceKind::step:
      // The handler's own mark: part of the step whose access was answered with the signal.
      if (line->text.starts_with("signal delivered")) return;
      builder_.begin_step(key, task, line->text, true);
      break;
    case ReferenceKind::event:
      builder_.event(key, task, line->name, line->text);
      break;
    case ReferenceKind::acquire:
      take.read = field_of(line->text, "read").has_value();
      take.trylock = line->text.ends_with("trylock");
      builder_.acquire(key, task, line->name, take);
      break;
    case ReferenceKind::release:
      builder_.release(key, task, line->name);
      break;
    case ReferenceKind::alloc:
      builder_.alloc(key, task);
      break;
    case ReferenceKind::might_fault:
      builder_.might_fault(key, task);
      break;
    case ReferenceKind::call:
    case ReferenceKind::ret:
    case ReferenceKind::wait:
      builder_.other(key);
      break;
  }
  ++records_;
}

void ViewSource::ftrace_line(std::string_view text) {
  std::size_t column = 0;
  const auto line = parse_line(text, column);
  if (!line) {
    if (trim(text).empty() || parse_lost(text)) return;
    if (foreign_++ == 0) first_foreign_ = number_;
    return;
  }
  ++records_;
  if (line->context != Context::task) return;
  if (lock_line(line->task, line->pid, line->event, line->body)) return;
  const bool done = source_ == TraceSource::native
                        ? native_line(line->task, line->pid, line->event, line->body)
                        : kernel_line(line->task, line->pid, line->event, line->body);
  if (done) return;
  builder_.event(static_cast<std::uint64_t>(line->pid), line->task, line->event, line->body);
}

bool ViewSource::lock_line(std::string_view task, std::int64_t pid, std::string_view event,
                           std::string_view body) {
  const bool bitlock = event.starts_with("sim_bitlock_");
  if (!bitlock && !event.starts_with("lock_")) return false;
  const auto verb = event.substr(bitlock ? 12 : 5);
  const auto key = static_cast<std::uint64_t>(pid);
  LockTake take;
  const auto name = split_lock_event(body, take);
  if (name == "fs_reclaim") {
    if (verb == "acquire") builder_.alloc(key, task);
  } else if (verb == "acquire") {
    builder_.acquire(key, task, name, take);
  } else if (verb == "release") {
    builder_.release(key, task, name);
  } else {
    builder_.other(key);
  }
  return true;
}

bool ViewSource::native_line(std::string_view task, std::int64_t pid, std::string_view event,
                             std::string_view body) {
  if (!event.starts_with("sim_")) return false;
  const auto key = static_cast<std::uint64_t>(pid);
  if (event == "sim_step") {
    const auto label = trim(body);
    auto rest = label;
    const auto step = next_word(rest);
    const auto dot = step.rfind('.');
    const auto id = dot == step.npos ? step : step.substr(dot + 1);
    if (id.starts_with(same_prefix)) {
      builder_.other(key);
    } else {
      builder_.begin_step(key, task, label, !id.starts_with(setup_prefix));
    }
  } else {
    builder_.other(key);
  }
  return true;
}

void ViewSource::kernel_mark(std::string_view task, std::uint64_t key, std::uint64_t mark) {
  if (mark == mark_begin || mark == mark_end) return builder_.leave(key, task);
  // A mark after a fault signal is the handler's own: it belongs to the step of the access.
  if (builder_.after_fault_signal(key)) return builder_.forget_fault_signal(key);
  builder_.begin_step(key, task, "mark " + std::to_string(mark), true);
}

bool ViewSource::kernel_line(std::string_view task, std::int64_t pid, std::string_view event,
                             std::string_view body) {
  const auto key = static_cast<std::uint64_t>(pid);
  if (const auto mark = step_mark(event, body)) {
    kernel_mark(task, key, *mark);
    return false;  // still a system call, whose return has to be dropped with it
  }
  if (event == "xfs_buf_trylock" || event == "xfs_buf_lock_done") {
    const auto name = buffer_class(body);
    if (name) builder_.acquire(key, task, *name, {false, event == "xfs_buf_trylock"});
    return false;
  }
  if (event == "xfs_buf_unlock") {
    if (const auto name = buffer_class(body)) builder_.release(key, task, *name);
    return false;
  }
  if (!body.starts_with('(')) return false;
  // A probe on a function: `(f+0x0/0x40)` on entry, `(caller <- f) ret=...` on return.
  if (event == "grab_mapping_entry_ret" && is_locked_entry(body)) {
    builder_.acquire(key, task, "dax_entry", {});
  } else if (event == "dax_unlock_entry") {
    builder_.release(key, task, "dax_entry");
  } else {
    builder_.other(key);
  }
  return true;
}

void ViewSource::finish(const std::string& name, std::vector<Diagnostic>& problems) {
  builder_.finish();
  out_.source = source_.value_or(TraceSource::ftrace);
  out_.complete = out_.source != TraceSource::native || ended_;
  if (foreign_ > 0) {
    out_.not_compared["(lines that are no record)"] += foreign_;
  }
  if (records_ > 0 || out_.source == TraceSource::native) return;
  Diagnostic problem;
  problem.file = name;
  problem.line = static_cast<std::uint32_t>(first_foreign_);
  problem.column = first_foreign_ > 0 ? 1 : 0;
  problem.what = number_ == 0 ? "the file is empty"
                              : "this is no trace: neither ftrace text nor the reduced format";
  problems.push_back(problem);
}

}  // namespace faultline
