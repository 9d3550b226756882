// Run expectations, one function a kind, and what they say of outcome and findings.
#include "scenario/expectations.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "scenario/report_words.hpp"
#include "scenario/step_check.hpp"

namespace faultline {
namespace {

bool is_name_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// Whether `text` has `word` with no letter right before or after it.
bool has_word(std::string_view text, std::string_view word) {
  if (word.empty()) return false;
  for (auto at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
    const auto end = at + word.size();
    const bool starts = at == 0 || !is_name_char(text[at - 1]) || !is_name_char(word.front());
    const bool ends = end == text.size() || !is_name_char(text[end]) || !is_name_char(word.back());
    if (starts && ends) return true;
  }
  return false;
}

bool is_lock(const FindingLock& lock, std::string_view name) {
  return lock.lock_class == name || lock_text(lock) == name;
}

bool names_something(const Finding& finding, std::string_view name) {
  for (const FindingLock& lock : finding.locks) {
    if (is_lock(lock, name) || lock.task == name) return true;
    if (std::find(lock.path.begin(), lock.path.end(), name) != lock.path.end()) return true;
  }
  return has_word(finding.text, name);
}

bool fits(const ExpectDeadlock& expected, const Scenario& scenario, const Finding& finding) {
  if (finding.kind != "deadlock") return false;
  const auto& locks = finding.locks;
  for (const TaskId task : expected.tasks) {
    const auto& name = scenario.tasks[task.v].name;
    if (std::none_of(locks.begin(), locks.end(), [&](auto& l) { return l.task == name; })) {
      return false;
    }
  }
  for (const auto& name : expected.locks) {
    if (std::none_of(locks.begin(), locks.end(), [&](auto& l) { return is_lock(l, name); })) {
      return false;
    }
  }
  return true;
}

bool fits(const ExpectFinding& expected, const Finding& finding) {
  if (finding.kind != expected.kind) return false;
  return std::all_of(expected.names.begin(), expected.names.end(),
                     [&](const auto& name) { return names_something(finding, name); });
}

// Extents that continue each other in the file with the same state are one; holes are left out.
std::vector<FinalExtent> merged(const std::vector<FinalExtent>& extents) {
  std::vector<FinalExtent> all;
  for (const FinalExtent& each : extents) {
    if (each.state == ExtentState::hole || each.length == 0) continue;
    if (!all.empty() && all.back().state == each.state &&
        all.back().at + all.back().length == each.at) {
      all.back().length += each.length;
    } else {
      all.push_back(each);
    }
  }
  return all;
}

std::string extents_text(const std::vector<FinalExtent>& extents) {
  std::string text;
  for (const FinalExtent& each : extents) {
    text += fmt::format("{}{:#x}+{:#x} {}", text.empty() ? "" : ", ", each.at, each.length,
                        extent_state_text(each.state));
  }
  return "[" + text + "]";
}

std::string list_text(const std::vector<Finding>& findings) {
  std::vector<std::string_view> kinds;
  for (const Finding& each : findings) kinds.push_back(each.kind);
  return kinds.empty() ? "none" : fmt::format("{}", fmt::join(kinds, ", "));
}

/// Evaluates one run expectation; `observed` says what was otherwise.
class RunCheck {
 public:
  RunCheck(const JudgeInput& in, std::size_t index)
      : in_(in), seen_(in.records.seen(index)), expectation_(in.scenario.expect[index]) {}

  bool met() {
    if (!seen_.wrong.empty()) return differs(seen_.wrong);
    return std::visit([this](const auto& what) { return check(what); }, expectation_.what);
  }
  std::string observed;

 private:
  bool differs(std::string text) {
    observed = std::move(text);
    return false;
  }
  bool check(const ExpectOutcome& expected);
  bool check(const ExpectCount& expected);
  bool check(const ExpectOrder& expected);
  bool check(const ExpectNever& expected);
  bool check(const ExpectLockCycles& expected);
  bool check(const ExpectDeadlock& expected);
  bool check(const ExpectFinding& expected);
  bool check(const ExpectExtents& expected);
  bool check(const ExpectPte& expected);
  bool check(const ExpectContent& expected);
  std::string last_seen() const {
    return fmt::format("at {} in {}", time_text(seen_.last), task_name(seen_.task));
  }
  std::string task_name(TaskId task) const {
    const auto& tasks = in_.scenario.tasks;
    return task.v < tasks.size() ? tasks[task.v].name : fmt::format("task {}", task.v);
  }

  const JudgeInput& in_;
  const Sighting& seen_;
  const RunExpectation& expectation_;
};

bool RunCheck::check(const ExpectOutcome& expected) {
  const Outcome wanted = engine_outcome(expected.is);
  if (in_.result.outcome == wanted) return true;
  const std::string reason =
      in_.result.reason.empty() ? "" : fmt::format(" ({})", in_.result.reason);
  return differs(fmt::format("outcome is {}{}, expected {}", outcome_text(in_.result.outcome),
                             reason, outcome_text(wanted)));
}

bool RunCheck::check(const ExpectCount& expected) {
  std::vector<std::string> wanted;
  bool good = true;
  const auto bound = [&](const std::optional<std::uint64_t>& value, const char* word, bool holds) {
    if (!value) return;
    wanted.push_back(fmt::format("{}{}", word, *value));
    good &= holds;
  };
  bound(expected.is, "", seen_.count == expected.is.value_or(0));
  bound(expected.at_least, "at least ", seen_.count >= expected.at_least.value_or(0));
  bound(expected.at_most, "at most ", seen_.count <= expected.at_most.value_or(0));
  if (good) return true;
  return differs(fmt::format("count of {} is {}, expected {}", expected.match.event, seen_.count,
                             fmt::join(wanted, " and ")));
}

bool RunCheck::check(const ExpectOrder& expected) {
  const std::size_t n = expected.matches.size();
  if (seen_.count >= n) return true;
  const auto& missing = expected.matches[seen_.count].event;
  const std::string after =
      seen_.count == 0 ? "" : fmt::format(" after the last match {}", last_seen());
  return differs(fmt::format("{} of {} records came in this order; no {} (number {}){}",
                             seen_.count, n, missing, seen_.count + 1, after));
}

bool RunCheck::check(const ExpectNever& expected) {
  if (seen_.count == 0) return true;
  return differs(fmt::format("{} was seen {} times, last {}, expected never", expected.match.event,
                             seen_.count, last_seen()));
}

bool RunCheck::check(const ExpectLockCycles& expected) {
  if (in_.lock_cycles == expected.count) return true;
  return differs(
      fmt::format("number of lock cycles is {}, expected {}", in_.lock_cycles, expected.count));
}

bool RunCheck::check(const ExpectDeadlock& expected) {
  for (const Finding& finding : in_.result.findings) {
    if (fits(expected, in_.scenario, finding)) return true;
  }
  for (const Finding& finding : in_.result.findings) {
    if (finding.kind != "deadlock") continue;
    std::vector<std::string> parts;
    for (const auto& lock : finding.locks) {
      parts.push_back(fmt::format("{} {} {}", lock.task, lock.role == "held" ? "holds" : "wants",
                                  lock_text(lock)));
    }
    return differs(fmt::format("the deadlock is another one: {}", fmt::join(parts, ", ")));
  }
  return differs(
      fmt::format("there is no deadlock; outcome is {}", outcome_text(in_.result.outcome)));
}

bool RunCheck::check(const ExpectFinding& expected) {
  for (const Finding& finding : in_.result.findings) {
    if (fits(expected, finding)) return true;
  }
  for (const Finding& finding : in_.result.findings) {
    if (finding.kind != expected.kind) continue;
    return differs(fmt::format("the {} found does not name all of {}: {}", expected.kind,
                               fmt::join(expected.names, ", "), finding.text));
  }
  return differs(
      fmt::format("findings are {}, expected {}", list_text(in_.result.findings), expected.kind));
}

bool RunCheck::check(const ExpectExtents& expected) {
  std::vector<FinalExtent> wanted;
  for (const ExtentSpec& each : expected.is) {
    wanted.push_back({each.at, each.length, each.state, 0});
  }
  wanted = merged(wanted);
  const auto found = merged(in_.state.extents(expected.file));
  const auto same = [](const FinalExtent& a, const FinalExtent& b) {
    return a.at == b.at && a.length == b.length && a.state == b.state;
  };
  if (std::equal(found.begin(), found.end(), wanted.begin(), wanted.end(), same)) return true;
  return differs(fmt::format("extents of {} are {}, expected {}",
                             in_.scenario.files[expected.file.v].name, extents_text(found),
                             extents_text(wanted)));
}

bool RunCheck::check(const ExpectPte& expected) {
  const auto address =
      expected.at.is_number() ? std::optional(expected.at.offset) : in_.state.address(expected.at);
  if (!address) {
    return differs(step_text(in_.scenario, expected.at.step) + " gave no address to look at");
  }
  const FinalPte found = in_.state.pte(expected.process, *address);
  if (found.state == expected.is && (!expected.leaf || found.leaf == *expected.leaf)) return true;
  std::string wanted(pte_state_text(expected.is));
  if (expected.leaf) wanted += fmt::format(", leaf {}", leaf_text(*expected.leaf));
  return differs(fmt::format("the entry at {:#x} is {}, leaf {}, expected {}", *address,
                             pte_state_text(found.state), leaf_text(found.leaf), wanted));
}

bool RunCheck::check(const ExpectContent& expected) {
  const std::vector<std::uint64_t> found = in_.state.contents(expected.file, expected.at);
  const auto fits = [&](std::uint64_t value) { return value == expected.value; };
  const auto met = [&] {
    switch (expected.images) {
      case ExpectContent::Images::every:
        return std::all_of(found.begin(), found.end(), fits);
      case ExpectContent::Images::some:
        return std::any_of(found.begin(), found.end(), fits);
      case ExpectContent::Images::none:
        break;
    }
    return std::none_of(found.begin(), found.end(), fits);
  };
  if (met()) return true;
  std::string values;
  for (const std::uint64_t value : found) {
    values += fmt::format("{}{:#x}", values.empty() ? "" : " or ", value);
  }
  constexpr std::string_view scope[] = {"", " in some image", " in no image"};
  return differs(fmt::format("{} holds {} at {:#x}, expected {:#x}{}",
                             in_.scenario.files[expected.file.v].name, values, expected.at,
                             expected.value, scope[static_cast<std::size_t>(expected.images)]));
}

Verdict run_verdict(const JudgeInput& in, std::size_t index) {
  const RunExpectation& expectation = in.scenario.expect[index];
  RunCheck check(in, index);
  Verdict verdict;
  verdict.text = expectation.text;
  verdict.met = check.met();
  const std::string place = fmt::format("{}:{}: ", in.scenario.file, expectation.line);
  switch (expectation.in) {
    case InSchedules::every:
      verdict.held = verdict.met;
      if (!verdict.met) verdict.detail = place + check.observed;
      break;
    case InSchedules::some:
      verdict.held = true;
      if (!verdict.met) verdict.detail = place + "not in this schedule: " + check.observed;
      break;
    case InSchedules::none:
      verdict.held = !verdict.met;
      if (verdict.met) verdict.detail = place + "it is so in this schedule, expected in none";
      break;
  }
  return verdict;
}

// What one expectation that is met says of the outcome: `kind` is its word, also that of findings.
bool asks_for(const RunExpectation& expectation, std::string_view kind) {
  if (const auto* outcome = std::get_if<ExpectOutcome>(&expectation.what)) {
    return outcome_text(engine_outcome(outcome->is)) == kind;
  }
  if (std::holds_alternative<ExpectDeadlock>(expectation.what)) return kind == "deadlock";
  const auto* finding = std::get_if<ExpectFinding>(&expectation.what);
  return finding != nullptr && finding->kind == kind;
}

bool asks_for(const RunExpectation& expectation, const Scenario& scenario, const Finding& finding) {
  if (const auto* deadlock = std::get_if<ExpectDeadlock>(&expectation.what)) {
    return fits(*deadlock, scenario, finding);
  }
  if (const auto* expected = std::get_if<ExpectFinding>(&expectation.what)) {
    return fits(*expected, finding);
  }
  return asks_for(expectation, finding.kind);
}

}  // namespace

bool Judgement::all_held() const {
  return std::all_of(verdicts.begin(), verdicts.end(), [](auto& each) { return each.held; });
}

Judgement judge(const JudgeInput& in) {
  Judgement judgement;
  for (std::uint32_t task = 0; task < in.scenario.tasks.size(); ++task) {
    const auto& steps = in.result.steps[task];
    for (std::uint32_t i = 0; i < steps.size(); ++i) {
      auto verdict = check_step(in.scenario, {TaskId(task), i}, steps[i], in.state);
      if (verdict) judgement.verdicts.push_back(std::move(*verdict));
    }
  }
  judgement.of_steps = judgement.verdicts.size();

  std::vector<const RunExpectation*> met;  // that speak for this run
  for (std::size_t i = 0; i < in.scenario.expect.size(); ++i) {
    judgement.verdicts.push_back(run_verdict(in, i));
    const RunExpectation& expectation = in.scenario.expect[i];
    if (judgement.verdicts.back().met && expectation.in != InSchedules::none) {
      met.push_back(&expectation);
    }
  }
  const auto kind = outcome_text(in.result.outcome);
  judgement.outcome_expected =
      in.result.outcome == Outcome::completed ||
      std::any_of(met.begin(), met.end(), [&](auto* each) { return asks_for(*each, kind); });
  for (const Finding& finding : in.result.findings) {
    judgement.finding_expected.push_back(finding.kind == "lock-cycle" ||
                                         std::any_of(met.begin(), met.end(), [&](auto* each) {
                                           return asks_for(*each, in.scenario, finding);
                                         }));
  }
  return judgement;
}

int exit_code(const RunResult& result, const Judgement& judgement) {
  if (result.outcome == Outcome::interrupted) return 130;
  if (result.outcome == Outcome::limit && !judgement.outcome_expected) return 4;
  const auto& expected = judgement.finding_expected;
  const bool good = judgement.all_held() && judgement.outcome_expected &&
                    std::find(expected.begin(), expected.end(), false) == expected.end();
  return good ? 0 : 1;
}

}  // namespace faultline
