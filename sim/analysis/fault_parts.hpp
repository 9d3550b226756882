// What page faults spend their time on, from the records of a run or the lines of a trace with
// calls: each stretch between two records of the faulting task goes to what the task did in it.
// That is a wait for a lock, a sleep for a device, or else the part of the kernel that the
// innermost call belongs to. A trace without sim_call tells nothing here. The walk of the page
// table before the exception and the way in count as entry; a device that is memory works inside of
// the file system's calls.
#pragma once

#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "analysis/durations.hpp"
#include "scenario/run_result.hpp"
#include "trace/symbols.hpp"
#include "trace/text_reader.hpp"
#include "trace/tracer.hpp"

namespace faultline {

/// One record of a task, reduced to what the account needs.
struct FaultStep {
  Event event{};
  std::uint64_t time = 0;
  std::string_view name;  ///< the function of a call, the class of a lock
};

/// The walk along the faults of each task.
class FaultAccount {
 public:
  void clear() { open_.clear(); }
  /// The shares of a fault when `step` of the task `key` ends it.
  std::optional<FaultShares> take(std::int64_t key, const FaultStep& step);

 private:
  enum class Wait : std::uint8_t { none, lock, device };
  struct Open {
    FaultShares spent{};
    std::vector<FaultPart> calls;  // the part of each call under way
    std::uint64_t last = 0;
    Wait wait = Wait::none;
    bool asleep = false;
  };
  static FaultPart now(const Open& fault);
  /// False when the fault is over.
  static bool advance(Open& fault, const FaultStep& step);

  std::map<std::int64_t, Open> open_;
};

/// All faults of traces.
class FaultParts {
 public:
  void begin_trace() { account_.clear(); }
  void line(const TraceLine& line);
  /// Faults that have not ended are left out.
  void end_trace() { account_.clear(); }

  /// One value a fault: what it spent on that part.
  const Durations& of(FaultPart part) const { return parts_[static_cast<std::size_t>(part)]; }
  std::uint64_t faults() const { return of(FaultPart::entry).count(); }

 private:
  FaultAccount account_;
  std::array<Durations, fault_part_count> parts_;
};

/// The faults of a run, step by step, for its report.
class StepFaults {
 public:
  explicit StepFaults(const SymbolTable& symbols) : symbols_(symbols) {}
  static EventMask mask();
  void on_record(const Record& record);
  /// Fills StepResult::fault_parts.
  void put_into(const Scenario& scenario, RunResult& result) const;

 private:
  const SymbolTable& symbols_;
  FaultAccount account_;
  std::map<std::uint32_t, std::uint64_t> step_;  // by task: the symbol of the step it is in
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::vector<FaultShares>> shares_;
};

}  // namespace faultline
