// Expectations of the whole run. Names in them are resolved, events are compared with what a trace
// can hold: an expectation about an event that cannot occur would hold or fail for no reason.
#include <algorithm>

#include <fmt/format.h>

#include "base/suggest.hpp"
#include "scenario/reader.hpp"
#include "scenario/record_match.hpp"

namespace faultline {
namespace {

constexpr std::string_view outcome_words[] = {"completed", "deadlock", "stuck", "kernel-bug",
                                              "limit"};
constexpr std::string_view state_words[] = {"written", "unwritten", "delalloc", "hole"};
constexpr std::string_view pte_words[] = {"none", "ro", "rw", "special"};
constexpr std::string_view leaf_words[] = {"none", "4KiB", "2MiB", "1GiB"};
constexpr std::string_view in_words[] = {"every", "some", "none"};

}  // namespace

void Reader::read_expectations(NodeId list) {
  for (const NodeId node : Children(tree_, list)) {
    RunExpectation expectation;
    expectation.text = tree_.compact(node);
    expectation.line = tree_.line(node);
    expectation.in = values_.word(get(node, "in"), in_words, InSchedules::every);
    read_expectation(node, expectation);
    scenario_.expect.push_back(std::move(expectation));
  }
}

void Reader::read_expectation(NodeId node, RunExpectation& expectation) {
  if (const NodeId outcome = get(node, "outcome"); outcome != no_node) {
    expectation.what = ExpectOutcome{values_.word(outcome, outcome_words, RunOutcome::completed)};
  } else if (const NodeId count = get(node, "count"); count != no_node) {
    read_count(count, expectation);
  } else if (const NodeId order = get(node, "order"); order != no_node) {
    ExpectOrder all;
    for (const NodeId each : Children(tree_, order)) all.matches.push_back(read_match(each));
    expectation.what = std::move(all);
  } else if (const NodeId never = get(node, "never"); never != no_node) {
    expectation.what = ExpectNever{read_match(never)};
  } else if (const NodeId cycles = get(node, "lock_cycles"); cycles != no_node) {
    expectation.what = ExpectLockCycles{values_.size(cycles)};  // "none" reads as 0
  } else if (const NodeId deadlock = get(node, "deadlock"); deadlock != no_node) {
    ExpectDeadlock all{read_task_names(get(deadlock, "tasks")), {}};
    for (const NodeId lock : Children(tree_, get(deadlock, "locks"))) {
      all.locks.emplace_back(values_.text(lock));
    }
    expectation.what = std::move(all);
  } else if (const NodeId finding = get(node, "finding"); finding != no_node) {
    ExpectFinding all{std::string(values_.text(get(finding, "kind"))), {}};
    for (const NodeId name : Children(tree_, get(finding, "names"))) {
      all.names.emplace_back(values_.text(name));
    }
    expectation.what = std::move(all);
  } else if (const NodeId extents = get(node, "extents"); extents != no_node) {
    read_extents_expectation(extents, expectation);
  } else if (const NodeId pte = get(node, "pte"); pte != no_node) {
    read_pte(pte, expectation);
  } else if (const NodeId content = get(node, "content"); content != no_node) {
    const auto file = named(get(content, "file"), files_, "file");
    const auto images =
        values_.word(get(content, "images"), in_words, ExpectContent::Images::every);
    expectation.what = ExpectContent{FileRef(file.value_or(0)), values_.size(get(content, "at")),
                                     values_.argument(get(content, "value")), images};
  }
}

std::vector<TaskId> Reader::read_task_names(NodeId list) {
  std::vector<TaskId> all;
  for (const NodeId node : Children(tree_, list)) {
    if (const auto task = named(node, tasks_, "task")) all.push_back(TaskId(*task));
  }
  return all;
}

RecordMatch Reader::read_match(NodeId node) {
  RecordMatch match;
  const NodeId event = get(node, "event");
  match.event = values_.text(event);
  const auto& known = vocabulary_.events;
  if (!match.event.empty() && !known.empty() &&
      std::find(known.begin(), known.end(), match.event) == known.end()) {
    wrong(event, [&] {
      return fmt::format("unknown event {}{}", json_quote(match.event),
                         did_you_mean(match.event, known));
    });
  }
  for (const NodeId field : Children(tree_, get(node, "where"))) {
    const bool text = tree_[field].kind == JsonKind::string;
    match.where.emplace_back(tree_.key(field),
                             text ? std::string(tree_.text(field)) : tree_.compact(field));
  }
  if (!known.empty()) check_fields(get(node, "where"), match);
  if (const auto task = named(get(node, "task"), tasks_, "task")) match.task = TaskId(*task);
  return match;
}

/// Fields and values of `where` that no record of the event has.
void Reader::check_fields(NodeId where, const RecordMatch& match) {
  const Family family = family_of(scenario_.kernel.profile);
  std::size_t index = 0;
  for (const NodeId field : Children(tree_, where)) {
    const RecordMatch one{match.event, {match.where[index++]}, {}};
    const auto compiled = compile_match(one, family);
    const auto* const error = std::get_if<MatchError>(&compiled);
    if (error == nullptr || error->field.empty()) continue;
    wrong(field, [&] { return error->what; });
  }
}

void Reader::read_count(NodeId node, RunExpectation& expectation) {
  ExpectCount count;
  count.match = read_match(node);
  const auto bound = [&](std::string_view key) -> std::optional<std::uint64_t> {
    const NodeId value = get(node, key);
    if (value == no_node) return std::nullopt;
    return values_.argument(value);
  };
  count.is = bound("is");
  count.at_least = bound("at_least");
  count.at_most = bound("at_most");
  if (!count.is && !count.at_least && !count.at_most) {
    wrong(node, [] { return std::string("needs \"is\", \"at_least\" or \"at_most\""); });
  }
  expectation.what = std::move(count);
}

void Reader::read_extents_expectation(NodeId node, RunExpectation& expectation) {
  ExpectExtents all;
  all.file = FileRef(named(get(node, "file"), files_, "file").value_or(0));
  std::uint64_t end = 0;
  for (const NodeId each : Children(tree_, get(node, "is"))) {
    ExtentSpec extent;
    extent.at = values_.size(get(each, "at"));
    extent.length = values_.size(get(each, "length"));
    extent.state = values_.word(get(each, "state"), state_words, ExtentState::written);
    check_blocks(get(each, "at"), "the start of an extent");
    check_blocks(get(each, "length"), "the length of an extent");
    if (extent.at < end) {
      wrong(each, [] { return std::string("extents stand in order and do not overlap"); });
    }
    end = std::min(extent.at, largest_file) + std::min(extent.length, largest_file);
    all.is.push_back(extent);
  }
  expectation.what = std::move(all);
}

void Reader::read_pte(NodeId node, RunExpectation& expectation) {
  ExpectPte pte;
  const NodeId at = get(node, "at");
  pte.at = address(at);
  pte.is = values_.word(get(node, "is"), pte_words, PteState::none);
  if (const NodeId leaf = get(node, "leaf"); leaf != no_node) {
    pte.leaf = values_.word(leaf, leaf_words, LeafSize::none);
  }
  if (!pte.at.is_number()) {
    pte.process = scenario_.tasks[pte.at.step.task.v].process;
  } else if (at != no_node && scenario_.processes.size() > 1) {
    wrong(at, [] {
      return std::string("with several processes, write an address as TASK.STEP+OFFSET");
    });
  }
  expectation.what = pte;
}

}  // namespace faultline
