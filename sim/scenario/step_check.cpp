// Comparing one step's result with its expectation, field by field.
#include "scenario/step_check.hpp"

#include <fmt/format.h>

#include "scenario/report_words.hpp"

namespace faultline {
namespace {

// "map+0x1000" of another task's step with its task, a plain number as such.
std::string address_text(const Scenario& scenario, const AddressRef& ref) {
  if (ref.is_number()) return fmt::format("{:#x}", ref.offset);
  const auto offset = static_cast<std::int64_t>(ref.offset);
  std::string text = step_text(scenario, ref.step);
  if (offset > 0) text += fmt::format("+{:#x}", ref.offset);
  if (offset < 0) text += fmt::format("-{:#x}", 0 - ref.offset);
  return text;
}

/// Collects what is expected and what was otherwise.
class StepCheck {
 public:
  StepCheck(const Scenario& scenario, StepRef ref, const StepResult& result,
            const FinalState& state)
      : scenario_(scenario),
        step_(scenario.tasks[ref.task.v].steps[ref.index]),
        result_(result),
        state_(state) {}

  void check(const StepExpectation& expectation);

  std::vector<std::string> wishes;    ///< "errno ETXTBSY", ...
  std::vector<std::string> failures;  ///< "errno is 0 (success), expected ETXTBSY", ...

 private:
  void check_errno(int expected);
  void check_value(const AddressRef& expected);
  void check_signal(const StepExpectation& expectation);
  void check_fault(std::uint32_t expected);
  void check_faults(std::uint64_t expected);
  void check_leaf(LeafSize expected);
  void differs(std::string observed, std::string_view expected) {
    failures.push_back(fmt::format("{}, expected {}", observed, expected));
  }
  // A signal that another process has sent comes on top of what the step came to.
  bool ended_by_fault() const { return result_.signal && result_.signal->code != SI_USER; }
  std::string signal_of_result() const {
    return signal_with_code(result_.signal->sig, result_.signal->code);
  }

  const Scenario& scenario_;
  const Step& step_;
  const StepResult& result_;
  const FinalState& state_;
};

void StepCheck::check_errno(int expected) {
  const std::string name = expected == 0 ? "0 (success)" : errno_text(expected);
  wishes.push_back("errno " + errno_text(expected));
  if (ended_by_fault()) return differs("ended by " + signal_of_result(), "errno " + name);
  const std::int64_t observed = step_errno(result_);
  if (observed == expected) return;
  differs("errno is " + (observed == 0 ? "0 (success)" : errno_text(observed)), name);
}

void StepCheck::check_value(const AddressRef& expected) {
  const bool plain = expected.is_number();
  const auto value = plain ? std::optional(expected.offset) : state_.address(expected);
  const std::string number =
      value ? value_text(step_.verb, static_cast<std::int64_t>(*value)) : std::string();
  const std::string reference = plain ? std::string() : address_text(scenario_, expected);
  wishes.push_back("value " + (plain ? number : reference));
  if (!value) {
    failures.push_back(fmt::format("expected value {}, but that step gave no address", reference));
    return;
  }
  const std::string wanted = plain ? number : fmt::format("{} ({})", number, reference);
  if (ended_by_fault()) return differs("ended by " + signal_of_result(), "value " + wanted);
  if (result_.failed) {
    return differs("failed with " + errno_text(step_errno(result_)), "value " + wanted);
  }
  if (static_cast<std::uint64_t>(result_.result) == *value) return;
  differs("value is " + value_text(step_.verb, result_.result), wanted);
}

void StepCheck::check_signal(const StepExpectation& expectation) {
  const int expected = expectation.signal.value_or(0);
  const bool none = expected == 0;
  const std::string name = none ? "none" : signal_text(expected);
  wishes.push_back("signal " + name);
  if (expectation.code) wishes.push_back("code " + code_text(expected, *expectation.code));
  if (!result_.signal) {
    if (none) return;
    const std::string result =
        result_.failed ? fmt::format(" (errno {})", errno_text(step_errno(result_))) : "";
    return differs("no signal" + result, name);
  }
  if (result_.signal->sig != expected) return differs("signal is " + signal_of_result(), name);
  if (expectation.code && result_.signal->code != *expectation.code) {
    differs("code is " + code_text(result_.signal->sig, result_.signal->code),
            code_text(expected, *expectation.code));
  }
}

void StepCheck::check_fault(std::uint32_t expected) {
  wishes.push_back("fault " + fault_text(expected));
  if (result_.fault_count == 0) return differs("there was no fault", fault_text(expected));
  const std::uint32_t observed = result_.last_fault.result.v;
  if (observed == expected) return;
  differs("result of the last fault is " + fault_text(observed), fault_text(expected));
}

void StepCheck::check_faults(std::uint64_t expected) {
  wishes.push_back(fmt::format("faults {}", expected));
  if (result_.fault_count == expected) return;
  differs(fmt::format("number of faults is {}", result_.fault_count), fmt::format("{}", expected));
}

// No fault has installed no leaf.
void StepCheck::check_leaf(LeafSize expected) {
  wishes.push_back(fmt::format("leaf {}", leaf_text(expected)));
  const bool any = result_.fault_count > 0;
  const std::string observed = any ? fault_leaf(result_.last_fault) : "none";
  if (observed == leaf_text(expected)) return;
  differs(any ? "leaf is " + observed : "there was no fault",
          any ? std::string(leaf_text(expected)) : fmt::format("leaf {}", leaf_text(expected)));
}

void StepCheck::check(const StepExpectation& expectation) {
  if (expectation.err) check_errno(*expectation.err);
  if (expectation.value) check_value(*expectation.value);
  if (expectation.signal || expectation.code) check_signal(expectation);
  if (expectation.fault) check_fault(*expectation.fault);
  if (expectation.faults) check_faults(*expectation.faults);
  if (expectation.leaf) check_leaf(*expectation.leaf);
  if (result_.state == StepState::done || wishes.empty()) return;
  // Whatever the fields say of a step that did not end, they say of nothing.
  failures.clear();
  differs(result_.state == StepState::blocked ? "the step is blocked" : "the step was not reached",
          fmt::format("{}", fmt::join(wishes, ", ")));
}

}  // namespace

std::optional<Verdict> check_step(const Scenario& scenario, StepRef ref, const StepResult& result,
                                  const FinalState& state) {
  const Step& step = scenario.tasks[ref.task.v].steps[ref.index];
  const bool xfail = step.xfail.v != 0;
  if (step.expect == 0 && !xfail) return std::nullopt;
  StepCheck check(scenario, ref, result, state);
  StepExpectation success;
  success.err = 0;
  check.check(step.expect != 0 ? scenario.step_expectations[step.expect - 1] : success);

  const std::string name = step_text(scenario, ref);
  const std::string reason(scenario.strings[step.xfail]);
  const std::string place = fmt::format("{}:{}: {}: ", scenario.file, step.line, name);
  const std::string wish = fmt::format("{}", fmt::join(check.wishes, ", "));
  Verdict verdict;
  verdict.text = name + ": " + wish + (xfail ? fmt::format(" (xfail: {})", reason) : "");
  verdict.met = check.failures.empty();
  verdict.held = verdict.met != xfail;
  if (!verdict.met) {
    verdict.detail = place + fmt::format("{}", fmt::join(check.failures, "; "));
    if (xfail) verdict.detail += ", as announced: " + reason;
  } else if (xfail) {
    verdict.detail =
        fmt::format("{}unexpectedly passes: {}, although xfail says: {}", place, wish, reason);
  }
  return verdict;
}

}  // namespace faultline
