// What all steps have in common: id, what they wait for, what is expected of them.
#include <fmt/format.h>

#include <faultline/errno.hpp>

#include "base/suggest.hpp"
#include "scenario/reader.hpp"
#include "scenario/references.hpp"
#include "scenario/rule.hpp"

namespace faultline {
namespace {

constexpr std::string_view leaf_words[] = {"none", "4KiB", "2MiB", "1GiB"};

StringId keep_string(Scenario& scenario, std::vector<std::uint32_t>& ids, std::uint32_t tree_id,
                     std::string_view text) {
  if (ids.size() <= tree_id) ids.resize(tree_id + 1024);
  if (ids[tree_id] == 0 && !text.empty()) {
    Strings& strings = scenario.strings;
    ids[tree_id] = static_cast<std::uint32_t>(strings.begin.size() - 1);
    strings.bytes.insert(strings.bytes.end(), text.begin(), text.end());
    strings.begin.push_back(static_cast<std::uint32_t>(strings.bytes.size()));
  }
  return StringId(ids[tree_id]);
}

}  // namespace

std::string_view verb_name(Verb verb) {
  return step_rule.fields[static_cast<std::size_t>(verb)].key;
}

std::string step_name(const Scenario& scenario, TaskId task, std::uint32_t index) {
  const Step& step = scenario.tasks[task.v].steps[index];
  if (step.id.v == 0) return std::to_string(index);
  return std::string(scenario.strings[step.id]);
}

void Reader::read_steps(TaskId task) {
  task_ = task;
  std::vector<Step>& steps = scenario_.tasks[task.v].steps;
  const auto& nodes = step_nodes_[task.v];
  steps.resize(nodes.size());
  for (step_index_ = 0; step_index_ < nodes.size(); ++step_index_) {
    read_step(nodes[step_index_], steps[step_index_]);
  }
}

void Reader::read_step(NodeId node, Step& step) {
  step.line = tree_.line(node);
  const NodeId id = get(node, "id");
  const NodeId xfail = get(node, "xfail");
  const auto keep = [&](NodeId string) {
    if (values_.text(string).empty()) return StringId(0);
    return keep_string(scenario_, string_ids_, static_cast<std::uint32_t>(tree_[string].value),
                       tree_.text(string));
  };
  step.id = keep(id);
  step.xfail = keep(xfail);
  step.verb = verb_of({task_, step_index_}).value_or(Verb::fence);
  step.args = read_args(node, step);
  if (const NodeId after = get(node, "after"); after != no_node) read_after(after, step);
  if (const NodeId expect = get(node, "expect"); expect != no_node) {
    read_step_expectation(expect, step);
  }
}

void Reader::read_after(NodeId list, Step& step) {
  step.after_begin = static_cast<std::uint32_t>(scenario_.after.size());
  for (const NodeId node : Children(tree_, list)) {
    const auto name = split_step_name(values_.text(node));
    if (!name || name->task.empty()) continue;
    const auto target = look_up(name->task, name->step).step;
    if (!target)
      unknown_step(node, name->task, name->step);
    else
      scenario_.after.push_back(*target);
  }
  step.after_count = static_cast<std::uint32_t>(scenario_.after.size()) - step.after_begin;
}

void Reader::read_step_expectation(NodeId node, Step& step) {
  StepExpectation expectation;
  if (const NodeId err = get(node, "errno"); err != no_node) {
    const auto number = errno_from_name(values_.text(err));
    expectation.err = number ? *number : static_cast<int>(values_.size(err));
  }
  if (const NodeId value = get(node, "value"); value != no_node) {
    expectation.value = address(value);
  }
  read_signal_expectation(node, expectation);
  if (const NodeId fault = get(node, "fault"); fault != no_node) {
    expectation.fault = static_cast<std::uint32_t>(values_.flags(fault, vm_fault_bits));
  }
  if (const NodeId faults = get(node, "faults"); faults != no_node) {
    expectation.faults = values_.size(faults);
  }
  if (const NodeId leaf = get(node, "leaf"); leaf != no_node) {
    expectation.leaf = values_.word(leaf, leaf_words, LeafSize::none);
  }
  // A load's own value is the same wish, said at another place.
  if (step.verb == Verb::load && std::get<AccessArgs>(step.args).has_value && !expectation.value) {
    expectation.value = AddressRef{std::get<AccessArgs>(step.args).value, {}};
  }
  if (step.expect != 0) {
    scenario_.step_expectations[step.expect - 1] = expectation;
    return;
  }
  scenario_.step_expectations.push_back(expectation);
  step.expect = static_cast<std::uint32_t>(scenario_.step_expectations.size());
}

void Reader::read_signal_expectation(NodeId node, StepExpectation& expectation) {
  const NodeId signal = get(node, "signal");
  const NodeId code = get(node, "code");
  if (signal != no_node) {
    const auto number = flag_value(signal_names, values_.text(signal));
    expectation.signal = static_cast<int>(number.value_or(0));
  }
  for (const SignalCode& each : signal_codes()) {
    if (code == no_node || each.word != values_.text(code)) continue;
    if (!expectation.signal) expectation.signal = each.signal;
    expectation.code = each.code;
    if (*expectation.signal == each.signal) continue;
    wrong(code,
          [&] { return fmt::format("{} is a code of {}", each.word, signal_name(each.signal)); });
  }
}

}  // namespace faultline
