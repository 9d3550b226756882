// The words in which results are told: shared by verdicts, the JSON report and the human summary,
// so that a reader finds the same word in all three.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <faultline/scenario.hpp>

#include "scenario/run_result.hpp"

namespace faultline {

/// "completed", "deadlock", "stuck", "kernel-bug", "limit", "interrupted".
std::string_view outcome_text(Outcome outcome);
/// "done", "blocked", "not_reached".
std::string_view state_text(StepState state);
std::string_view extent_state_text(ExtentState state);
std::string_view pte_state_text(PteState state);
/// "none", "4KiB", "2MiB".
std::string_view leaf_text(LeafSize leaf);

/// The outcome a run expectation names, as the engine knows it.
Outcome engine_outcome(RunOutcome outcome);

/// The leaf a fault installed: "4KiB", "2MiB", "none".
std::string fault_leaf(const FaultRecord& fault);

/// "ETXTBSY" of 26, "0" of 0, the number of what has no name.
std::string errno_text(std::int64_t number);
/// The positive errno of a step; 0 if it did not fail.
std::int64_t step_errno(const StepResult& step);

/// "BUS_ADRERR", "SI_USER", or the number.
std::string code_text(int signal, int code);
/// "SIGBUS", or "signal 99".
std::string signal_text(int signal);
/// "SIGBUS (BUS_ADRERR)".
std::string signal_with_code(int signal, int code);

/// Words of VM_FAULT_ bits without the prefix; unknown bits as one hex number.
std::vector<std::string> fault_words(std::uint32_t bits);
/// The same joined by "|", "0" for none.
std::string fault_text(std::uint32_t bits);

/// Microseconds with three decimals: "12.345us".
std::string time_text(Nanos time);

/// What a step returned, as people read it: hex for addresses and loaded bytes, else decimal.
std::string value_text(Verb verb, std::int64_t value);
/// Whether the verb has a result worth showing when it succeeds.
bool has_value(Verb verb);

/// "NAME" or "NAME/SUBCLASS", as traces print the class.
std::string lock_text(const FindingLock& lock);

/// "TASK.ID".
std::string step_text(const Scenario& scenario, StepRef step);

}  // namespace faultline
