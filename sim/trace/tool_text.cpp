// Plugins: sched_switch.c and tlb.c of libtraceevent.
#include "trace/tool_text.hpp"

#include "trace/field_parser.hpp"
#include "trace/line_parser.hpp"

namespace faultline {

namespace {

constexpr auto npos = std::string_view::npos;

// `COMM:PID [PRIO]` in front of `rest`, which begins behind it.
struct Task {
  std::string_view comm;
  std::string_view pid;
  std::string_view prio;
  std::string_view rest;
};

bool is_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return parse_decimal(text).has_value();
}

// A comm may hold colons and brackets: the first place where everything fits is taken.
std::optional<Task> task_of(std::string_view text) {
  for (auto open = text.find(" ["); open != npos; open = text.find(" [", open + 1)) {
    const auto close = text.find(']', open);
    const auto colon = text.rfind(':', open);
    if (close == npos || colon == npos) continue;
    const Task task{text.substr(0, colon), text.substr(colon + 1, open - colon - 1),
                    text.substr(open + 2, close - open - 2), text.substr(close + 1)};
    if (is_number(task.pid) && is_number(task.prio)) return task;
  }
  return std::nullopt;
}

std::string fields(const Task& task, const std::string& prefix) {
  return prefix + "comm=" + std::string(task.comm) + " " + prefix + "pid=" + std::string(task.pid) +
         " " + prefix + "prio=" + std::string(task.prio);
}

// `w:7 [120] S ==> x:8 [120]`
std::optional<std::string> sched_switch(std::string_view body) {
  constexpr std::string_view arrow = " ==> ";
  const auto prev = task_of(body);
  if (!prev) return std::nullopt;
  const auto at = prev->rest.find(arrow);
  if (at == npos || !prev->rest.starts_with(' ')) return std::nullopt;
  const auto next = task_of(prev->rest.substr(at + arrow.size()));
  if (!next) return std::nullopt;
  return fields(*prev, "prev_") + " prev_state=" + std::string(prev->rest.substr(1, at - 1)) +
         " ==> " + fields(*next, "next_");
}

// `w:7 [120] CPU:001`, with ` success=1` before the CPU of old kernels.
std::optional<std::string> sched_wakeup(std::string_view body) {
  const auto task = task_of(body);
  const auto cpu = body.rfind(" CPU:");
  if (!task || cpu == npos) return std::nullopt;
  return fields(*task, "") + " target_cpu=" + std::string(body.substr(cpu + 5));
}

// `pages=1 reason=local mm shootdown (3)`; the words of newer reasons are missing, the number not.
std::optional<std::string> tlb_flush(std::string_view body) {
  constexpr std::string_view pages = "pages=", reason = " reason=";
  const auto at = body.find(reason);
  const auto open = body.rfind('('), close = body.rfind(')');
  if (!body.starts_with(pages) || at == npos || open == npos || close == npos) return std::nullopt;
  const auto number = parse_decimal(body.substr(open + 1, close - open - 1));
  if (!number || *number > 9) return std::nullopt;
  const std::string digit = std::to_string(*number);
  return "pages:" + std::string(body.substr(pages.size(), at - pages.size())) + " reason:0x" +
         digit + " (" + digit + ")";
}

}  // namespace

bool is_tool_line(std::string_view line) {
  if (line.starts_with("cpus=")) return is_number(line.substr(5));
  if (line.starts_with("version = ")) return true;
  return line.starts_with("CPU ") && line.ends_with(" is empty");
}

std::optional<std::string_view> stack_frame(std::string_view line) {
  constexpr std::string_view arrow = "=> ", text_of_kernel = "ffff";
  const bool indented = line.starts_with(' ');
  if (line.substr(indented ? 1 : 0).starts_with(arrow)) {
    const auto name = bare_symbol(line.substr(arrow.size() + (indented ? 1 : 0)));
    return name.starts_with('<') ? std::string_view{} : name.substr(0, name.find(' '));
  }
  if (!line.starts_with('\t')) return std::nullopt;
  line = line.substr(line.find_first_not_of("\t ") == npos ? line.size()
                                                           : line.find_first_not_of("\t "));
  const auto space = line.find(' ');
  if (space != 16 || !line.starts_with(text_of_kernel)) return std::string_view{};
  line.remove_prefix(space + 1);
  return bare_symbol(line.substr(0, line.find(' ')));
}

bool begins_stack(std::string_view event, std::string_view body) {
  while (body.starts_with(' ')) body.remove_prefix(1);
  return (event.empty() || event == "kernel_stack") && body.starts_with("<stack trace");
}

std::optional<std::string> kernel_text(Event event, std::string_view body) {
  while (body.starts_with(' ')) body.remove_prefix(1);
  switch (event) {
    case Event::sched_switch:
      return sched_switch(body);
    case Event::sched_wakeup:
    case Event::sched_waking:
      return sched_wakeup(body);
    case Event::tlb_flush:
      return tlb_flush(body);
    default:
      return std::nullopt;
  }
}

}  // namespace faultline
