// The log of one file system: committed transactions wait in memory (the CIL) until a push writes
// them as one checkpoint; a checkpoint on disk is durable; a crash keeps exactly the durable ones.
// Source: linux 6.12 fs/xfs/xfs_log_cil.c, as plain data; the tasks that push and wait are in
// xfs_log_cil.cpp, the account of space is LogSpace. Left out: the bytes of a checkpoint; how many
// there are is counted.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "kernel/fs/xfs/xfs_log_space.hpp"
#include "kernel/fs/xfs/xfs_redo.hpp"

namespace faultline::xfs {

class Log {
 public:
  Log() : Log(LogGeometry{}) {}
  Log(const LogGeometry& geo, MetaState initial) : Log(geo) { initial_ = std::move(initial); }
  /// Without the state before the first record: records are only counted, states cannot be asked
  /// for.
  explicit Log(const LogGeometry& geo);
  /// Gives it that state later, but before the first record.
  void set_initial(MetaState initial);

  LogSpace space;

  // Transactions.
  /// The open checkpoint: what is committed now becomes durable with it (xc_ctx sequence).
  std::uint64_t current_seq() const { return current_; }
  /// A transaction that logs `len` bytes more than the open checkpoint has of its items pays for
  /// them and for its share of headers: the first part of xlog_cil_insert_items().
  void charge(LogTicket& t, std::int64_t len);
  /// A transaction commits: its records join the open checkpoint, whose number is returned.
  std::uint64_t commit(const std::vector<RedoRecord>& records);
  /// Whether nothing was committed since the last push.
  bool cil_empty() const { return checkpoints_.empty() || checkpoints_.back().seq != current_; }
  /// Bytes in the open checkpoint.
  std::uint64_t cil_space_used() const { return space_used_; }
  /// Closes the open checkpoint, unless it is empty, and gives it a place in the log. Returns the
  /// newest closed one. It is durable once set_durable() says so.
  std::uint64_t push();
  /// The log is on disk up to and with checkpoint `seq`, which must be closed.
  void set_durable(std::uint64_t seq);
  std::uint64_t durable_seq() const { return durable_; }
  bool is_durable(std::uint64_t seq) const { return seq <= durable_; }
  /// Where a checkpoint begins that is closed and was not forgotten.
  std::uint64_t start_of(std::uint64_t seq) const;
  /// Metadata of all checkpoints that begin before `tail` are in place: their log space is free.
  void move_tail(std::uint64_t tail);

  // What is true.
  /// The state with all committed transactions.
  MetaState current_state() const;
  /// The state after a crash now: durable checkpoints replayed, intents finished.
  MetaState crash_state() const;
  std::uint64_t records() const { return records_; }
  /// Records that a crash now would lose.
  std::uint64_t volatile_records() const;

 private:
  struct Checkpoint {
    std::uint64_t seq = 0;
    LogSpace::Written at;
    std::uint64_t count = 0;          // of its records
    std::vector<RedoRecord> records;  // kept only when states can be asked for
  };
  MetaState state_through(std::uint64_t seq) const;
  void open_checkpoint();

  std::optional<MetaState> initial_;    // before the first of `checkpoints_`
  std::deque<Checkpoint> checkpoints_;  // committed and not yet folded into `initial_`
  std::uint64_t current_ = 1;
  std::uint64_t durable_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t space_used_ = 0;  // of the open checkpoint
  std::uint64_t reserved_ = 0;    // what its transactions paid
  std::int64_t iclog_hdrs_ = 0;   // headers of log buffers it may still need
};

}  // namespace faultline::xfs
