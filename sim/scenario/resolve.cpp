// What references mean: a name alone is a step of the same task, then of a task of the same
// process, then of a parent; TASK.STEP is exactly that. A reference to a later step of the same
// task can never be satisfied and is refused.
#include <algorithm>

#include <fmt/format.h>

#include "base/suggest.hpp"
#include "scenario/reader.hpp"
#include "scenario/references.hpp"
#include "scenario/rule.hpp"

namespace faultline {
namespace {

bool gives_address(Verb verb) {
  return verb == Verb::mmap || verb == Verb::mmap3 || verb == Verb::mremap;
}
bool gives_fd(Verb verb) { return verb == Verb::open || verb == Verb::fcntl; }

}  // namespace

std::optional<std::uint32_t> Reader::step_of(TaskId task, std::uint32_t name) const {
  const auto& ids = step_ids_[task.v];
  const auto found = std::lower_bound(ids.begin(), ids.end(), std::pair(name, 0U));
  if (found == ids.end() || found->first != name) return std::nullopt;
  return found->second;
}

/// Whether `task` knows the descriptors and addresses of `other`: same process, or its descendant.
bool Reader::shares_files(TaskId task, TaskId other) const {
  const ProcessRef wanted = scenario_.tasks[other.v].process;
  std::optional<TaskId> at = task;
  for (std::size_t n = 0; at && n <= scenario_.tasks.size(); ++n) {
    if (scenario_.tasks[at->v].process == wanted) return true;
    at = scenario_.tasks[at->v].parent;
  }
  return false;
}

/// The step of that name in a task of the process. Many tasks ask for the same names, so answers
/// are kept.
Reader::Found Reader::find_in_process(ProcessRef process, std::uint32_t name) const {
  const auto [entry, is_new] = found_.emplace(std::pair(process.v, name), Found{});
  if (!is_new) return entry->second;
  for (const TaskId task : scenario_.processes[process.v].tasks) {
    const auto index = step_of(task, name);
    if (!index) continue;
    entry->second.several = entry->second.step.has_value();
    if (entry->second.several) break;
    entry->second.step = StepRef{task, *index};
  }
  return entry->second;
}

/// A name alone: the task's own step, its process's, its parent's; outside of tasks, anybody's.
Reader::Found Reader::look_up_bare(std::uint32_t name) const {
  if (in_task_) {
    if (const auto own = step_of(task_, name)) return {StepRef{task_, *own}, false};
    std::optional<TaskId> at = task_;
    for (std::size_t n = 0; at && n <= scenario_.tasks.size(); ++n) {
      const Found found = find_in_process(scenario_.tasks[at->v].process, name);
      if (found.step) return found;
      at = scenario_.tasks[at->v].parent;
    }
    return {};
  }
  Found all;
  for (std::uint32_t process = 0; process < scenario_.processes.size(); ++process) {
    const Found found = find_in_process(ProcessRef(process), name);
    all.several = all.several || found.several || (all.step && found.step);
    if (!all.step) all.step = found.step;
  }
  return all;
}

Reader::Found Reader::look_up(std::string_view task, std::string_view step) const {
  const std::uint32_t name = tree_.strings.find(step);
  if (name == Interner::none) return {};
  if (task.empty()) return look_up_bare(name);
  const auto owner = tasks_.find(task);
  if (!owner) return {};
  const auto index = step_of(TaskId(*owner), name);
  if (!index) return {};
  return {StepRef{TaskId(*owner), *index}, false};
}

void Reader::unknown_step(NodeId node, std::string_view task, std::string_view step) {
  wrong(node, [&] {
    const std::span<const std::string_view> tasks(tasks_.names);
    if (!task.empty() && !tasks_.find(task)) {
      return fmt::format("unknown task {}{}", json_quote(task), did_you_mean(task, tasks));
    }
    const std::uint32_t owner = task.empty() ? task_.v : *tasks_.find(task);
    std::vector<std::string_view> known;
    const bool own_only = !task.empty() || in_task_;
    for (std::uint32_t each = 0; each < step_ids_.size(); ++each) {
      if (own_only && each != owner) continue;
      for (const auto& [name, index] : step_ids_[each]) {
        if (known.size() < 4096) known.push_back(tree_.strings.view(name));
      }
    }
    const std::string hint = did_you_mean(step, known);
    if (task.empty()) return fmt::format("unknown step {}{}", json_quote(step), hint);
    return fmt::format("the task {} has no step {}{}", json_quote(task), json_quote(step), hint);
  });
}

/// False, with a complaint, for a step that comes later in the same task.
bool Reader::check_order(NodeId node, StepRef target) {
  if (!in_task_ || target.task != task_ || target.index < step_index_) return true;
  wrong(node, [&] {
    return fmt::format("{} refers to {} in this task", json_quote(values_.text(node)),
                       target.index == step_index_ ? "its own step" : "a step that comes later");
  });
  return false;
}

std::optional<StepRef> Reader::find_step(NodeId node, std::string_view task,
                                         std::string_view step) {
  const Found found = look_up(task, step);
  if (!found.step) {
    unknown_step(node, task, step);
    return std::nullopt;
  }
  if (found.several) {
    wrong(node, [&] {
      return fmt::format("several tasks have a step {}: write TASK.{}", json_quote(step), step);
    });
    return std::nullopt;
  }
  if (!check_order(node, *found.step)) return std::nullopt;
  return found.step;
}

std::optional<Verb> Reader::verb_of(StepRef step) const {
  for (const NodeId child : Children(tree_, step_nodes_[step.task.v][step.index])) {
    const RuleField* field = find_field(step_rule, tree_.key(child));
    if (field != nullptr && field->need == Need::choice) {
      return static_cast<Verb>(field - step_rule.fields.data());
    }
  }
  return std::nullopt;
}

AddressRef Reader::address(NodeId node) {
  if (node == no_node) return {};
  if (tree_[node].kind == JsonKind::integer) return {tree_[node].value, {}};
  const auto text = parse_address(values_.text(node));
  if (!text) return {};
  if (text->number) return {*text->number, {}};
  const auto exists = [&](const std::optional<StepName>& name) {
    return name && look_up(name->task, name->step).step.has_value();
  };
  const bool with_offset =
      text->base && (!text->whole || (!exists(text->whole) && exists(text->base)));
  const StepName& name = with_offset ? *text->base : *text->whole;
  const std::uint64_t offset = with_offset ? text->offset : 0;
  const auto step = find_step(node, name.task, name.step);
  if (!step) return {};
  const auto verb = verb_of(*step);  // none: its own complaint is enough
  if (verb && !gives_address(*verb)) {
    wrong(node, [&] {
      return fmt::format("the step {} does not give an address: it is {}, not mmap",
                         json_quote(name.step), verb_name(*verb));
    });
  }
  return {offset, *step};
}

FdRef Reader::fd(NodeId node) {
  if (node == no_node) return {};
  if (tree_[node].kind == JsonKind::integer) {
    return {static_cast<std::int64_t>(tree_[node].value), {}};
  }
  const auto name = split_step_name(values_.text(node));
  if (!name) return {};
  const auto step = find_step(node, name->task, name->step);
  if (!step) return {};
  const auto verb = verb_of(*step);
  if (verb && !gives_fd(*verb)) {
    wrong(node, [&] {
      return fmt::format("the step {} does not give a file descriptor: it is {}, not open",
                         json_quote(name->step), verb_name(*verb));
    });
  } else if (in_task_ && !shares_files(task_, step->task)) {
    wrong(node, [&] {
      return fmt::format("{} belongs to another process", json_quote(values_.text(node)));
    });
  }
  return {-1, *step};
}

StepRef Reader::start_commit(NodeId node) {
  if (node == no_node) return {};
  const auto name = split_step_name(values_.text(node));
  if (!name) return {};
  const auto step = find_step(node, name->task, name->step);
  if (!step) return {};
  if (const auto verb = verb_of(*step); verb && *verb != Verb::start_commit) {
    wrong(node, [&] {
      return fmt::format("the step {} is {}, not start_commit", json_quote(name->step),
                         verb_name(*verb));
    });
  }
  return *step;
}

}  // namespace faultline
