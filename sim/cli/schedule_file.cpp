// Writing and reading schedules.
#include "cli/schedule_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "base/suggest.hpp"
#include "cli/load_command.hpp"
#include "scenario/load.hpp"
#include "scenario/world.hpp"
#include "trace/line_parser.hpp"

namespace faultline {

namespace {
constexpr std::string_view first_line = "# faultline schedule: format=1";
constexpr std::uint64_t most_choices = 1'000'000'000;
constexpr std::size_t most_kernel_tasks = 1000;

// Tasks of the kernel are known by their order; which there are depends on the scenario's profile
// and devices.
std::string kernel_task(std::size_t n) { return fmt::format("kworker/{}", n); }
}  // namespace

std::string schedule_text(const Scenario& scenario, const std::vector<std::uint32_t>& choices) {
  std::string text = std::string(first_line) + "\n";
  const auto name_of = [&](std::uint32_t task) {
    const std::size_t declared = scenario.tasks.size();
    return task < declared ? scenario.tasks[task].name : kernel_task(task - declared);
  };
  for (std::size_t i = 0; i < choices.size();) {
    std::size_t end = i;
    while (end < choices.size() && choices[end] == choices[i]) ++end;
    text += fmt::format("{} {}\n", end - i, name_of(choices[i]));
    i = end;
  }
  return text;
}

std::optional<std::vector<std::uint32_t>> read_schedule(const std::string& path,
                                                        const Scenario& scenario) {
  const auto input = read_input(path);
  if (const auto* const error = std::get_if<Diagnostic>(&input)) {
    print_diagnostics({*error});
    return std::nullopt;
  }
  std::vector<std::string> names;
  for (const TaskSpec& task : scenario.tasks) names.push_back(task.name);
  for (std::size_t n = 0; n < most_kernel_tasks; ++n) names.push_back(kernel_task(n));
  std::vector<std::uint32_t> choices;
  std::vector<Diagnostic> wrong;
  const auto complain = [&](std::uint32_t line, std::string what) {
    wrong.push_back({Complaint::input, path, line, 1, {}, std::move(what)});
  };
  std::string_view rest = std::get<std::string>(input);
  for (std::uint32_t number = 1; !rest.empty() && wrong.size() < 20; ++number) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (number == 1) {
      if (line != first_line)
        complain(1, "a schedule begins with \"" + std::string(first_line) + "\"");
      continue;
    }
    const auto space = line.find(' ');
    const auto count = parse_decimal(line.substr(0, space));
    if (!count || space == line.npos || *count == 0 || *count > most_choices - choices.size()) {
      complain(number, "COUNT TASK is wanted");
      continue;
    }
    const std::string name(line.substr(space + 1));
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end()) {
      complain(number, "there is no task '" + name + "'" + did_you_mean(name, names));
    } else {
      choices.insert(choices.end(), *count, static_cast<std::uint32_t>(at - names.begin()));
    }
  }
  if (wrong.empty()) return choices;
  print_diagnostics(wrong);
  return std::nullopt;
}

}  // namespace faultline
