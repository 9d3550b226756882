// The log of one file system: committed transactions wait in memory (the CIL) until a push writes
// them as one checkpoint; a checkpoint on disk is durable; a crash keeps exactly the durable ones.
// With it the account of log space that transactions reserve before they start.
// Source: linux 6.12 fs/xfs/xfs_log_cil.c, xfs_log.c. Left out: log buffers, wrap-around, the AIL
// (the tail moves when the owner says so); record sizes are a flat estimate, so that space numbers
// mean nothing beyond who has to wait.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "kernel/fs/xfs/xfs_redo.hpp"
#include "kernel/fs/xfs/xfs_trans_resv.hpp"

namespace faultline::xfs {

/// A grant of log space, from reservation to commit or cancel.
struct LogTicket {
  std::uint32_t unit = 0;   ///< bytes of one unit, all included
  std::uint32_t units = 0;  ///< units still granted
  std::uint32_t ocnt = 0;   ///< units it began with; as t_ocnt prints: 0 when not permanent
  bool permanent = false;
};

class Log {
 public:
  Log() = default;
  Log(const LogGeometry& geo, MetaState initial) : geo_(geo), initial_(std::move(initial)) {}
  /// Without the state before the first record: records are counted, states cannot be asked for.
  explicit Log(const LogGeometry& geo) : geo_(geo) {}
  /// Gives it that state later, but before the first record.
  void set_initial(MetaState initial);

  // Space. A transaction that gets none waits until the tail moves, then asks again.
  /// The ticket that a reservation of this type needs.
  LogTicket ticket(const TransRes& res) const;
  bool reserve(const LogTicket& t);
  /// A roll gives the committed unit back. True: the next unit is granted already; false: none is
  /// left, so reserve_more() before going on.
  bool roll(LogTicket& t);
  /// One more unit for a ticket that used up its own; false: wait.
  bool reserve_more(LogTicket& t);
  /// Commit or cancel ends the grant.
  void ungrant(LogTicket& t);
  std::uint64_t grant_bytes() const { return granted_ + used_; }
  std::uint64_t space_left() const { return geo_.size - std::min(geo_.size, grant_bytes()); }

  // Transactions.
  /// The open checkpoint: what is committed now becomes durable with it (xc_ctx sequence).
  std::uint64_t current_seq() const { return current_; }
  /// A transaction commits: its records join the open checkpoint, whose number is returned.
  std::uint64_t commit(std::vector<RedoRecord> records);
  /// Closes the open checkpoint, unless nothing was committed since the last push. Returns the
  /// newest closed one. It is durable once set_durable() says so.
  std::uint64_t push();
  /// The log is on disk up to and with checkpoint `seq`, which must be closed.
  void set_durable(std::uint64_t seq);
  std::uint64_t durable_seq() const { return durable_; }
  bool is_durable(std::uint64_t seq) const { return seq <= durable_; }
  /// Metadata of checkpoints up to `seq` is in place on disk: their log space is free again.
  void move_tail(std::uint64_t seq);

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
    std::uint64_t bytes = 0;
    std::vector<RedoRecord> records;
  };
  MetaState state_through(std::uint64_t seq) const;

  LogGeometry geo_{};
  std::optional<MetaState> initial_;    // before the first of `checkpoints_`
  std::deque<Checkpoint> checkpoints_;  // committed and not yet folded into `initial_`
  std::uint64_t current_ = 1;
  std::uint64_t durable_ = 0;
  std::uint64_t tail_ = 0;
  std::uint64_t granted_ = 0;
  std::uint64_t used_ = 0;
  std::uint64_t records_ = 0;
};

}  // namespace faultline::xfs
