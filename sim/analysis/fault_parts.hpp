// What page faults spend their time on, from the records of a run or the lines of a trace with
// calls: each stretch between two records of the faulting task goes to what the task did in it.
// That is a wait for a lock, a sleep for a device, or else the part of the kernel that the
// innermost call belongs to. A trace without sim_call tells nothing here. Translation is the page
// walk that found no entry, entry the way from there into the kernel and back to the instruction; a
// trace that has no page walks (they are of level `all`) shows neither the one nor the ends of the
// other. A device that is memory works inside of the file system's calls.
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
  std::string_view name;   ///< the function of a call, the class of a lock
  std::uint64_t cost = 0;  ///< of a page walk, ns
};

/// The walk along the faults of each task.
class FaultAccount {
 public:
  void clear() { tasks_.clear(); }
  /// The shares of a fault that `step` of the task `key` shows to be over.
  std::optional<FaultShares> take(std::int64_t key, const FaultStep& step);
  /// The shares of faults that have returned and whose tasks have no record after it.
  std::vector<std::pair<std::int64_t, FaultShares>> take_returned();

 private:
  enum class Wait : std::uint8_t { none, lock, device };
  enum class State : std::uint8_t { none, open, returned };
  struct Walk {
    std::uint64_t start = 0;  ///< its record comes before its cost
    std::uint64_t cost = 0;
  };
  struct Fault {
    FaultShares spent{};
    std::vector<FaultPart> calls;  // the part of each call under way
    std::uint64_t last = 0;
    Wait wait = Wait::none;
    bool asleep = false;
  };
  struct PerTask {
    Fault fault;
    State state = State::none;
    std::optional<Walk> walk;  // the last record, if it was one
  };
  static FaultPart now(const Fault& fault);
  static Fault begin(const FaultStep& step, const std::optional<Walk>& walk);
  /// False when the fault is over.
  static bool advance(Fault& fault, const FaultStep& step);

  std::map<std::int64_t, PerTask> tasks_;
};

/// All faults of traces.
class FaultParts {
 public:
  void begin_trace() { account_.clear(); }
  void line(const TraceLine& line);
  /// Faults that have not ended are left out.
  void end_trace();

  /// One value a fault: what it spent on that part.
  const Durations& of(FaultPart part) const { return parts_[static_cast<std::size_t>(part)]; }
  std::uint64_t faults() const { return of(FaultPart::entry).count(); }

 private:
  void add(const FaultShares& shares);

  FaultAccount account_;
  std::array<Durations, fault_part_count> parts_;
};

/// The faults of a run, step by step, for its report.
class StepFaults {
 public:
  explicit StepFaults(const SymbolTable& symbols) : symbols_(symbols) {}
  static EventMask mask();
  void on_record(const Record& record);
  /// Fills StepResult::fault_parts. The parts add up to the fault's duration.
  void put_into(const Scenario& scenario, RunResult& result);

 private:
  void keep(std::uint32_t task, const FaultShares& shares);

  const SymbolTable& symbols_;
  FaultAccount account_;
  std::map<std::uint32_t, std::uint64_t> step_;  // by task: the symbol of the step it is in
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::vector<FaultShares>> shares_;
};

}  // namespace faultline
