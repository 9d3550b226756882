// What a run came to, as plain data: the outcome, every step's result, the findings of generic
// oracles. The report, the expectations and the summary are made from it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <faultline/scenario.hpp>
#include <faultline/types.hpp>

#include "engine/engine.hpp"
#include "kernel/drivers/char_device.hpp"
#include "kernel/fs/cut_line.hpp"
#include "kernel/sched.hpp"
#include "scenario/fault_part.hpp"

namespace faultline {

struct MmSnapshot;  // scenario/snapshot.hpp

enum class StepState : std::uint8_t { not_reached, blocked, done };

/// One execution of a step (the latest, for a step in a repeat). The faults of a repeat are those
/// of all the steps in it.
struct StepResult {
  StepState state = StepState::not_reached;
  bool has_ended = false;               ///< this execution or an earlier one
  std::int64_t result = 0;              ///< >= 0 or an address: the value; -errno: an error
  bool failed = false;                  ///< `result` is a negative errno
  std::optional<PendingSignal> signal;  ///< that ended the step
  Nanos start{}, end{};
  std::uint64_t fault_count = 0;
  std::vector<FaultRecord> faults;             ///< the first 64
  std::vector<FaultShares> fault_parts;        ///< of `faults`, in order, if it was asked for
  FaultRecord last_fault;                      ///< valid if fault_count > 0
  std::shared_ptr<const MmSnapshot> snapshot;  ///< of the verb of that name
};

/// A lock in a finding.
struct FindingLock {
  std::string lock_class;
  std::uint8_t subclass = 0;
  std::uint64_t instance = 0;
  std::string mode;  ///< "exclusive" or "shared"
  std::string task;
  std::string role;               ///< "held" or "wanted"
  std::vector<std::string> path;  ///< call path, outermost first
};

struct Finding {
  std::string kind;  ///< deadlock, stuck, lock-cycle, recursion, bad-release, kernel-warn, ...
  std::string text;
  std::vector<FindingLock> locks;
};

/// The calls that a described driver got, in order.
struct DeviceResult {
  std::string name;
  std::vector<HookCall> hooks;
  std::uint64_t dropped = 0;  ///< calls beyond what is kept
};

/// What a power cut after a step leaves, or the one that ended the run.
struct CutResult {
  StepRef step;
  Nanos time{};
  std::uint64_t lost_records = 0;   ///< of the log
  std::uint64_t pending_lines = 0;  ///< of all devices
  std::uint64_t images = 1;
  std::vector<CutLine> lines;         ///< the first of the pending ones
  std::vector<std::string> findings;  ///< broken promises, and a recovered state that is wrong
};

struct RunResult {
  Outcome outcome = Outcome::completed;
  std::string reason;  ///< why it ended, when not completed
  Nanos time{};
  std::uint64_t events = 0;
  std::vector<std::vector<StepResult>> steps;  ///< by task, by step index
  std::vector<Finding> findings;
  std::vector<DeviceResult> devices;  ///< character devices that a scenario describes
  std::vector<CutResult> cuts;        ///< of the step `crash`, or after every step if asked for
};

/// One extent of a file as it is at the end of the run.
struct FinalExtent {
  std::uint64_t at = 0, length = 0;  ///< bytes
  ExtentState state = ExtentState::written;
  std::uint64_t phys = 0;  ///< bytes on the device
};

/// What a virtual address translates to at the end of the run.
struct FinalPte {
  PteState state = PteState::none;
  LeafSize leaf = LeafSize::none;
};

/// Questions about the final state; answered by the World.
class FinalState {
 public:
  virtual ~FinalState() = default;
  /// Real extents in order of offset; holes are left out.
  virtual std::vector<FinalExtent> extents(FileRef file) const = 0;
  virtual FinalPte pte(ProcessRef process, std::uint64_t address) const = 0;
  /// Eight bytes of the file at `at`, little endian; 0 in holes and unwritten extents.
  virtual std::uint64_t content(FileRef file, std::uint64_t at) const = 0;
  /// The same for every image that a power cut may have left: durable lines only, everything, then
  /// each line that was pending. Without a power cut one value.
  virtual std::vector<std::uint64_t> contents(FileRef file, std::uint64_t at) const {
    return {content(file, at)};
  }
  /// The address an AddressRef means at the end; nothing if its step never returned one.
  virtual std::optional<std::uint64_t> address(const AddressRef& ref) const = 0;
};

}  // namespace faultline
