// Tasks: where they run, what they may do, whose memory they share. Their steps are listed and
// indexed for all tasks first, because steps refer to each other across tasks.
#include <algorithm>

#include <fmt/format.h>

#include "base/suggest.hpp"
#include "base/units.hpp"
#include "scenario/reader.hpp"
#include "scenario/rule.hpp"

namespace faultline {

namespace {
constexpr std::string_view policy_words[] = {"normal", "fifo", "rr"};
}  // namespace

void Reader::read_tasks(NodeId tasks) {
  for (const NodeId node : Children(tree_, tasks)) {
    TaskSpec task;
    task.name = tree_.key(node);
    read_task(node, task);
    scenario_.tasks.push_back(std::move(task));
  }
  read_processes(tasks);
  check_parents(tasks);
  std::uint64_t steps = 0;
  std::uint64_t plays = 0;
  step_nodes_.resize(scenario_.tasks.size());
  step_bodies_.resize(scenario_.tasks.size());
  step_ids_.resize(scenario_.tasks.size());
  std::uint32_t index = 0;
  for (const NodeId node : Children(tree_, tasks)) {
    list_steps(get(node, "steps"), step_nodes_[index], step_bodies_[index]);
    steps += step_nodes_[index].size();
    index_steps(TaskId(index));
    plays = std::min(most_steps + 1, plays + count_plays(get(node, "steps")));
    ++index;
  }
  if (steps > most_steps) {
    return wrong(tasks, [&] {
      return fmt::format("{} steps; the limit is {} million", steps, most_steps / 1'000'000);
    });
  }
  if (plays > most_steps && !endless_repeat_) {
    wrong(tasks, [&] {
      return fmt::format("more than {} million steps, repeats multiplied out",
                         most_steps / 1'000'000);
    });
  }
  in_task_ = true;
  for (std::uint32_t task = 0; task < scenario_.tasks.size(); ++task) read_steps(TaskId(task));
  in_task_ = false;
  check_after();
}

void Reader::read_task(NodeId node, TaskSpec& task) {
  read_cpus(node, task);
  const NodeId start = get(node, "start");
  task.start = Nanos(values_.duration(start));
  if (task.start.v > longest_duration) {
    wrong(start, [] { return std::string("is longer than 31 years"); });
  }
  for (const NodeId cap : Children(tree_, get(node, "caps"))) {
    const auto number = flag_value(capability_names, values_.text(cap));
    if (number) task.caps |= 1ULL << *number;
  }
  task.uid = static_cast<std::uint32_t>(values_.size(get(node, "uid")));
  read_limits(node, task);
  task.policy = values_.word(get(node, "policy"), policy_words, SchedClass::normal);
  const NodeId priority = get(node, "priority");
  const bool real_time = task.policy != SchedClass::normal;
  task.priority = real_time ? 1 : 0;
  if (priority != no_node) {
    task.priority = static_cast<std::int32_t>(values_.argument(priority));
    const bool wrong_range = real_time ? task.priority < 1 : task.priority > 19;
    if (wrong_range) {
      wrong(priority, [&] {
        return std::string(real_time ? "of a task of policy fifo or rr it is 1..99"
                                     : "of a normal task it is -20..19, the nice value");
      });
    }
  }
  task.static_image = values_.text(get(node, "image")) == "static";
  if (const NodeId stack = get(node, "stack"); stack != no_node) {
    task.stack = read_stack(stack);
  }
  for (const NodeId each : Children(tree_, get(node, "signals"))) {
    const auto number = flag_value(signal_names, tree_.key(each));
    if (!number) continue;
    task.signals.push_back({static_cast<std::uint8_t>(*number), values_.text(each) == "skip"});
  }
}

ByteRange Reader::read_stack(NodeId stack) {
  constexpr std::uint64_t task_size = 0x7ffffffff000;
  constexpr std::uint64_t as_exec_maps_it = 132ULL << 10;
  const ByteRange range{values_.argument(get(stack, "top")),
                        values_.size(get(stack, "size"), as_exec_maps_it)};
  if (((range.at | range.length) & 4095) != 0) {
    wrong(stack, [] { return std::string("top and size are multiples of 4096"); });
  } else if (range.length == 0 || range.at > task_size || range.length >= range.at) {
    wrong(stack, [] { return std::string("does not lie in a user's address space"); });
  }
  return range;
}

void Reader::read_cpus(NodeId node, TaskSpec& task) {
  const NodeId one = get(node, "cpu");
  const NodeId several = get(node, "cpus");
  if (one != no_node && several != no_node) {
    wrong(several, [] { return std::string("a task has \"cpu\" or \"cpus\", not both"); });
  }
  const auto add = [&](NodeId cpu) {
    const std::uint64_t number = values_.size(cpu);
    const std::uint32_t cpus = scenario_.machine.cpus;
    if (number >= cpus && cpus > 0) {
      wrong(cpu, [&] {
        return fmt::format("there is no CPU {}: the machine has {} (0..{})", number, cpus,
                           cpus - 1);
      });
    }
    task.cpus.push_back(static_cast<std::uint32_t>(number));
  };
  if (one != no_node) add(one);
  for (const NodeId cpu : Children(tree_, several)) add(cpu);
  std::sort(task.cpus.begin(), task.cpus.end());
  task.cpus.erase(std::unique(task.cpus.begin(), task.cpus.end()), task.cpus.end());
}

void Reader::read_limits(NodeId node, TaskSpec& task) {
  for (const NodeId each : Children(tree_, get(node, "limits"))) {
    const auto number = flag_value(rlimit_names, tree_.key(each));
    if (!number) continue;
    const bool unlimited = values_.text(each) == "unlimited";
    task.limits.push_back(
        {static_cast<std::uint8_t>(*number), unlimited ? rlim_infinity : values_.size(each)});
  }
}

/// A task that names no process is one by itself, under its own name.
void Reader::read_processes(NodeId tasks) {
  std::map<std::string, std::uint32_t, std::less<>> known;
  std::uint32_t index = 0;
  for (const NodeId node : Children(tree_, tasks)) {
    TaskSpec& task = scenario_.tasks[index];
    const std::string_view given = values_.text(get(node, "process"));
    std::string name = given.empty() ? task.name : std::string(given);
    const auto [entry, is_new] =
        known.emplace(name, static_cast<std::uint32_t>(scenario_.processes.size()));
    if (is_new) scenario_.processes.push_back({std::move(name), {}});
    task.process = ProcessRef(entry->second);
    scenario_.processes[entry->second].tasks.push_back(TaskId(index));
    ++index;
  }
}

void Reader::check_parents(NodeId tasks) {
  std::uint32_t index = 0;
  for (const NodeId node : Children(tree_, tasks)) {
    const NodeId parent = get(node, "parent");
    if (const auto found = named(parent, tasks_, "task")) {
      scenario_.tasks[index].parent = TaskId(*found);
    }
    ++index;
  }
  index = 0;
  for (const NodeId node : Children(tree_, tasks)) {
    std::optional<TaskId> ancestor = scenario_.tasks[index].parent;
    for (std::size_t n = 0; ancestor && n < scenario_.tasks.size(); ++n) {
      if (ancestor->v == index) {
        wrong(get(node, "parent"), [&] {
          return fmt::format("{} would be its own ancestor",
                             json_quote(scenario_.tasks[index].name));
        });
        break;
      }
      ancestor = scenario_.tasks[ancestor->v].parent;
    }
    ++index;
  }
}

/// Writes the steps in order, each repeat followed by its body. Recursion is bounded by the nesting
/// that the parser allows.
void Reader::list_steps(NodeId steps, std::vector<NodeId>& flat,
                        std::vector<std::uint32_t>& bodies) {
  if (steps == no_node || tree_[steps].kind != JsonKind::array) return;
  for (const NodeId step : Children(tree_, steps)) {
    const std::size_t index = flat.size();
    flat.push_back(step);
    bodies.push_back(0);
    const NodeId body = get(get(step, "repeat"), "steps");
    if (body == no_node) continue;
    list_steps(body, flat, bodies);
    bodies[index] = static_cast<std::uint32_t>(flat.size() - index - 1);
  }
}

/// How many steps are played, at most one more than the limit. An empty body counts as a step:
/// going round it takes time too. Complains of the innermost repeat that is beyond the limit by
/// itself.
std::uint64_t Reader::count_plays(NodeId steps) {
  constexpr std::uint64_t beyond = most_steps + 1;
  if (steps == no_node || tree_[steps].kind != JsonKind::array) return 0;
  std::uint64_t plays = 0;
  for (const NodeId step : Children(tree_, steps)) {
    const NodeId repeat = get(step, "repeat");
    if (repeat == no_node) {
      plays = std::min(beyond, plays + 1);
      continue;
    }
    const NodeId times = get(repeat, "times");
    const std::uint64_t body = count_plays(get(repeat, "steps"));
    const std::uint64_t round = std::max<std::uint64_t>(body, 1);
    const std::uint64_t rounds = std::min(beyond, values_.argument(times));
    plays = std::min(beyond, plays + rounds * round);
    if (rounds * round < beyond || body == beyond) continue;
    endless_repeat_ = true;
    wrong(times, [&] {
      return fmt::format("{} times {} step{}; the limit is {} million steps",
                         values_.argument(times), round, round == 1 ? "" : "s",
                         most_steps / 1'000'000);
    });
  }
  return plays;
}

void Reader::index_steps(TaskId task) {
  auto& ids = step_ids_[task.v];
  const auto& nodes = step_nodes_[task.v];
  for (std::uint32_t index = 0; index < nodes.size(); ++index) {
    const NodeId id = get(nodes[index], "id");
    if (id == no_node || tree_[id].kind != JsonKind::string) continue;
    ids.emplace_back(static_cast<std::uint32_t>(tree_[id].value), index);
  }
  std::sort(ids.begin(), ids.end());
  for (std::size_t i = 1; i < ids.size(); ++i) {
    if (ids[i].first != ids[i - 1].first) continue;
    const NodeId again = get(nodes[ids[i].second], "id");
    wrong(again, [&] {
      const NodeId before = get(nodes[ids[i - 1].second], "id");
      return fmt::format("the step id {} is taken at line {}", json_quote(tree_.text(again)),
                         tree_.line(before));
    });
  }
}

}  // namespace faultline
