// Turns a parsed document into a Scenario, and finds what the grammar cannot: unknown names,
// overlaps, limits, references that lead nowhere. It works on documents that broke the grammar too
// (what does not fit reads as absent), so that a user sees all errors at once; the result is used
// only if there were none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <faultline/scenario.hpp>

#include "base/flags.hpp"
#include "scenario/error_list.hpp"
#include "scenario/json_tree.hpp"
#include "scenario/load.hpp"

namespace faultline {

/// Values of single nodes. A missing node (no_node) or one of another type reads as the default.
class Values {
 public:
  explicit Values(const JsonTree& tree) : tree_(tree) {}
  NodeId get(NodeId object, std::string_view key) const { return tree_.find(object, key); }
  std::string_view text(NodeId node) const;
  bool truth(NodeId node, bool absent) const;
  std::uint64_t size(NodeId node, std::uint64_t absent = 0) const;      ///< sizes and counts
  std::uint64_t argument(NodeId node, std::uint64_t absent = 0) const;  ///< any 64-bit value
  std::uint64_t duration(NodeId node, std::uint64_t absent = 0) const;
  std::uint64_t flags(NodeId node, const FlagTable& table) const;  ///< words and numbers, OR
  /// Index of the node's word in `words`, `absent` if it is none of them.
  template <class Enum, std::size_t N>
  Enum word(NodeId node, const std::string_view (&words)[N], Enum absent) const {
    for (std::size_t i = 0; i < N; ++i) {
      if (text(node) == words[i]) return static_cast<Enum>(i);
    }
    return absent;
  }

 private:
  const JsonTree& tree_;
};

/// Names of one sort of declaration, to indices in order of declaration.
struct NameTable {
  std::map<std::string_view, std::uint32_t> index;
  std::vector<std::string_view> names;
  void add(std::string_view name);
  std::optional<std::uint32_t> find(std::string_view name) const;
};

class Reader {
 public:
  Reader(const JsonTree& tree, ErrorList& errors, Scenario& scenario, const Vocabulary& vocabulary)
      : tree_(tree), errors_(errors), scenario_(scenario), vocabulary_(vocabulary), values_(tree) {}
  void read();

 private:
  // read_declarations.cpp
  void read_names();
  void read_top();
  void read_kernel(NodeId kernel);
  void read_knob(NodeId knob);
  std::optional<KnobSetting> knob_setting(NodeId knob, const KnobSpec& spec) const;
  void read_machine(NodeId machine);
  void read_locks(NodeId locks);
  void read_inject(NodeId inject);

  // read_devices.cpp
  void read_devices(NodeId devices);
  void check_device_size(NodeId node);
  void read_block(NodeId node, DeviceSpec& device);
  void read_pmem(NodeId node, DeviceSpec& device);
  void read_filesystems(NodeId filesystems);
  void check_stripe(NodeId node, XfsSpec& xfs);
  void read_xfs(NodeId node, FilesystemSpec& fs);

  // read_drivers.cpp and check_drivers.cpp
  CharSpec read_char(NodeId node);
  void read_hook(NodeId node, CharDescription& driver);
  void read_memory(NodeId node, CharDescription& driver);
  void read_driver_ops(NodeId node, CharDescription& driver);
  DriverOp read_op(NodeId node);
  HookSleep read_sleep(NodeId node);
  std::int64_t read_returns(NodeId node);
  DriverAction read_action(NodeId node);
  void read_calls(NodeId list, CharDescription& driver);
  void read_replacement(NodeId node, CharDescription& driver);
  void check_align(NodeId node, const CharDescription& driver);
  void check_driver(NodeId node, const CharDescription& driver);
  void check_stacking(NodeId devices);
  void check_action(NodeId node, const CharDescription& driver, const DriverAction& action);
  void check_frames(NodeId node, const CharDescription& driver, const DriverAction& action);
  void check_pages(NodeId node, const CharDescription& driver, const DriverAction& action);

  // read_files.cpp
  void read_files(NodeId files);
  void read_file(NodeId node, FileSpec& file);
  void read_place(NodeId node, FileSpec& file);
  void read_extents(NodeId list, FileSpec& file);
  void read_extent(NodeId node, const FileSpec& file, ExtentSpec& extent);
  void read_pattern(NodeId node, FileSpec& file);
  void check_clean(NodeId node, const FileSpec& file, const CachedRange& range);
  void read_cached(NodeId list, FileSpec& file);
  FileTime read_time(NodeId node) const;
  void check_delalloc(NodeId node, const FileSpec& file);
  void check_overlaps(const FileSpec& file, const std::vector<NodeId>& nodes);
  void check_shared();
  void check_space();
  const PmemSpec* pmem_of(const FileSpec& file) const;
  bool check_blocks(NodeId node, std::string_view what);

  // read_tasks.cpp
  void read_tasks(NodeId tasks);
  void read_task(NodeId node, TaskSpec& task);
  void read_cpus(NodeId node, TaskSpec& task);
  ByteRange read_stack(NodeId stack);
  void read_limits(NodeId node, TaskSpec& task);
  void read_processes(NodeId tasks);
  void check_parents(NodeId tasks);
  void list_steps(NodeId steps, std::vector<NodeId>& flat, std::vector<std::uint32_t>& bodies);
  std::uint64_t count_plays(NodeId steps);
  void index_steps(TaskId task);
  void check_after();

  // read_steps.cpp
  void read_steps(TaskId task);
  void read_step(NodeId node, Step& step);
  void read_after(NodeId list, Step& step);
  void read_step_expectation(NodeId node, Step& step);
  void read_signal_expectation(NodeId node, StepExpectation& expectation);
  StepArgs read_args(NodeId node, Step& step);  // read_args.cpp
  void expect_loaded(const AccessArgs& access, Step& step);
  StepArgs read_memory_args(NodeId node, Verb verb);
  StepArgs read_file_args(NodeId node, Verb verb);
  StepArgs read_other_args(NodeId node, Step& step);
  StepArgs read_access(NodeId node);

  // resolve.cpp
  AddressRef address(NodeId node);
  /// The step whose sample an exchange compares with; none if `node` is absent.
  StepRef start_commit(NodeId node);
  FdRef fd(NodeId node);
  std::optional<StepRef> find_step(NodeId node, std::string_view task, std::string_view step);
  struct Found {
    std::optional<StepRef> step;
    bool several = false;
  };
  Found look_up(std::string_view task, std::string_view step) const;
  Found look_up_bare(std::uint32_t name) const;
  Found find_in_process(ProcessRef process, std::uint32_t name) const;
  std::optional<std::uint32_t> step_of(TaskId task, std::uint32_t name) const;
  bool shares_files(TaskId task, TaskId other) const;
  bool check_order(NodeId node, StepRef target);
  std::optional<Verb> verb_of(StepRef step) const;
  void unknown_step(NodeId node, std::string_view task, std::string_view step);
  std::optional<std::uint32_t> named(NodeId node, const NameTable& table, std::string_view sort);

  // read_expectations.cpp
  void read_expectations(NodeId list);
  void read_expectation(NodeId node, RunExpectation& expectation);
  RecordMatch read_match(NodeId node);
  void check_fields(NodeId where, const RecordMatch& match);
  void read_count(NodeId node, RunExpectation& expectation);
  void read_extents_expectation(NodeId node, RunExpectation& expectation);
  void read_pte(NodeId node, RunExpectation& expectation);
  std::vector<TaskId> read_task_names(NodeId list);

  /// A complaint about what a value means; `message` is a function.
  template <class Message>
  void wrong(NodeId node, Message&& message) {
    errors_.add(node, Complaint::meaning, message);
  }
  NodeId get(NodeId object, std::string_view key) const { return tree_.find(object, key); }

  const JsonTree& tree_;
  ErrorList& errors_;
  Scenario& scenario_;
  const Vocabulary& vocabulary_;
  Values values_;

  NameTable devices_, filesystems_, files_, locks_, tasks_;
  struct Physical {
    std::uint32_t device;
    std::uint64_t at, length;
    NodeId node;
  };
  std::vector<Physical> physical_;
  struct Shared {
    NodeId node;
    FsRef fs;
    ExtentSpec extent;
  };
  std::vector<Shared> shared_;                   // extents that have the blocks of another file
  std::vector<std::vector<NodeId>> step_nodes_;  // of each task, bodies flattened
  std::vector<std::vector<std::uint32_t>> step_bodies_;  // steps in the body of each, 0 mostly
  std::vector<std::vector<std::pair<std::uint32_t, std::uint32_t>>> step_ids_;  // name, index
  std::vector<std::uint32_t> string_ids_;  // of the tree's strings in the scenario's
  mutable std::map<std::pair<std::uint32_t, std::uint32_t>, Found> found_;  // process, name
  TaskId task_{0};  // being read, and the index of the step
  std::uint32_t step_index_ = 0;
  bool endless_repeat_ = false;  // one was complained of
  bool in_task_ = false;         // false: expectations of the run
};

}  // namespace faultline
