// Collects the items of a trace, whatever its source, into a view. It knows tasks, steps, dropped
// system calls and timestamp transactions; it knows nothing of text formats.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/views.hpp"
#include "analysis/views_locks.hpp"

namespace faultline {

/// Builds one ViewTrace. Items of a task come in its program order; tasks may be interleaved.
class ViewBuilder {
 public:
  ViewBuilder(const ViewOptions& options, TextPool& pool, ViewTrace& out);

  /// The line of the file that the following items are from.
  void at_line(std::uint64_t line);

  /// The task `key` (a pid, or a column) begins a step; `compared` is false for a step that only
  /// prepares the others, whose lines are dropped.
  void begin_step(std::uint64_t key, std::string_view task, std::string_view label, bool compared);
  /// What follows belongs to no step: it is dropped until the next one begins.
  void leave(std::uint64_t key, std::string_view task);
  /// Whether the task's current step has seen a fault signal (SIGBUS, SIGSEGV) sent to it.
  bool after_fault_signal(std::uint64_t key) const;
  void forget_fault_signal(std::uint64_t key);

  void event(std::uint64_t key, std::string_view task, std::string_view name,
             std::string_view body);
  void acquire(std::uint64_t key, std::string_view task, std::string_view lock, LockTake take);
  void release(std::uint64_t key, std::string_view task, std::string_view lock);
  void alloc(std::uint64_t key, std::string_view task);
  void might_fault(std::uint64_t key, std::string_view task);
  /// Something that no view shows, but that stands between two items of the task.
  void other(std::uint64_t key);

  /// Ends all steps and orders the tasks. Call once, last.
  void finish();

 private:
  // What a line is to the cutting of timestamp transactions.
  enum class Role : std::uint8_t {
    plain,
    update_time,
    trans_free,
    take_sb_writers,
    drop_sb_writers,
    drop_sb_internal,
    foldable,  // several in a row count as one
  };
  struct Pending {
    std::uint32_t text = 0;
    std::uint32_t line = 0;
    std::int32_t allowed = -1;  // index in the allow list
    Role role = Role::plain;
    bool shown = true;  // false: only a mark for the cutting
  };
  enum class Where : std::uint8_t { before, compared, uncompared };
  struct Actor {
    std::uint64_t key = 0;
    ViewActor view;
    Where where = Where::before;
    std::uint64_t first_step = 0;  // line; 0: none yet
    bool fault_signal = false;
    bool pulse = false;  // the last item took mmap_lock for read: perhaps an annotation
    std::string harness_call;
    bool image_fault = false;  // in a fault of the program's own: until the next one, or a call
    std::vector<Pending> pending;
  };

  Actor& actor(std::uint64_t key, std::string_view task);
  const Actor* find(std::uint64_t key) const;
  bool syscall(Actor& actor, std::string_view name, std::string_view body);
  void push(Actor& actor, std::string_view name, std::string_view text, Role role, bool shown);
  void end_step(Actor& actor);
  void cut_timestamps(std::vector<Pending>& lines);
  void store(Actor& actor);

  const ViewOptions& options_;
  TextPool& pool_;
  ViewTrace& out_;
  std::uint32_t line_ = 0;
  std::vector<Actor> actors_;
  std::size_t last_ = 0;  // index of the actor asked for last: mostly the next one too
};

}  // namespace faultline
